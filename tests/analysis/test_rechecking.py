"""What was released is checked again when k is raised (rule D12)."""

import pandas as pd
import pytest
from django.utils import timezone

from analysis import tasks
from analysis.models import Plan, Run, RunTable
from analysis.services import freshness, results
from analysis.services.disclosure import differencing, rechecking, releasing
from tests.analysis.test_disclosure_attack import _pooled, _row
from tests.analysis.test_held_back import a_run
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan():
    return Plan.objects.create(
        study=StudyFactory(), name="p", data={"case": ["a"], "control": ["b"]}
    )


def released(plan, tables, key):
    now = timezone.now()
    run = Run.objects.create(
        plan=plan, state="published", key=key, published_at=now, released_at=now, checked_k=10
    )
    for name, frame in zip(("effects", "pooled"), tables, strict=True):
        RunTable.of(run, name, frame).save()
    return run


def tables(n_more):
    sizes = {"S0": 60 + n_more, "S1": 70, "S2": 80, "S3": 90}
    rows = [_row("all", "a", site, [n, n], n / 2, 0.3) for site, n in sizes.items()]
    effects = pd.DataFrame(rows)
    return effects, _pooled(effects)


def told(run):
    frame = results.table_for(run, "effects", user_with("CA"))
    return set(frame["site"][frame["estimate"].notna()])


def test_rows_that_twelve_people_joined_are_hidden_when_k_is_raised_to_fifteen(plan, settings):
    before, now = released(plan, tables(0), "a"), released(plan, tables(12), "b")
    releasing.withhold(now)
    assert "S0" in told(now)
    assert rechecking.check_again() == 0
    settings.DISCLOSURE_K = 15
    assert rechecking.check_again() == 2
    assert "S0" in told(before)
    assert "S0" not in told(now)
    assert rechecking.check_again() == 0


def test_a_release_whose_people_differ_by_fewer_than_the_raised_k_is_held_back(plan, settings):
    first, second, third = (a_run(plan, range(n), released=True) for n in (100, 112, 130))
    Run.objects.update(checked_k=10)
    settings.DISCLOSURE_K = 15
    assert rechecking.check_again() == 3
    found = {run.pk: run for run in Run.objects.all()}
    assert found[first.pk].released_at is not None
    assert (found[second.pk].released_at, found[second.pk].held_because) == (
        None,
        differencing.PEOPLE,
    )
    assert found[third.pk].released_at is not None
    assert {run.checked_k for run in found.values()} == {15}


def test_a_release_that_was_approved_stays_one_and_the_sweep_looks(plan, settings, monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *_, **__: True)
    run = a_run(plan, range(100), released=True)
    Plan.objects.filter(pk=plan.pk).update(data=plan.data | {"release": "by_approval"})
    settings.DISCLOSURE_K = 15
    tasks.sweep()
    run.refresh_from_db()
    assert run.checked_k == 15
    assert run.released_at is not None


def test_so_many_at_once_and_the_oldest_first(plan, settings, monkeypatch):
    monkeypatch.setattr(rechecking, "AT_ONCE", 1)
    runs = [a_run(plan, range(n), released=True) for n in (100, 150)]
    assert rechecking.check_again() == 1
    assert [Run.objects.get(pk=run.pk).checked_k for run in runs] == [10, 0]
