"""What participants agreed to, and what they took back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext_lazy as _

from cohorts.clock import zone_named
from cohorts.models.account import User
from cohorts.models.participant import Participant
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

# Scope -> the nearest term of the GA4GH Data Use Ontology; "" where it has none, since the
# ontology speaks of data, not of tubes or of calling somebody again.
SCOPES = {
    "store_samples": "",
    "metabolomics": "DUO:0000006",  # health, medical or biomedical research
    "share_consortium": "DUO:0000020",  # collaboration required
    "share_abroad": "DUO:0000022",  # geographical restriction
    "recontact": "",
    "commercial": "DUO:0000046",  # non-commercial use only, where this scope is absent
}


class ConsentFormQuerySet(ScopedQuerySet["ConsentForm"]):
    resource = "consent"

    def signable(self, on: date) -> Self:
        """Versions that may be signed on that day."""
        return self.exclude(valid_from__gt=on).exclude(valid_until__lt=on)


class ConsentForm(models.Model):
    """A version of a site's form. A table may name a version before its document is registered."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="consent_forms")
    version = models.CharField(max_length=40)
    language = models.CharField(max_length=16, blank=True)
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    document_sha256 = models.CharField(max_length=64, blank=True)
    offered_scopes = ArrayField(models.CharField(max_length=32), default=list)

    objects: ClassVar = ConsentFormQuerySet.as_manager()

    class Meta:
        ordering = ["site_id", "version"]
        constraints = [
            models.UniqueConstraint(
                name="consent_form_version_once",
                fields=["site", "version", "language"],
                violation_error_message=_("This site has that version and language already."),
            ),
            models.CheckConstraint(
                name="consent_form_ends_after_it_begins",
                condition=Q(valid_from=None)
                | Q(valid_until=None)
                | Q(valid_until__gte=F("valid_from")),
                violation_error_message=_("The form ends before it begins: check both days."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site.code} {self.version}"


class ConsentQuerySet(ScopedQuerySet["Consent"]):
    resource = "consent"
    site_path = "participant__site"

    def in_force(self, on: date) -> Self:
        """The latest consent signed by that day, while the window of its form is open.

        A later one replaces what was granted before, so nothing falls back to an earlier form.
        """
        own = {name: models.OuterRef(name) for name in ("participant", "signed_on", "pk")}
        # "None is later", and not "this is the latest": that, the planner finds one by one alone.
        later = Consent.objects.filter(
            Q(signed_on__gt=own["signed_on"]) | Q(signed_on=own["signed_on"], pk__gt=own["pk"]),
            participant=own["participant"],
            signed_on__lte=on,
        )
        return self.filter(
            Q(form__valid_from=None) | Q(form__valid_from__lte=on),
            Q(form__valid_until=None) | Q(form__valid_until__gte=on),
            ~models.Exists(later),
            signed_on__lte=on,
        )

    def granting(self, scopes: Collection[str]) -> Self:
        """Every one of these scopes is granted."""
        return self.filter(scopes__contains=sorted(scopes))


class Consent(models.Model):
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="consents")
    form = models.ForeignKey(ConsentForm, on_delete=models.PROTECT, null=True, blank=True)
    signed_on = models.DateField()
    scopes = ArrayField(models.CharField(max_length=32))
    basis = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("Where no form was signed: why the data may be used."),
    )
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects: ClassVar = ConsentQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(name="consent_newest_first", fields=["participant", "-signed_on", "-id"])
        ]
        constraints = [
            models.CheckConstraint(
                name="consent_scopes_known",
                condition=Q(scopes__contained_by=sorted(SCOPES)),
                violation_error_message=format_lazy(
                    _("A scope that the study does not know; the six are {scopes}."),
                    scopes=", ".join(SCOPES),
                ),
            ),
            models.CheckConstraint(
                name="consent_has_form_or_basis",
                condition=Q(form__isnull=False) | ~Q(basis=""),
                violation_error_message=_(
                    "Name the signed form, or on what basis data may be used."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.signed_on}"


# It may be another day already where the database stands than where the paper is signed.
DAYS_APART = timedelta(days=1)


class WithdrawalQuerySet(ScopedQuerySet["Withdrawal"]):
    resource = "withdrawal"
    site_path = "participant__site"

    def effective(self, on: date) -> Self:
        """In force on that day and not taken back by a consent signed since and recorded later.

        A paper that is older than the withdrawal takes nothing back, however late it is typed in.
        """
        renewed = Consent.objects.filter(
            participant=models.OuterRef("participant"),
            recorded_at__gt=models.OuterRef("recorded_at"),
            signed_on__gte=models.OuterRef("effective_on") - models.Value(DAYS_APART),
        )
        return self.filter(effective_on__lte=on).exclude(models.Exists(renewed))

    def highest_level(self) -> int:
        """0 where there is none."""
        return self.aggregate(level=models.Max("level"))["level"] or 0

    def stopping_new_data(self) -> Self:
        return self.filter(level__gte=Withdrawal.Level.NO_FURTHER_DATA)

    def stopping_use(self) -> Self:
        return self.filter(level__gte=Withdrawal.Level.NO_FURTHER_USE)


class Withdrawal(models.Model):
    """What a participant no longer wants; a level is raised by another row and never lowered."""

    class Level(models.IntegerChoices):
        NO_CONTACT = 1, _("no contact")
        NO_FURTHER_DATA = 2, _("no further data")
        NO_FURTHER_USE = 3, _("no further use")
        ERASE = 4, _("erase")

    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="withdrawals"
    )
    level = models.PositiveSmallIntegerField(choices=Level)
    effective_on = models.DateField()
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    note = models.CharField(max_length=500, blank=True)

    objects: ClassVar = WithdrawalQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="withdrawal_level_known",
                condition=Q(level__gte=1, level__lte=4),
                violation_error_message=_("The level is 1 (no contact) to 4 (erase)."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant}: {self.get_level_display()}"

    @property
    def told_on(self) -> date:
        """The day at the site on which it was told; by the study's, ``effective_on``, it rules."""
        if self.effective_on != timezone.localdate(self.recorded_at, get_default_timezone()):
            return self.effective_on
        return timezone.localdate(self.recorded_at, zone_named(self.participant.site.time_zone))
