"""A table that comes alone is analysed at once; five hundred in a minute are one or two runs."""

from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now

from analysis.models import Run
from analysis.services import freshness, runs, settling
from cohorts.models import Change


def seconds(numbers):
    return [timedelta(seconds=float(number)) for number in numbers]


def runs_of(arrivals, forgetful=False):
    """When runs would start, were each change looked at as the sweep does."""
    starts, unseen, at = [], list(arrivals), 0.0
    while unseen:
        at = max(at, unseen[0] + settling.first_look())
        there = [moment for moment in (unseen if forgetful else arrivals) if moment <= at]
        wait = settling.still_to_wait(
            seconds(at - moment for moment in there[::-1][: settling.BURST]),
            *seconds([at - unseen[0]]),
        )
        if not wait:
            starts.append(at)
            unseen = [moment for moment in unseen if moment > at]
        at += max(wait, 0.01)
    return starts


def test_a_change_that_comes_alone_waits_half_a_second_and_a_few_hardly_longer():
    assert runs_of([100.0]) == [100.5]
    assert runs_of([100.0, 100.3]) == pytest.approx([101.3])
    assert runs_of([100.0, 200.0]) == [100.5, 200.5]


@pytest.mark.parametrize("seed", range(5))
def test_500_uploads_in_a_minute_are_one_or_two_runs(seed):
    rng = np.random.default_rng(seed)
    assert 1 <= len(runs_of(np.linspace(0, 60, 500))) <= 2
    assert 1 <= len(runs_of(np.sort(rng.uniform(0, 60, 500)))) <= 2


def test_without_the_memory_of_what_was_seen_each_pause_would_be_a_run():
    arrivals = np.arange(0, 60, 0.7)
    assert len(runs_of(arrivals)) <= 3
    assert len(runs_of(arrivals, forgetful=True)) > 50


def test_changes_that_never_end_are_analysed_every_half_minute():
    starts = runs_of(np.arange(0, 300, 1.0))
    assert 9 <= len(starts) <= 11


def test_a_database_whose_clock_was_set_back_keeps_nothing_waiting():
    assert settling.still_to_wait(seconds([-7200]), *seconds([-7200])) == 0


@pytest.mark.django_db(transaction=True)
def test_the_changes_of_a_plan_say_how_long_it_waits(plan, consortium, settings):
    settings.SETTLE_SECONDS = 8.0
    Change.objects.update(recorded_at=Now() - timedelta(hours=1))
    assert settling.seconds_to_wait(plan) == 0
    runs.request(plan, cause="test")
    Run.objects.update(change_seen=Change.objects.newest(plan.study), state=Run.State.FAILED)
    Change.objects.record(
        study=plan.study, site=consortium[0], kind="assays", counts={}, cause="test"
    )
    assert settling.seconds_to_wait(plan) == pytest.approx(2, abs=0.9)
    Change.objects.record(
        study=plan.study, site=consortium[0], kind="assays", counts={}, cause="test"
    )
    assert settling.seconds_to_wait(plan) == pytest.approx(4, abs=0.9)
    Change.objects.filter(pk=Change.objects.newest(plan.study)).update(
        recorded_at=Now() - timedelta(seconds=5)
    )
    assert settling.seconds_to_wait(plan) == 0
    assert len(freshness.sweep()) == 1
