"""What happened to a tube: custody in order, and its destruction by one person and a witness."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.account import User
from cohorts.models.sample import Sample
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

# Of the notes of other steps the platform is the author.
SAID_BY_HAND = Q(kind="measured")


class CustodyEventQuerySet(ScopedQuerySet["CustodyEvent"]):
    resource = "sample"
    site_path = "sample__site"


class CustodyEvent(models.Model):
    """One step; numbered, so that two steps recorded at once keep an order."""

    class Kind(models.TextChoices):
        DIVIDED = "divided", _("Divided")
        MADE = "made", _("Made")
        THAWED = "thawed", _("Thawed")
        MOVED = "moved", _("Moved")
        MEASURED = "measured", _("Volume recorded")
        SENT = "sent", _("Sent")
        RECEIVED = "received", _("Received")
        BLOCKED = "blocked", _("Blocked")
        RELEASED = "released", _("Released")
        DESTROYED = "destroyed", _("Destroyed")

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="custody")
    number = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)

    objects: ClassVar = CustodyEventQuerySet.as_manager()

    class Meta:
        ordering = ["sample_id", "number"]
        constraints = [
            models.UniqueConstraint(name="custody_numbered_once", fields=["sample", "number"])
        ]
        indexes = [models.Index(name="custody_said", fields=["sample"], condition=SAID_BY_HAND)]

    def __str__(self) -> str:
        return f"{self.sample} {self.number}: {self.get_kind_display()}"


class DestructionQuerySet(ScopedQuerySet["Destruction"]):
    resource = "destruction"

    def open_to(self, user: User | AnonymousUser, verb: str) -> Self:
        """Of the tube's own site, and of the laboratory of another one in which it lies."""
        there = access.reach(user, "held_destruction", verb).site_ids
        own = super().open_to(user, verb)
        return own | self.filter(held_at__in=there) if there else own

    def of_site(self, site: Site) -> Self:
        """Of its own tubes, and of those that it holds for others."""
        return self.filter(Q(site=site) | Q(held_at=site))

    def done_at(self, site: Site) -> Self:
        """Of tubes that lie there, whosever they are."""
        return self.filter(Q(held_at=site) | Q(site=site, held_at=None))

    def to_do(self) -> Self:
        """Ordered and not yet approved as done."""
        return self.filter(approved_at=None)


class Destruction(models.Model):
    """An order to destroy one tube, what the laboratory recorded, and the approval.

    The order goes to the laboratory in which the tube lies. The tube's code and place stay here
    until the approval even where its participant has been erased: without them nobody could find
    the tube.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="destructions")
    sample = models.OneToOneField(
        Sample, on_delete=models.SET_NULL, null=True, blank=True, related_name="destruction"
    )
    held_at = models.ForeignKey(
        Site,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="destructions_held",
        help_text=_("The other site that has the tube; empty where its own has it."),
    )
    tube = models.CharField(max_length=64, blank=True)
    place = models.CharField(max_length=120, blank=True)
    cause = models.CharField(max_length=200)
    ordered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ordered_at = models.DateTimeField(default=timezone.now, editable=False)
    recorded_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    recorded_at = models.DateTimeField(null=True, blank=True)
    destroyed_at = models.DateTimeField(null=True, blank=True)
    method = models.CharField(_("how and where"), max_length=120, blank=True)
    witness = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = DestructionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="destruction_has_cause",
                condition=~Q(cause=""),
                violation_error_message=_("Say why the tube is to be destroyed."),
            ),
            models.CheckConstraint(
                name="destruction_record_whole",
                condition=Q(
                    recorded_by=None, recorded_at=None, destroyed_at=None, witness=None, method=""
                )
                | (
                    Q(
                        recorded_by__isnull=False,
                        recorded_at__isnull=False,
                        destroyed_at__isnull=False,
                        witness__isnull=False,
                    )
                    & ~Q(method="")
                ),
                violation_error_message=_(
                    "The record of a destruction has a person, a time, how and where, and a "
                    "witness."
                ),
            ),
            models.CheckConstraint(
                name="destruction_witnessed_by_another",
                condition=Q(witness=None) | ~Q(witness=F("recorded_by")),
                violation_error_message=_(
                    "The witness is somebody else than who destroyed the tube."
                ),
            ),
            models.CheckConstraint(
                name="destruction_not_before_order",
                condition=Q(destroyed_at=None) | Q(destroyed_at__lte=F("recorded_at")),
                violation_error_message=_("A destruction is recorded when it is done, not before."),
            ),
            models.CheckConstraint(
                name="destruction_four_eyes",
                condition=Q(approved_by=None, approved_at=None)
                | (
                    Q(approved_by__isnull=False, approved_at__isnull=False)
                    & Q(recorded_by__isnull=False)
                    & ~Q(approved_by=F("recorded_by"))
                ),
                violation_error_message=_("Whoever recorded a destruction does not approve it."),
            ),
        ]

    def __str__(self) -> str:
        return gettext("destruction %(n)s at %(site)s") % {"n": self.pk, "site": self.site.code}

    def tube_at(self, site: Site) -> str:
        """The tube's code; with its own site's, such as ``FUK/T1``, at another."""
        return self.tube if site.pk == self.site_id else f"{self.site.code}/{self.tube}"

    @property
    def done_by(self) -> Site:
        """The site whose laboratory destroys the tube."""
        return self.held_at or self.site

    @property
    def state(self) -> str:
        """ordered, recorded or approved."""
        if self.approved_at is not None:
            return "approved"
        return "ordered" if self.recorded_at is None else "recorded"
