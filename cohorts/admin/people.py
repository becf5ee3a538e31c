"""The admin of what happens to people's records: moves, plans, interviews, and their past."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.admin_site import HAPPENED, ScopedAdmin, site, what_happened
from cohorts.admin_values import shown_state
from cohorts.language.told import told


@admin.register(models.Transfer, site=site)
class TransferAdmin(ScopedAdmin):
    list_display = ["participant", "to_site", shown_state, "asked_by", "asked_at", "accepted_by"]
    list_select_related = ["participant", "to_site", "asked_by", "accepted_by"]


@admin.register(models.ProtocolVisit, site=site)
class ProtocolVisitAdmin(ScopedAdmin):
    editable = True
    list_display = ["label", "study", "target_day", "days_before", "days_after"]
    list_select_related = ["study"]


@admin.register(models.Interview, site=site)
class InterviewAdmin(ScopedAdmin):
    sensitive = True
    list_display = ["participant", "interviewed_on", "months", "days_out_a_week", "told"]
    list_select_related = ["participant"]

    @admin.display(description=_("grades"))
    def told(self, interview: models.Interview) -> str:
        return "; ".join(
            f"{grade.criteria}: {grade.state} {grade.severity}" for grade in interview.grades
        )


@admin.register(models.SecondEntry, site=site)
class SecondEntryAdmin(ScopedAdmin):
    list_display = ["assessment", "entered_by", "entered_at", "settled_by", "settled_at"]
    list_select_related = ["assessment__participant", "assessment__instrument", "entered_by"]


@admin.register(models.VariableDictionary, site=site)
class VariableDictionaryAdmin(ScopedAdmin):
    """Read only: a version is taken on the study's page, where what it changes is shown."""

    list_display = ["study", "version", "n_variables", "filename", "added_by", "added_at"]
    list_select_related = ["study", "added_by"]

    @admin.display(description=_("variables"))
    def n_variables(self, dictionary: models.VariableDictionary) -> int:
        return len(dictionary.variables)


# --- what rows were


class Happened(admin.SimpleListFilter):
    """First written, changed or deleted."""

    title = _("what happened")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(label, str(words)) for label, words in HAPPENED.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pgh_label=self.value()) if self.value() else queryset


class EventAdmin(ScopedAdmin):
    """Read only, as kept by triggers: what was written, when, by whom and why."""

    sensitive = True
    list_display = ["at", "what", "row", "who", "why"]
    list_filter = [Happened]
    ordering = ["-pgh_id"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """First what happened, then what the row said afterwards."""
        columns = self.opts.concrete_fields
        said = [each.name for each in columns if not each.name.startswith("pgh_")]
        return [*self.list_display, *(self._as_read(request, name) for name in said)]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        event = self.get_object(request, unquote(object_id))
        title = "" if event is None else f"{self.row(event)}: {self.what(event)}"
        said = {"subtitle": title, "original": title} | (extra_context or {})
        return super().change_view(request, object_id, form_url, said)

    @admin.display(description=_("when"), ordering="pgh_created_at")
    def at(self, event: Any) -> Any:
        return event.pgh_created_at

    @admin.display(description=_("what happened"))
    def what(self, event: Any) -> str:
        return what_happened(event.pgh_label)

    @admin.display(description=_("row"), ordering="pgh_obj_id")
    def row(self, event: Any) -> str:
        return f"{event.pgh_tracked_model._meta.verbose_name} {event.pgh_obj_id}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # With the rows, not once for each of them.
        said = Cast(KeyTextTransform("user", OuterRef("pgh_context")), BigIntegerField())
        name = models.User.objects.filter(pk=said).values("username")
        found: QuerySet[Any] = super().get_queryset(request).annotate(said_by=Subquery(name))
        return found

    @admin.display(description=_("by"))
    def who(self, event: Any) -> str:
        return str(event.said_by or told((event.pgh_context or {}).get("source", "")))

    @admin.display(description=_("reason"))
    def why(self, event: Any) -> str:
        return told((event.pgh_context or {}).get("reason", ""))


for event_model in models.EVENTS.values():
    site.register(event_model, EventAdmin)
