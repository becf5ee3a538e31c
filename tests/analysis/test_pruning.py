"""Old tables go by one rule; runs, verdicts and what was released stay."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone

from analysis import tasks
from analysis.models import Claim, Plan, Run, RunTable, Verdict
from analysis.services import exports, plan_locks, pruning
from cohorts.models import SignInAttempt
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rule(settings):
    settings.KEEP_TABLES_DAYS, settings.KEEP_TABLES_RUNS = 30, 1


@pytest.fixture
def plan():
    return Plan.objects.create(
        study=StudyFactory(), name="quick", data={"case": ["hikikomori"], "control": ["control"]}
    )


def old_run(plan, days, **facts):
    """A published run with a table, held back."""
    run = Run.objects.create(
        plan=plan,
        state=Run.State.PUBLISHED,
        key=f"{plan.name} {days}",
        published_at=timezone.now() - timedelta(days=days),
        **facts,
    )
    RunTable.objects.create(run=run, name="pooled", n_rows=1, parquet=b"twelve bytes")
    return run


def judged(run, word):
    claim, _ = Claim.objects.get_or_create(
        code="X-1",
        study=run.plan.study,
        defaults={"kind": "feature", "direction": "higher", "marker": "ornithine"},
    )
    Verdict.objects.create(run=run, claim=claim, stratum="all", verdict=word, reason="test")


def with_tables():
    return {run.key for run in Run.objects.filter(tables__isnull=False)}


def test_an_old_run_that_was_never_released_loses_its_tables_and_nothing_else(plan):
    run = old_run(plan, 60)
    for days, word in ((61, "undecided"), (60, "undecided"), (59, "undecided")):
        judged(run if days == 60 else old_run(plan, days), word)
    old_run(plan, 10)
    done = pruning.prune()
    assert (done.n_runs, done.n_tables, done.n_bytes) == (2, 2, 24)
    # The first that judged the claim, and one that is not old.
    assert with_tables() == {"quick 61", "quick 10"}
    run.refresh_from_db()
    assert (run.verdicts.count(), run.state) == (1, Run.State.PUBLISHED)
    assert pruning.prune().n_runs == 0


@pytest.mark.parametrize("reason", ["newest", "released", "locked", "equal", "turned", "young"])
def test_what_is_still_needed_keeps_its_tables(plan, reason, settings):
    runs = [old_run(plan, days) for days in (63, 62, 61, 60)]
    settings.KEEP_TABLES_DAYS = 61.5 if reason == "young" else 30
    if reason == "newest":
        settings.KEEP_TABLES_RUNS = 2
    elif reason == "released":
        Run.objects.filter(pk=runs[2].pk).update(released_at=Now())
    elif reason == "locked":
        plan_locks.lock(plan.pk, by=user_with("CD"))
    elif reason == "equal":
        other = Run.objects.create(plan=plan, state=Run.State.MERGED, same_as=runs[2])
        assert other.same_as == runs[2]
    elif reason == "turned":
        for run, word in zip(runs, ["undecided", "undecided", "undecided", "replicated"]):  # noqa: B905
            judged(run, word)
    pruning.prune()
    expected = {"quick 61", "quick 60"}
    more = {"locked": {"quick 63", "quick 62"}, "turned": {"quick 63"}}
    assert with_tables() == expected | more.get(reason, set())


def test_each_plan_keeps_its_own_newest(plan):
    other = Plan.objects.create(study=plan.study, name="other", data=plan.data)
    for days in (60, 50):
        old_run(plan, days)
        old_run(other, days)
    pruning.prune()
    assert with_tables() == {"quick 50", "other 50"}


def test_a_dry_run_tells_and_deletes_nothing(plan):
    for days in (60, 50):
        old_run(plan, days)
    told = StringIO()
    call_command("prune", "--dry-run", stdout=told)
    assert told.getvalue() == (
        "Would delete: 1 tables (0.0 MB) of 1 runs, 0 kept steps, 0 sign-in attempts.\n"
    )
    assert len(with_tables()) == 2
    call_command("prune", stdout=(told := StringIO()))
    assert told.getvalue().startswith("Deleted: 1 tables")
    assert len(with_tables()) == 1


def test_sign_in_attempts_are_forgotten_after_90_days():
    for days in (91, 89):
        made = SignInAttempt.objects.create(name_digest="0" * 64, address="127.0.0.1")
        SignInAttempt.objects.filter(pk=made.pk).update(at=timezone.now() - timedelta(days=days))
    assert pruning.prune().n_sign_ins == 1
    assert SignInAttempt.objects.count() == 1


def test_the_sweep_prunes(plan):
    for days in (60, 50):
        old_run(plan, days)
    tasks.sweep()
    assert with_tables() == {"quick 50"}


def test_whoever_asks_for_pruned_tables_is_told_why_there_are_none(plan, api, tmp_path):
    run = old_run(plan, 60)
    old_run(plan, 50)
    pruning.prune()
    run.refresh_from_db()
    with pytest.raises(pruning.TablesPruned, match="old runs that were never released"):
        exports.export(run, tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists()
    api.force_authenticate(user_with("CD"))
    answer = api.get(f"/api/v1/runs/{run.pk}/pooled")
    assert answer.status_code == 404
    assert "its verdicts and documents stay" in answer.json()["detail"]
