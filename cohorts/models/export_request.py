"""A wish to take records of a site away: by whom, for whom, why, and who agreed."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cohorts.models.account import User
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class ExportRequestQuerySet(ScopedQuerySet["ExportRequest"]):
    resource = "record_export"

    def waiting(self) -> Self:
        """Nobody has decided."""
        return self.filter(needs_approval=True, approved=None)


class ExportRequest(models.Model):
    """What was asked for; every file that is made of it is a `RecordExport`."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="export_requests")
    format = models.CharField(max_length=12)
    batches = ArrayField(
        models.PositiveIntegerField(), default=list, blank=True, help_text=_("Empty: all of them.")
    )
    recipient = models.CharField(max_length=200)
    recipient_country = models.CharField(
        max_length=2,
        validators=[RegexValidator("^[A-Z]{2}$", _("Two capital letters, such as JP."))],
        help_text=_("Another country than the site's needs the consent share_abroad."),
    )
    commercial = models.BooleanField(
        default=False, help_text=_("For a commercial use, which needs the consent of that name.")
    )
    reason = models.CharField(max_length=300)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    needs_approval = models.BooleanField(default=True)
    approved = models.BooleanField(null=True, blank=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(_("why it was refused"), max_length=300, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = ExportRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="export_request_has_reason",
                condition=~Q(reason="") & ~Q(recipient=""),
                violation_error_message=_("Say for whom the records are exported, and why."),
            ),
            models.CheckConstraint(
                name="export_request_takes_two",
                condition=Q(decided_by=None) | ~Q(decided_by=F("asked_by")),
                violation_error_message=_("Somebody else than who asked decides."),
            ),
            models.CheckConstraint(
                name="export_request_decision_whole",
                condition=Q(approved=None, decided_by=None, decided_at=None)
                | Q(approved__isnull=False, decided_by__isnull=False, decided_at__isnull=False),
                violation_error_message=_("A decision has a person and a time."),
            ),
            models.CheckConstraint(
                name="export_refusal_says_why",
                condition=Q(approved=None) | Q(approved=True) | ~Q(note=""),
                violation_error_message=_("Say why the export is refused."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site.code} {self.format}: {self.recipient}"

    def state_at(self, now: datetime) -> str:
        """``waiting``, ``refused``, ``open`` or ``over``."""
        if self.approved is False:
            return "refused"
        if self.needs_approval and self.approved is None:
            return "waiting"
        return "over" if self.expires_at is None or self.expires_at <= now else "open"
