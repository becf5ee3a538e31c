"""What grows for ever otherwise: tables of old runs go by one rule; runs and verdicts stay."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Func, Q, Sum, Value, Window
from django.db.models.functions import Lag, Lead, Length, Now, RowNumber

from analysis.models import Run, RunTable, Verdict
from analysis.services import steps
from cohorts.errors import DomainError
from cohorts.language.sentences import say
from cohorts.services.accounts import sign_in


class TablesPruned(DomainError):
    """The result tables of an old run were deleted."""

    code = "tables_pruned"


@dataclass(frozen=True)
class Pruned:
    """What was deleted, or would be."""

    n_runs: int
    n_tables: int
    n_bytes: int
    n_steps: int
    n_sign_ins: int


def prune(*, pretend: bool = False) -> Pruned:
    """Delete what nobody needs any more; with ``pretend`` only tell what that would be."""
    with transaction.atomic():
        n_runs, n_tables, n_bytes = _prune_tables()
        done = Pruned(n_runs, n_tables, n_bytes, steps.purge(), sign_in.forget_past())
        transaction.set_rollback(pretend)
    return done


def _prune_tables() -> tuple[int, int, int]:
    rows = Run.objects.filter(pk__in=prunable()).select_for_update(skip_locked=True)
    found = list(rows.values_list("pk", flat=True))
    tables = RunTable.objects.filter(run__in=found)
    n_bytes = tables.aggregate(n=Sum(Length("parquet")))["n"] or 0
    n_tables, _ = tables.delete()
    Run.objects.filter(pk__in=found).update(pruned_at=Now())
    return len(found), n_tables, n_bytes


def prunable() -> list[uuid.UUID]:
    """Runs published long ago that were never released, and that nothing shown rests on.

    Kept are the newest of each plan, those of locked plans, those that a later run was found equal
    to, and those on either side of a change of a claim's verdict.
    """
    long_ago = Now() - timedelta(days=settings.KEEP_TABLES_DAYS)
    old = Run.objects.published().filter(
        released_at=None, pruned_at=None, published_at__lt=long_ago, plan__locked_at=None
    )
    equal = Run.objects.exclude(same_as=None).values("same_as")
    found = set(old.exclude(pk__in=equal).values_list("pk", flat=True))
    return sorted(found - _newest() - _turning_points()) if found else []


def _newest() -> set[uuid.UUID]:
    place = Window(
        RowNumber(), partition_by=F("plan__name"), order_by=[F("published_at").desc(), "pk"]
    )
    among = (
        Run.objects.published().annotate(place=place).filter(place__lte=settings.KEEP_TABLES_RUNS)
    )
    return set(among.values_list("pk", flat=True))


def _turning_points() -> set[uuid.UUID]:
    """The first run that judged a claim, and both runs between which a verdict changed."""

    def along_the_runs(neighbour: Func) -> Window:
        return Window(
            neighbour,
            partition_by=[F("run__plan__name"), F("claim"), F("stratum")],
            order_by=[F("run__published_at").asc(), "run"],
        )

    judged = Verdict.objects.filter(run__state=Run.State.PUBLISHED).annotate(
        before=along_the_runs(Lag("verdict", default=Value(""))),
        after=along_the_runs(Lead("verdict", default=F("verdict"))),
    )
    turned = judged.filter(~Q(before=F("verdict")) | ~Q(after=F("verdict")))
    return set(turned.values_list("run", flat=True))


def require_tables(run: Run) -> None:
    """Raises TablesPruned, which says since when and what is still there."""
    if run.pruned_at is not None:
        raise TablesPruned(words(run))


def words(run: Run) -> str:
    """Why a run has no tables, for people; "" where it has them."""
    if run.pruned_at is None:
        return ""
    return say(
        "The result tables of run %(run)s were deleted on %(pruned_at)s, as "
        "those of old runs that were never released; its verdicts and documents "
        "stay.",
        run=run.pk,
        pruned_at=format(run.pruned_at, "%Y-%m-%d"),
    )
