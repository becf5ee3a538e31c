"""The change log: the truth of "new data arrived". Append-only, in the order of the commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models.functions import Now
from django.dispatch import Signal
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.advisory import Advisory, hold
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site, Study

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models.account import User

# Sent after the commit, to whoever must react; no receiver's failure reaches the sender.
recorded = Signal()

ENDS_A_USE = ("withdrawal", "erasure")


def hold_order_lock() -> None:
    """Wait for, then hold until the end of this transaction, the lock that orders changes."""
    hold(Advisory.CHANGES)


class ChangeQuerySet(ScopedQuerySet["Change"]):
    resource = "change"

    def record(
        self,
        *,
        study: Study,
        site: Site | None,
        kind: str,
        counts: dict[str, int],
        cause: str,
        event: str = "",
    ) -> Change:
        """Append to the log. Call it last in the transaction of the data: it serialises writers."""
        hold_order_lock()
        change: Change = self.create(
            study=study, site=site, kind=kind, counts=counts, cause=cause, event=event
        )
        transaction.on_commit(
            lambda: _announce(change.pk),
            robust=True,
        )
        return change

    def newest(self, study: Study) -> int:
        """Number of the study's newest change; 0 before the first."""
        return self.filter(study=study).aggregate(n=models.Max("id"))["n"] or 0

    def that_end_a_use(self) -> Self:
        """Withdrawals and erasures: they move what is told of runs that were published before."""
        return self.filter(kind__in=ENDS_A_USE)

    def visible_to(self, user: User | AnonymousUser) -> ChangeQuerySet:
        """Changes of the user's sites, and those of no single site."""
        where = access.reach(user, self.resource)
        if where.everywhere:
            return self
        if not where:
            return self.none()
        return self.filter(models.Q(site__in=where.site_ids) | models.Q(site=None))


def _announce(change_id: int) -> None:
    recorded.send_robust(sender=Change, change_id=change_id)


class Change(models.Model):
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="changes")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, related_name="changes", db_index=False
    )
    kind = models.CharField(max_length=20)
    counts = models.JSONField(default=dict)
    cause = models.CharField(max_length=200)
    event = models.CharField(
        max_length=120, blank=True, default="", help_text=_("What happened by date alone: once.")
    )
    # The database's clock: a burst is over when it says so, whatever a web server's clock says.
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="dated_event_once",
                fields=["study", "event"],
                condition=~models.Q(event=""),
                violation_error_message=_("This event has been recorded already."),
            )
        ]
        indexes = [
            models.Index(name="change_of_a_site", fields=["site", "id"]),
            models.Index(
                name="change_that_ends_a_use",
                fields=["-id"],
                condition=models.Q(kind__in=ENDS_A_USE),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {gettext(self.kind)}"
