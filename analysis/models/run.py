"""Runs: claimed once, computed under a lease. A published run never changes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

import pgtrigger
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from analysis.models.plan import Plan
from analysis.models.snapshot import Snapshot
from cohorts import access
from cohorts.models import Change, User
from cohorts.models.scoping import ScopedQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

LARGEST_PRIORITY = 9


class RunQuerySet(ScopedQuerySet["Run"]):
    resource = "run"
    site_path = ""

    def locked(self, run_id: uuid.UUID) -> Run:
        """The run with its plan and study, its own row locked: what is checked now stays true."""
        rows = self.select_for_update(of=("self",)).select_related("plan__study", "snapshot")
        found: Run = rows.get(pk=run_id)
        return found

    def claimable(self) -> Self:
        """Queued, or running under a lease that has run out; only one run of a plan at a time."""
        busy = Run.objects.filter(
            plan__name=models.OuterRef("plan__name"), state=Run.State.RUNNING, lease_until__gt=Now()
        )
        return self.filter(
            Q(state=Run.State.QUEUED) | Q(state=Run.State.RUNNING, lease_until__lte=Now()),
            ~models.Exists(busy),
        )

    def claim(self, run_id: uuid.UUID, code_version: str = "") -> uuid.UUID | None:
        """Take the run for this worker in one conditional UPDATE: the token, None if not free."""
        token = uuid.uuid4()
        seen = Change.objects.filter(study__plans=models.OuterRef("plan_id"))
        newest = seen.order_by().values("study").annotate(n=models.Max("pk"))
        taken = (
            self.claimable()
            .filter(pk=run_id, attempts__lt=settings.RUN_ATTEMPTS)
            .update(
                state=Run.State.RUNNING,
                token=token,
                attempts=F("attempts") + 1,
                lease_until=Now() + timedelta(seconds=settings.RUN_LEASE_SECONDS),
                started_at=Now(),
                # What has committed by now, its snapshot will see: a run that dies before it has
                # one has still been tried on these changes, and is not asked for again for ever.
                change_seen=Coalesce(
                    models.Subquery(newest.values("n")), 0, output_field=models.BigIntegerField()
                ),
                code_version=code_version,
                step="",
                steps=[],
                share_done=0,
            )
        )
        return token if taken else None

    def in_turn(self) -> Self:
        """The order in which waiting runs start."""
        return self.order_by("-priority", "queued_at")

    def held_by(self, run_id: uuid.UUID, token: uuid.UUID) -> Self:
        """The run, if that token still holds it."""
        return self.filter(pk=run_id, token=token, state=Run.State.RUNNING)

    def published(self) -> Self:
        return self.filter(state=Run.State.PUBLISHED)

    def released(self) -> Self:
        """Those that analysts see."""
        return self.filter(released_at__isnull=False)

    def under_way(self) -> Self:
        """Waiting or computing."""
        return self.filter(state__in=Run.UNDER_WAY)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Everything for those who see results before release, released runs for the others."""
        if not access.reach(user, "run"):
            return self.none()
        if access.reach(user, "unreleased_result"):
            return self
        return self.released()

    def newest_of(self, plan_name: str) -> Run | None:
        """The newest published run of a plan among these."""
        return self.published().filter(plan__name=plan_name).order_by("-published_at").first()


class Run(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        PUBLISHED = "published"
        FAILED = "failed"
        MERGED = "merged"  # an earlier run has the same key, so it has this one's results
        CANCELLED = "cancelled"  # by a person, or for one that waits; it publishes nothing

    UNDER_WAY: ClassVar = (State.QUEUED, State.RUNNING)
    UNDONE: ClassVar = (State.FAILED, State.CANCELLED)  # what can be tried again

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="runs")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="runs")
    key = models.CharField(
        max_length=64, blank=True, help_text=_("Digest of plan, snapshot, code and seed.")
    )
    same_as = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    cause = models.CharField(max_length=200)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    change_seen = models.BigIntegerField(default=0)
    step = models.CharField(max_length=60, blank=True)
    share_done = models.FloatField(default=0)
    token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    priority = models.SmallIntegerField(
        default=0,
        validators=[MinValueValidator(-LARGEST_PRIORITY), MaxValueValidator(LARGEST_PRIORITY)],
        help_text=_("Of the runs that wait, the one with the highest starts first."),
    )
    steps = models.JSONField(
        default=list, help_text=_("Each step with the seconds from the start to its beginning.")
    )
    cancelled_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="cancelled_runs"
    )
    failure = models.TextField(blank=True)
    code_version = models.CharField(max_length=64, blank=True)
    libraries = models.JSONField(default=dict)
    left_out = models.JSONField(default=list)
    summary = models.JSONField(default=dict)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    held_because = models.TextField(blank=True)
    released_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="released_runs",
        help_text=_("Who approved its release, where the plan asks for that."),
    )
    checked_k = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("Fewest people behind a number when its release was last checked."),
    )
    pruned_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When its result tables were deleted, being old.")
    )

    objects: ClassVar = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at"]
        constraints = [
            models.UniqueConstraint(
                name="run_key_once", fields=["key"], condition=Q(state="published")
            ),
            models.UniqueConstraint(
                name="one_queued_run_a_plan", fields=["plan"], condition=Q(state="queued")
            ),
            models.CheckConstraint(
                name="run_priority_in_range",
                condition=Q(priority__gte=-LARGEST_PRIORITY, priority__lte=LARGEST_PRIORITY),
                violation_error_message=f"A priority is a whole number from -{LARGEST_PRIORITY} "
                f"to {LARGEST_PRIORITY}.",
            ),
        ]

        triggers = [
            # Whoever moves the run, and however: what is owed to webhooks stands in the database
            # with the move itself, or neither does.
            pgtrigger.Trigger(
                name="announce",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf(  # type: ignore[no-untyped-call]  # untyped library
                    "state", "released_at", "held_because"
                ),
                func="""
                    INSERT INTO analysis_webhookevent (kind, run_id)
                    SELECT kind, NEW.id FROM (VALUES
                        ('run.published', NEW.state = 'published' AND OLD.state <> 'published'),
                        ('run.released', NEW.released_at IS NOT NULL AND OLD.released_at IS NULL),
                        ('run.held', NEW.held_because <> '' AND OLD.held_because = ''),
                        ('run.failed', NEW.state = 'failed' AND OLD.state <> 'failed')
                    ) AS told (kind, so) WHERE so;
                    RETURN NULL;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan} {str(self.id)[:8]}"
