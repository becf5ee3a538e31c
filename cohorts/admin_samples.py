"""The admin of queries and of what a laboratory records: read here, changed by services."""

from __future__ import annotations

from django.contrib import admin

from cohorts import access, models
from cohorts.admin_site import ScopedAdmin, site
from cohorts.models.query import SUBJECTS


class QueryEventInline(admin.TabularInline):
    model = models.QueryEvent
    extra = 0
    fields = readonly_fields = ["at", "kind", "by", "text"]
    can_delete = False

    def get_queryset(self, request):
        return models.QueryEvent.objects.visible_to(request.user).select_related("by")

    def has_view_permission(self, request, obj=None):
        return access.may(request.user, "query", "R")

    def has_add_permission(self, request, obj=None):
        return False

    has_change_permission = has_add_permission


@admin.register(models.Query, site=site)
class QueryAdmin(ScopedAdmin):
    list_display = ["id", "site", "subject_kind", "subject", "rule", "state", "raised_at"]
    list_filter = ["state", "site", "rule"]
    search_fields = ["text", "participant__code", "sample__code"]
    list_select_related = ["site", *SUBJECTS, "batch__site", "upload__site"]
    inlines = [QueryEventInline]


@admin.register(models.QueryEvent, site=site)
class QueryEventAdmin(ScopedAdmin):
    list_display = ["query", "kind", "by", "at", "text"]
    list_filter = ["kind"]
    list_select_related = ["query__site", "by"]
