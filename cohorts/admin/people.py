"""The admin of what happens to people's records: moves, plans, interviews, and their past."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.admin_site import ScopedAdmin, site


@admin.register(models.Transfer, site=site)
class TransferAdmin(ScopedAdmin):
    list_display = ["participant", "to_site", "state", "asked_by", "asked_at", "accepted_by"]
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


class EventAdmin(ScopedAdmin):
    """Read only, as kept by triggers: what was written, when, by whom and why."""

    sensitive = True
    list_display = ["pgh_created_at", "pgh_label", "pgh_obj_id", "who", "why"]
    list_filter = ["pgh_label"]
    ordering = ["-pgh_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # With the rows, not once for each of them.
        said = Cast(KeyTextTransform("user", OuterRef("pgh_context")), BigIntegerField())
        name = models.User.objects.filter(pk=said).values("username")
        found: QuerySet[Any] = super().get_queryset(request).annotate(said_by=Subquery(name))
        return found

    @admin.display(description=_("by"))
    def who(self, event: Any) -> str:
        return str(event.said_by or (event.pgh_context or {}).get("source", ""))

    @admin.display(description=_("reason"))
    def why(self, event: Any) -> str:
        return str((event.pgh_context or {}).get("reason", ""))


for event_model in models.EVENTS.values():
    site.register(event_model, EventAdmin)
