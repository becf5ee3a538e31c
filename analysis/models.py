"""Runs and what they concluded. A published run never changes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from analysis.kept import RunPart as RunPart
from analysis.kept import StepResult as StepResult
from analysis.plan_models import Plan as Plan
from cohorts import access
from cohorts.models import Change, Study, User
from cohorts.models.scoping import ScopedQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class SnapshotQuerySet(ScopedQuerySet["Snapshot"]):
    resource = "unreleased_result"
    site_path = ""


class Snapshot(models.Model):
    """What was lawful and accepted at one moment: row numbers, and the digest of what they held."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT)
    digest = models.CharField(max_length=64, unique=True)
    change_seen = models.BigIntegerField(help_text="Newest change when it was taken.")
    participant_ids = ArrayField(models.BigIntegerField())
    assay_row_ids = ArrayField(models.BigIntegerField())
    assessment_ids = ArrayField(models.BigIntegerField())
    left_out = models.JSONField(
        default=list, help_text="Who is enrolled and not in it, counted by reason."
    )
    later_erased = models.PositiveIntegerField(
        default=0, help_text="People whose row numbers were taken out of it after an erasure."
    )
    taken_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.digest[:12]


LARGEST_PRIORITY = 9


class RunQuerySet(ScopedQuerySet["Run"]):
    resource = "run"
    site_path = ""

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

    def under_way(self) -> Self:
        """Waiting or computing."""
        return self.filter(state__in=[Run.State.QUEUED, Run.State.RUNNING])

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Everything for those who see results before release, released runs for the others."""
        if not access.reach(user, "run"):
            return self.none()
        if access.reach(user, "unreleased_result"):
            return self
        return self.filter(released_at__isnull=False)

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
        CANCELLED = "cancelled"  # by a person; it publishes nothing

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="runs")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, null=True, related_name="runs")
    key = models.CharField(
        max_length=64, blank=True, help_text="Digest of plan, snapshot, code and seed."
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
        help_text="Of the runs that wait, the one with the highest starts first.",
    )
    steps = models.JSONField(
        default=list, help_text="Each step with the seconds from the start to its beginning."
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

    def __str__(self) -> str:
        return f"{self.plan} {str(self.id)[:8]}"


class ResultQuerySet(ScopedQuerySet[Any]):
    """Results are read through their run, so they are visible where it is."""

    resource = "released_result"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(run__in=Run.objects.visible_to(user))


class RunTable(models.Model):
    """A result table as Parquet: read whole, never row by row, and never changed."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tables")
    name = models.CharField(max_length=20)
    n_rows = models.PositiveIntegerField()
    parquet = models.BinaryField()

    objects: ClassVar = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="run_table_once", fields=["run", "name"])]

    def __str__(self) -> str:
        return f"{self.run} {self.name}"

    @property
    def frame(self) -> pd.DataFrame:
        return pd.read_parquet(BytesIO(self.parquet))

    @classmethod
    def of(cls, run: Run, name: str, frame: pd.DataFrame) -> RunTable:
        """An unsaved table that holds ``frame``."""
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False, compression="zstd")
        return cls(run=run, name=name, n_rows=len(frame), parquet=buffer.getvalue())


class RunDocument(models.Model):
    """A result that is no table: classifier, severity, harmonisation, handling."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=20)
    data = models.JSONField()

    objects: ClassVar = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="run_document_once", fields=["run", "name"])]

    def __str__(self) -> str:
        return f"{self.run} {self.name}"


class ClaimQuerySet(ScopedQuerySet["Claim"]):
    resource = "claim"
    site_path = ""


class Claim(models.Model):
    """A published statement that the study tests."""

    class Kind(models.TextChoices):
        FEATURE = "feature"
        CLASS = "class"
        CLASSIFIER = "classifier"
        SEVERITY = "severity"
        SUBGROUP = "subgroup"

    code = models.CharField(max_length=20, unique=True)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="claims")
    kind = models.CharField(max_length=12, choices=Kind)
    marker = models.CharField(max_length=200)
    markers = ArrayField(
        models.CharField(max_length=200),
        default=list,
        help_text="Canonical features that stand for the marker, the preferred one first.",
    )
    matrix = models.CharField(max_length=40)
    stratum = models.CharField(max_length=20)
    other_readings = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    direction = models.CharField(
        max_length=8, choices=[(w, w) for w in ("higher", "lower", "none")]
    )
    handling_sensitive = models.BooleanField(default=False)
    published_effect = models.FloatField(
        null=True,
        blank=True,
        help_text="Hedges g as published, where it is known: the power to see it is shown.",
    )
    doi = models.CharField(max_length=100)
    citation = models.TextField()
    scope_note = models.TextField(blank=True)

    objects: ClassVar = ClaimQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="claim_of_a_marker_has_a_direction",
                condition=~Q(kind__in=["feature", "class"]) | ~Q(direction="none"),
                violation_error_message=(
                    "A claim on a marker says higher or lower in cases: choose one."
                ),
            ),
            models.CheckConstraint(
                name="claim_published_effect_is_not_zero",
                condition=Q(published_effect=None) | ~Q(published_effect=0),
                violation_error_message=(
                    "A published effect of 0 is no effect: leave it empty where it is not known."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.marker}"


class Verdict(models.Model):
    """What one run says of one claim in one stratum."""

    class Word(models.TextChoices):
        REPLICATED = "replicated"
        OPPOSITE = "opposite"
        UNDECIDED = "undecided"
        NOT_TESTABLE = "not_testable", "not testable"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="verdicts")
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="verdicts")
    stratum = models.CharField(max_length=20)
    verdict = models.CharField(max_length=12, choices=Word)
    reason = models.TextField()
    feature = models.CharField(max_length=200, blank=True)
    estimate = models.FloatField(null=True)
    ci_low = models.FloatField(null=True)
    ci_high = models.FloatField(null=True)
    always_low = models.FloatField("low end over all looks", null=True)
    always_high = models.FloatField("high end over all looks", null=True)
    n_sites = models.PositiveIntegerField(default=0)
    n_case = models.PositiveIntegerField(default=0)
    n_control = models.PositiveIntegerField(default=0)

    objects: ClassVar = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["claim__code", "id"]
        constraints = [
            models.UniqueConstraint(name="verdict_once", fields=["run", "claim", "stratum"])
        ]

    def __str__(self) -> str:
        return f"{self.claim.code} {self.stratum}: {self.verdict}"
