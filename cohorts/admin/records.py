"""The admin of the records: reference data and accounts are edited here, records only read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access, models
from cohorts.admin_site import READ_ONLY_ROWS, PlainInline, ScopedAdmin, roles_in, site
from cohorts.errors import DomainError
from cohorts.requests import user_of
from cohorts.services import batch_rules, embargo, pausing, phenotyping
from cohorts.services import erasure as service


class ReferenceAdmin(ScopedAdmin):
    """Reference data that analyses read: an edit is a change, so the plans run again."""

    editable = True

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
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


# --- the study


@admin.register(models.Study, site=site)
class StudyAdmin(ScopedAdmin):
    editable = True
    list_display = ["title", "code", "more_groups"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            batch_rules.recheck_study(obj)


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

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(roles_in(request) & access.roles_with("site_pause", "S"))

    @admin.action(
        description=_("Pause: take no tables of the selected sites"), permissions=["pause"]
    )
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        because = request.POST.get("because", "")
        for each in queryset:
            try:
                pausing.pause(each.pk, because=because, by=user_of(request))
            except DomainError as error:
                self.message_user(request, f"{each.code}: {error.message}", messages.ERROR)
            else:
                self.message_user(request, gettext("%(code)s is paused.") % {"code": each.code})

    @admin.action(description=_("Resume: take their tables again"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for each in queryset:
            pausing.resume(each.pk, by=user_of(request))
            self.message_user(
                request, gettext("Tables of %(code)s are taken again.") % {"code": each.code}
            )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["code"] if obj else []  # files and tables carry it


# --- records: read here, corrected by sending a table


@admin.register(models.Participant, site=site)
class ParticipantAdmin(ScopedAdmin):
    sensitive = True
    list_display = ["code", "site", "group", "sex", "age_years", "enrolled_on", "drug_free"]
    list_filter = ["site", "group", "sex"]
    search_fields = ["code"]
    list_select_related = ["site"]


@admin.register(models.Visit, site=site)
class VisitAdmin(ScopedAdmin):
    list_display = ["participant", "label", "visited_on"]
    search_fields = ["participant__code", "label"]
    list_select_related = ["participant"]


@admin.register(models.ConsentForm, site=site)
class ConsentFormAdmin(ScopedAdmin):
    list_display = ["version", "site", "language", "valid_from", "valid_until"]
    list_filter = ["site"]
    list_select_related = ["site"]


@admin.register(models.Consent, site=site)
class ConsentAdmin(ScopedAdmin):
    sensitive = True
    list_display = ["participant", "signed_on", "form", "scopes", "recorded_at"]
    list_filter = ["participant__site"]
    search_fields = ["participant__code"]
    list_select_related = ["participant", "form__site"]


@admin.register(models.Withdrawal, site=site)
class WithdrawalAdmin(ScopedAdmin):
    sensitive = True
    list_display = ["participant", "level", "effective_on", "recorded_by", "recorded_at"]
    list_filter = ["level", "participant__site"]
    search_fields = ["participant__code"]
    list_select_related = ["participant", "recorded_by"]


@admin.register(models.Erasure, site=site)
class ErasureAdmin(ScopedAdmin):
    """Requests and receipts; whoever may approve one, and did not ask for it, does so here."""

    list_display = ["id", "site", "participant", "state", "requested_by", "approved_by", "due"]
    list_filter = ["site"]
    list_select_related = ["site", "participant", "requested_by", "approved_by"]
    actions = ["approve"]

    @admin.display(description=_("carried out after"))
    def due(self, erasure: models.Erasure) -> datetime | None:
        return service.due_at(erasure)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "A")

    @admin.action(description=_("Approve the selected erasures"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for erasure in queryset.order_by("pk"):
            try:
                service.approve(erasure.pk, by=user_of(request))
            except DomainError as error:
                self.message_user(request, f"{erasure.pk}: {error.message}", messages.ERROR)
            else:
                self.message_user(
                    request, gettext("Erasure %(number)s is approved.") % {"number": erasure.pk}
                )


@admin.register(models.Tombstone, site=site)
class TombstoneAdmin(ScopedAdmin):
    list_display = ["id", "site", "level", "on"]
    list_filter = ["site"]
    list_select_related = ["site"]


@admin.register(models.Assessment, site=site)
class AssessmentAdmin(ScopedAdmin):
    sensitive = True
    list_display = ["participant", "instrument", "assessed_on", "score", "language"]
    list_filter = ["instrument", "participant__site"]
    search_fields = ["participant__code"]
    list_select_related = ["participant", "instrument"]


class BatchFeatureInline(PlainInline):
    model = models.BatchFeature
    template = READ_ONLY_ROWS
    extra = 0
    fields = readonly_fields = ("position", "source_name", "feature", "unit", "factor", "lod")
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return models.BatchFeature.objects.visible_to(request.user).select_related("feature")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may(request.user, "assay", "R")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_add_permission


class EmbargoForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes none
    """A day that has come already is refused at its field."""

    def clean_embargo_until(self) -> date | None:
        until: date | None = self.cleaned_data["embargo_until"]
        if until == self.initial.get("embargo_until"):
            return until
        try:
            embargo.check_day(self.instance, until)
        except DomainError as error:
            raise forms.ValidationError(error.message) from error
        return until


@admin.register(models.AssayBatch, site=site)
class AssayBatchAdmin(ScopedAdmin):
    """Read here like every record; a data manager sets the embargo alone, through its service."""

    list_display = [
        *("id", "site", "platform", "matrix", "scale", "run_date"),
        *("status", "embargo_until", "upload"),
    ]
    list_filter = ["site", "matrix", "status"]
    search_fields = ["platform", "label"]
    list_select_related = ["site", "upload__site"]
    inlines = [BatchFeatureInline]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(roles_in(request) & access.roles_with("embargo", "U"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [f.name for f in self.opts.fields if f.name != "embargo_until"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        embargo.set_embargo(obj.pk, until=form.cleaned_data["embargo_until"], by=user_of(request))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, form=EmbargoForm, **kwargs)


@admin.register(models.BatchVoid, site=site)
class BatchVoidAdmin(ScopedAdmin):
    list_display = ["batch", "reason", "asked_by", "asked_at", "approved", "decided_by"]
    list_filter = ["batch__site"]
    list_select_related = ["batch__site", "asked_by", "decided_by"]


@admin.register(models.BatchFeature, site=site)
class BatchFeatureAdmin(ScopedAdmin):
    list_display = ["batch", "position", "source_name", "feature", "unit", "factor", "lod"]
    list_filter = ["batch__site"]
    search_fields = ["source_name", "feature__name"]
    list_select_related = ["batch__site", "feature"]


@admin.register(models.AssayRow, site=site)
class AssayRowAdmin(ScopedAdmin):
    """Heads of rows; the packed values are read through the API and by analyses."""

    sensitive = True
    fields = ["batch", "sample", "label", "sample_type", "injection_order", "n_values"]
    list_display = ["label", "batch", "sample", "sample_type", "injection_order"]
    list_filter = ["sample_type", "batch__site"]
    search_fields = ["label"]
    list_select_related = ["batch__site", "sample"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("packed_values")

    @admin.display(description=_("values"))
    def n_values(self, row: models.AssayRow) -> int:
        return len(row.packed_flags)


@admin.register(models.Upload, site=site)
class UploadAdmin(ScopedAdmin):
    list_display = ["filename", "site", "kind", "status", "received_at", "sent_by", "page"]
    list_filter = ["status", "kind", "site"]
    search_fields = ["filename", "sha256"]
    list_select_related = ["site", "sent_by"]

    @admin.display(description=_("report"))
    def page(self, upload: models.Upload) -> str:
        return format_html('<a href="/uploads/{}/">{}</a>', upload.pk, gettext("open the page"))


@admin.register(models.ColumnMapping, site=site)
class ColumnMappingAdmin(ScopedAdmin):
    list_display = ["site", "kind"]
    list_filter = ["site"]
    list_select_related = ["site"]


@admin.register(models.Change, site=site)
class ChangeAdmin(ScopedAdmin):
    list_display = ["id", "recorded_at", "kind", "site", "counts", "cause"]
    list_filter = ["kind", "site"]
    list_select_related = ["site"]


# --- reference data


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

    @admin.action(description=_("Score all their assessments again"), permissions=["rescore"])
    def rescore(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for instrument in queryset:
            n = phenotyping.rescore(instrument)
            self.message_user(
                request,
                gettext("%(instrument)s: %(n)s scores have moved.")
                % {"instrument": instrument, "n": n},
            )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        # The rule may have been edited: what it has scored follows.
        phenotyping.rescore(form.instance)

    @admin.display(boolean=True, description=_("facts confirmed"))
    def to_confirm(self, instrument: models.Instrument) -> bool:
        return not instrument.to_be_confirmed
