"""The admin of sent tables and assay batches: read here, but for the embargo of a batch."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access, models
from cohorts.admin_site import ReadOnlyInline, ScopedAdmin, roles_in, site
from cohorts.errors import DomainError
from cohorts.requests import user_of
from cohorts.services.batches import embargo


class BatchFeatureInline(ReadOnlyInline):
    model = models.BatchFeature
    fields = readonly_fields = ("position", "source_name", "feature", "unit", "factor", "lod")
    resource = "assay"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return models.BatchFeature.objects.visible_to(request.user).select_related("feature")


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
