"""A participant who moves to another site: offered by the one, taken over by the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.account import User
from cohorts.models.participant import Participant
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class TransferQuerySet(ScopedQuerySet["Transfer"]):
    resource = "transfer"
    site_path = "participant__site"

    def open(self) -> Self:
        """Neither taken over nor called off."""
        return self.filter(accepted_at=None, ended_at=None)

    def open_to(self, user: User | AnonymousUser, verb: str) -> Self:
        """Both ends of a transfer see it."""
        where = access.reach(user, self.resource, verb)
        if where.everywhere:
            return self
        return self.filter(Q(participant__site__in=where.site_ids) | Q(to_site__in=where.site_ids))


class Transfer(models.Model):
    """Values stay where they were collected; the new site enrols the person under its own code."""

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="transfers")
    to_site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="arrivals")
    reason = models.CharField(max_length=300)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    arrived_as = models.OneToOneField(
        Participant, on_delete=models.CASCADE, null=True, blank=True, related_name="came_by"
    )
    accepted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(_("called off"), null=True, blank=True)

    objects: ClassVar = TransferQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="one_open_transfer_a_participant",
                fields=["participant"],
                condition=Q(accepted_at=None, ended_at=None),
                violation_error_message=_("A transfer of this participant is open already."),
            ),
            models.CheckConstraint(
                name="transfer_accepted_or_called_off",
                condition=Q(accepted_at=None) | Q(ended_at=None, arrived_as__isnull=False),
                violation_error_message=_("A transfer is taken over or called off, not both."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} → {self.to_site.code}"

    @property
    def state(self) -> str:
        """offered, taken_over or called_off."""
        if self.accepted_at:
            return "taken_over"
        return "called_off" if self.ended_at else "offered"
