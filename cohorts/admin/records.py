"""The admin of records: read here, corrected by sending a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.admin_site import FoundByCode, ScopedAdmin, site
from cohorts.errors import DomainError
from cohorts.requests import user_of
from cohorts.services.erasing import erasure as service
from cohorts.templatetags.portal import word as state_word


@admin.register(models.Participant, site=site)
class ParticipantAdmin(FoundByCode):
    sensitive = True
    list_display = ["code", "site", "group", "sex", "age", "enrolled_on", "drug_free"]
    readonly_fields = ["elsewhere"]
    list_filter = ["site", "group", "sex"]
    search_fields = ["code"]
    list_select_related = ["site"]

    @admin.display(description=_("Age at enrolment (years)"), ordering="age_years")
    def age(self, person: models.Participant) -> float | None:
        return person.age_at_enrolment

    @admin.display(description=_("Records of this person"))
    def elsewhere(self, person: models.Participant) -> str:
        """Each kind of record, found by the person's code."""
        kinds = (models.Consent, models.Withdrawal, models.Visit, models.Assessment, models.Sample)
        return format_html_join(
            " · ",
            '<a href="{}?{}">{}</a>',
            (
                (
                    reverse(f"admin:{kind._meta.label_lower.replace('.', '_')}_changelist"),
                    urlencode({"q": person.code}),
                    capfirst(kind._meta.verbose_name_plural),
                )
                for kind in kinds
            ),
        )


@admin.register(models.Visit, site=site)
class VisitAdmin(FoundByCode):
    list_display = ["participant", "label", "visited_on"]
    search_fields = ["participant__code"]
    list_select_related = ["participant"]


@admin.register(models.ConsentForm, site=site)
class ConsentFormAdmin(ScopedAdmin):
    list_display = ["version", "site", "language", "valid_from", "valid_until"]
    list_filter = ["site"]
    list_select_related = ["site"]


@admin.register(models.Consent, site=site)
class ConsentAdmin(FoundByCode):
    sensitive = True
    list_display = ["participant", "signed_on", "form", "scopes", "recorded_at"]
    list_filter = ["participant__site"]
    search_fields = ["participant__code"]
    list_select_related = ["participant", "form__site"]


@admin.register(models.Withdrawal, site=site)
class WithdrawalAdmin(FoundByCode):
    sensitive = True
    list_display = ["participant", "level", "effective_on", "recorded_by", "recorded_at"]
    list_filter = ["level", "participant__site"]
    search_fields = ["participant__code"]
    list_select_related = ["participant", "recorded_by"]


@admin.register(models.Erasure, site=site)
class ErasureAdmin(ScopedAdmin):
    """Requests and receipts; whoever may approve one, and did not ask for it, does so here."""

    list_display = ["id", "site", "participant", "standing", "requested_by", "approved_by", "due"]
    list_filter = ["site"]
    list_select_related = ["site", "participant", "requested_by", "approved_by"]
    actions = ["approve"]

    @admin.display(description=_("state"))
    def standing(self, erasure: models.Erasure) -> str:
        return state_word(erasure.state)["text"]

    @admin.display(description=_("carried out after"))
    def due(self, erasure: models.Erasure) -> datetime | None:
        return service.due_at(erasure)

    def acts_fit(self, erasure: models.Erasure) -> Iterable[str]:
        return ("approve",) if erasure.state == "requested" else ()

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return self._may(request, "A")

    @admin.action(description=_("Approve"), permissions=["approve"])
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
class AssessmentAdmin(FoundByCode):
    sensitive = True
    list_display = ["participant", "instrument", "assessed_on", "score", "language"]
    readonly_fields = ["score", "scoring_version"]  # computed, so no form has them
    list_filter = ["instrument", "participant__site"]
    search_fields = ["participant__code"]
    list_select_related = ["participant", "instrument"]


@admin.register(models.Change, site=site)
class ChangeAdmin(ScopedAdmin):
    list_display = ["id", "recorded_at", "kind", "site", "counts", "cause"]
    list_filter = ["kind", "site"]
    list_select_related = ["site"]
