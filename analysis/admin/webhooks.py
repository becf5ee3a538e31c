"""Webhooks in the admin: whose they are, what they were told, how it went, and an end to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, URLField
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from analysis import models
from analysis.services import webhooks
from cohorts.admin_site import ScopedAdmin, site

# What a catalogue says beside the name of an event.
EVENTS = (
    *(gettext_noop("run.released"), gettext_noop("run.published"), gettext_noop("run.held")),
    *(gettext_noop("run.failed"), gettext_noop("verdict.changed")),
    gettext_noop("participants.withdrawn"),
)


class OfAllAdmin(ScopedAdmin):
    """Everybody's: in the API each sees their own only."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = self.model._default_manager.all()
        return found if self._may(request, "R") else found.none()


@admin.register(models.WebhookEndpoint, site=site)
class WebhookEndpointAdmin(OfAllAdmin):
    list_display = ["url", "user", "state", "events", "created_at", "failing_since", "disabled_at"]
    list_filter = ["disabled_at", "ended_at"]
    search_fields = ["url", "user__username"]
    list_select_related = ["user"]
    actions = ["end"]
    formfield_overrides = {URLField: {"assume_scheme": "https"}}

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "W")

    @admin.action(description=_("End the selected webhooks"), permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[models.WebhookEndpoint]) -> None:
        for endpoint in queryset:
            webhooks.end(endpoint.pk)
        self.message_user(request, gettext("Nothing more is sent to them."))


@admin.register(models.WebhookEvent, site=site)
class WebhookEventAdmin(OfAllAdmin):
    list_display = ["id", "kind", "run", "at", "passed_on_at"]
    list_filter = ["kind"]
    list_select_related = ["run__plan"]


@admin.register(models.WebhookMessage, site=site)
class WebhookMessageAdmin(OfAllAdmin):
    list_display = ["kind", "endpoint", "state", "attempts", "next_at", "delivered_at"]
    list_filter = ["state", "kind"]
    list_select_related = ["endpoint__user"]


@admin.register(models.WebhookAttempt, site=site)
class WebhookAttemptAdmin(OfAllAdmin):
    list_display = ["at", "message", "status", "error", "seconds"]
    list_filter = ["status"]
    list_select_related = ["message"]
