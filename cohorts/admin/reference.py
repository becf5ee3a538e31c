"""The admin of reference data: studies, sites, instruments and what was decided on features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access, models
from cohorts.admin_site import ScopedAdmin, roles_in, site
from cohorts.admin_values import marked
from cohorts.errors import DomainError
from cohorts.requests import user_of
from cohorts.services import pausing, phenotyping
from cohorts.services.batches import batch_rules


class ReferenceAdmin(ScopedAdmin):
    """Reference data that analyses read: an edit is a change, so the plans run again."""

    editable = True

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        differs = set(form.changed_data) & set(form.initial)
        if change and not differs and not any(each.has_changed() for each in formsets):
            return
        for study in models.Study.objects.all():
            models.Change.objects.record(
                study=study,
                site=None,
                kind="dictionary",
                counts={str(self.opts.model_name): 1},
                cause=f"{self.opts.verbose_name_raw} {form.instance} edited by {request.user}"[
                    :200
                ],
            )


@admin.register(models.Study, site=site)
class StudyAdmin(ScopedAdmin):
    editable = True
    list_display = ["title", "code", "more_groups"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            batch_rules.recheck_study(obj)


SITE_HELP = {
    "code": _("2 to 12 capitals or digits, such as FUK."),
    "country": _("Two capitals, such as JP."),
    "time_zone": _("Such as Asia/Tokyo; the site's pages show their times in it."),
    "languages": _("Codes separated by commas, such as ja,en."),
}


class PauseForm(ActionForm):
    because = forms.CharField(label=_("Reason to pause"), required=False, max_length=200)


@admin.register(models.Site, site=site)
class SiteAdmin(ScopedAdmin):
    editable = True
    list_display = [
        *("code", "name", "country", "time_zone", "ethics_approval", "ethics_expires_on"),
        "paused_because",
    ]
    list_filter = ["country"]
    search_fields = ["code", "name"]
    list_select_related = ["study"]
    action_form = PauseForm
    actions = ["pause", "resume"]
    asking_actions = frozenset({"pause"})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The study, where there is but one, unless the address names another."""
        studies = list(models.Study.objects.values_list("pk", flat=True)[:2])
        only = {"study": studies[0]} if len(studies) == 1 else {}
        return only | super().get_changeform_initial_data(request)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **given: Any
    ) -> Any:
        return super().get_form(request, obj, change, **{"help_texts": SITE_HELP, **given})

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(roles_in(request) & access.roles_with("site_pause", "S"))

    def acts_fit(self, row: models.Site) -> Iterable[str]:
        return ("resume",) if row.paused_because else ("pause",)

    @admin.action(description=_("Pause: take no tables"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        because = request.POST.get("because", "")
        for each in queryset:
            try:
                pausing.pause(each.pk, because=because, by=user_of(request))
            except DomainError as error:
                self.message_user(request, f"{each.code}: {error.message}", messages.ERROR)
            else:
                self.message_user(request, gettext("%(code)s is paused.") % {"code": each.code})

    @admin.action(description=_("Resume: take tables again"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for each in queryset:
            pausing.resume(each.pk, by=user_of(request))
            self.message_user(
                request, gettext("Tables of %(code)s are taken again.") % {"code": each.code}
            )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["code"] if obj else []  # files and tables carry it


@admin.register(models.FeatureDecision, site=site)
class FeatureDecisionAdmin(ScopedAdmin):
    """The lineage of features, read here; decisions are made on the features' pages."""

    list_display = ["decided_at", "old_name", "kind", "new_name", "site", "decided_by", "reason"]
    list_filter = ["kind"]
    search_fields = ["old_name", "new_name"]
    list_select_related = ["site", "decided_by"]


@admin.register(models.Instrument, site=site)
class InstrumentAdmin(ReferenceAdmin):
    list_display = ["code", "version", "title", "n_items", "languages", "to_confirm"]
    search_fields = ["code", "title"]

    actions = ["rescore"]

    def has_rescore_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "U")

    @admin.action(description=_("Score all assessments again"), permissions=["rescore"])
    def rescore(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for instrument in queryset:
            self._score_again(request, instrument)

    def _score_again(self, request: HttpRequest, instrument: models.Instrument) -> None:
        said = {"instrument": instrument, "n": phenotyping.rescore(instrument)}
        words = gettext("%(instrument)s is scored again; scores that have moved: %(n)s.") % said
        self.message_user(request, words)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        # The rule may have been edited: what it has scored follows.
        self._score_again(request, form.instance)

    @admin.display(description=_("facts confirmed"))
    def to_confirm(self, instrument: models.Instrument) -> str:
        return marked(not instrument.to_be_confirmed)
