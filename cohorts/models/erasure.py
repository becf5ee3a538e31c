"""The removal of a participant: asked for, approved by somebody else, carried out, remembered."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts.models.account import User
from cohorts.models.participant import Participant
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class ErasureQuerySet(ScopedQuerySet["Erasure"]):
    resource = "erasure"

    def open(self) -> Self:
        """Neither stopped nor carried out."""
        return self.filter(stopped_at=None, executed_at=None)

    def approved_by_time(self, at: datetime) -> Self:
        """Open, and approved at that time or earlier."""
        return self.open().filter(approved_at__lte=at)

    def with_files_to_remove(self) -> Self:
        """Carried out, and the files as they were sent may still lie in the store."""
        return self.filter(executed_at__isnull=False, files_removed_at=None)

    def that_rewrote(self, sha256: str) -> Self:
        """Those that replaced the file of that SHA-256."""
        return self.filter(receipt__files__contains=[{"before": sha256}])


class Erasure(models.Model):
    """One request; after it is carried out it names nobody, and proves what was wished and done."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="erasures")
    participant = models.ForeignKey(
        Participant, on_delete=models.SET_NULL, null=True, blank=True, related_name="erasures"
    )
    requested_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="erasures_requested"
    )
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    approved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="erasures_approved"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="erasures_stopped"
    )
    stopped_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(_("why it was stopped"), max_length=300, blank=True)
    executed_at = models.DateTimeField(null=True, blank=True)
    files_removed_at = models.DateTimeField(null=True, blank=True)
    receipt_mailed_at = models.DateTimeField(null=True, blank=True, editable=False)
    replayed = models.BooleanField(
        default=False, help_text=_("Carried out again from the ledger, after a restore.")
    )
    proof = models.JSONField(
        default=dict, blank=True, help_text=_("The wish: dates, levels and scopes, without a code.")
    )
    receipt = models.JSONField(
        default=dict, blank=True, help_text=_("What was done: rows by kind, files by SHA-256.")
    )

    objects: ClassVar = ErasureQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="erasure_four_eyes",
                condition=Q(approved_by=None) | ~Q(approved_by=F("requested_by")),
                violation_error_message=_("Whoever asked for an erasure does not approve it."),
            ),
            models.CheckConstraint(
                name="erasure_approval_whole",
                condition=Q(approved_by=None, approved_at=None)
                | Q(approved_by__isnull=False, approved_at__isnull=False)
                | Q(replayed=True, approved_at__isnull=False),
                violation_error_message=_("An approval has a person and a time."),
            ),
            models.CheckConstraint(
                name="erasure_has_an_asker",
                condition=Q(requested_by__isnull=False) | Q(replayed=True),
                violation_error_message=_("Somebody asks for an erasure."),
            ),
            models.CheckConstraint(
                name="erasure_executed_when_approved",
                condition=Q(executed_at=None)
                | Q(approved_at__isnull=False, approved_at__lte=F("executed_at"), stopped_at=None),
                violation_error_message=_(
                    "Only what was approved, and not stopped, is carried out."
                ),
            ),
            models.CheckConstraint(
                name="erasure_stop_has_reason",
                condition=Q(stopped_at=None) | ~Q(reason=""),
                violation_error_message=_("Say why the erasure is stopped."),
            ),
            models.UniqueConstraint(
                name="one_open_erasure_a_participant",
                fields=["participant"],
                condition=Q(stopped_at=None, executed_at=None),
                violation_error_message=_("An erasure of this participant is open already."),
            ),
        ]

    def __str__(self) -> str:
        return gettext("erasure %(n)s at %(site)s") % {"n": self.pk, "site": self.site.code}

    @property
    def state(self) -> str:
        """requested, approved, stopped or executed."""
        for moment, word in (
            (self.stopped_at, "stopped"),
            (self.executed_at, "executed"),
            (self.approved_at, "approved"),
        ):
            if moment is not None:
                return word
        return "requested"


class TombstoneQuerySet(ScopedQuerySet["Tombstone"]):
    resource = "erasure"


class Tombstone(models.Model):
    """That somebody was here: a random id that leads back to nobody."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="tombstones")
    key = models.CharField(
        _("keyed hash of study, site and code"),
        max_length=64,
        blank=True,
        editable=False,
        db_index=True,
        help_text=_(
            "Knows a code again that is sent or restored; leads back to nobody without it."
        ),
    )
    level = models.PositiveSmallIntegerField()
    on = models.DateField()

    objects: ClassVar = TombstoneQuerySet.as_manager()

    class Meta:
        ordering = ["-on", "id"]

    def __str__(self) -> str:
        return f"{self.site.code} {str(self.pk)[:8]}"
