"""The admin of queries and of what a laboratory records: read here, changed by services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.admin_site import FoundByCode, ReadOnlyInline, ScopedAdmin, site
from cohorts.models.query import SUBJECTS


class QueryEventInline(ReadOnlyInline):
    model = models.QueryEvent
    fields = readonly_fields = ("at", "kind", "by", "text")
    resource = "query"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return models.QueryEvent.objects.visible_to(request.user).select_related("by")


@admin.register(models.Query, site=site)
class QueryAdmin(ScopedAdmin):
    list_display = ["id", "site", "about", "rule", "state", "raised_at"]
    list_filter = ["state", "site", "rule"]
    search_fields = ["text", "participant__code", "sample__code"]
    list_select_related = ["site", *SUBJECTS, "batch__site", "upload__site"]
    inlines = [QueryEventInline]

    @admin.display(description=_("about"))
    def about(self, query: models.Query) -> str:
        return f"{query.subject._meta.verbose_name} {query.subject}"


@admin.register(models.QueryEvent, site=site)
class QueryEventAdmin(ScopedAdmin):
    list_display = ["query", "kind", "by", "at", "text"]
    list_filter = ["kind"]
    list_select_related = ["query__site", "by"]


# --- the laboratory


@admin.register(models.Sample, site=site)
class SampleAdmin(FoundByCode):
    list_display = ["code", "site", "participant", "material", "collected_at", "spun_at", "status"]
    list_filter = ["site", "material", "status"]
    search_fields = ["code", "participant__code"]
    list_select_related = ["site", "participant"]


@admin.register(models.Box, site=site)
class BoxAdmin(ScopedAdmin):
    list_display = ["code", "site", "place", "n_rows", "n_columns"]
    list_filter = ["site"]
    list_select_related = ["site"]


@admin.register(models.CustodyEvent, site=site)
class CustodyEventAdmin(FoundByCode):
    list_display = ["sample", "number", "kind", "at", "by", "note"]
    list_filter = ["kind"]
    search_fields = ["sample__code"]
    list_select_related = ["sample", "by"]
    raw_id_fields = ["sample"]


@admin.register(models.Destruction, site=site)
class DestructionAdmin(ScopedAdmin):
    list_display = ["id", "site", "tube", "state", "cause", "ordered_at", "approved_at"]
    list_filter = ["site"]
    list_select_related = ["site"]


@admin.register(models.Shipment, site=site)
class ShipmentAdmin(ScopedAdmin):
    list_display = ["id", "from_site", "to_site", "courier", "sent_at"]
    list_filter = ["from_site", "to_site"]
    list_select_related = ["from_site", "to_site"]


@admin.register(models.ShippedTube, site=site)
class ShippedTubeAdmin(ScopedAdmin):
    list_display = ["shipment", "sample", "condition"]
    list_filter = ["condition"]
    list_select_related = ["shipment", "sample"]


@admin.register(models.TemperatureReading, site=site)
class TemperatureReadingAdmin(ScopedAdmin):
    list_display = ["shipment", "at", "celsius"]
    list_select_related = ["shipment"]


@admin.register(models.Receipt, site=site)
class ReceiptAdmin(ScopedAdmin):
    list_display = ["shipment", "received_at", "received_by", "unexpected"]
    list_select_related = ["shipment", "received_by"]
