"""A run is held back where beside an earlier release it would tell about a few people."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from django.utils import timezone

from analysis.models import Plan, Run, RunTable, Snapshot
from analysis.services import release
from analysis.services.disclosure import differencing
from tests.factories import StudyFactory

pytestmark = pytest.mark.django_db


def a_run(plan: Plan, people: range, *, released: bool) -> Run:
    snapshot = Snapshot.objects.create(
        study=plan.study,
        digest=f"{people}",
        change_seen=0,
        participant_ids=list(people),
        assay_row_ids=[],
        assessment_ids=[],
    )
    now = timezone.now()
    state = {"state": "published", "published_at": now, "released_at": now} if released else {}
    return Run.objects.create(plan=plan, snapshot=snapshot, key=f"{people}", **state)


@pytest.mark.parametrize(
    ("people", "held"),
    [
        (range(100), False),  # the same people
        (range(110), False),  # ten more
        (range(109), True),  # nine more: their sum would be a subtraction away
        (range(1, 100), True),  # one fewer
        (range(10, 110), False),  # ten out, ten in
        (range(10, 105), True),  # ten out, five in
    ],
)
def test_a_run_is_held_back_while_its_people_differ_by_a_few(people, held):
    plan = Plan.objects.create(
        study=StudyFactory(), name="p", data={"case": ["a"], "control": ["b"]}
    )
    a_run(plan, range(100), released=True)
    same = people == range(100)
    now = Run.objects.get() if same else a_run(plan, people, released=False)
    assert bool(release.reason_to_hold(now)) is held


def test_the_first_run_of_a_plan_is_not_held_back():
    plan = Plan.objects.create(
        study=StudyFactory(), name="p", data={"case": ["a"], "control": ["b"]}
    )
    assert release.reason_to_hold(a_run(plan, range(100), released=False)) == ""


def test_a_run_that_was_held_back_holds_no_other_back():
    plan = plan_of("p")
    a_run(plan, range(100), released=True)
    held = a_run(plan, range(105), released=False)
    Run.objects.filter(pk=held.pk).update(state="published", published_at=timezone.now())
    assert release.reason_to_hold(a_run(plan, range(110), released=False)) == ""


@pytest.mark.parametrize(("erased_from_both", "held"), [(True, False), (False, True)])
def test_who_was_erased_from_both_is_no_difference_between_them(erased_from_both, held):
    plan = plan_of("p")
    before, now = a_run(plan, range(100), released=True), a_run(plan, range(110), released=False)
    Snapshot.objects.filter(pk=before.snapshot_id).update(later_erased=1)
    now.snapshot.later_erased = int(erased_from_both)
    assert bool(release.reason_to_hold(now)) is held


def plan_of(name: str, **more: object) -> Plan:
    data = {"case": ["a"], "control": ["b"], **more}
    return Plan.objects.create(study=StudyFactory(), name=name, data=data)


@pytest.mark.parametrize(("people", "held"), [(range(100), False), (range(95), True)])
def test_a_run_is_held_back_beside_another_plan_with_all_but_a_few_of_its_people(people, held):
    a_run(plan_of("p"), range(100), released=True)
    now = a_run(plan_of("q"), people, released=False) if held else None
    run = now or Run.objects.create(
        plan=plan_of("q"), snapshot=Snapshot.objects.get(), key="same people"
    )
    assert release.reason_to_hold(run) == (differencing.PEOPLE if held else "")


def test_two_steps_of_ten_do_not_hide_a_step_of_one():
    """Against the last release ten came and ten went; against the first, one of each."""
    plan = plan_of("p")
    a_run(plan, range(100), released=True)
    a_run(plan, range(110), released=True)
    third = a_run(plan, range(300), released=False)
    first_but_one = [*range(1, 100), 105]
    Snapshot.objects.filter(pk=third.snapshot_id).update(participant_ids=first_but_one)
    third.snapshot.refresh_from_db()
    assert len(set(range(110)) - set(first_but_one)) >= 10
    assert release.reason_to_hold(third) == differencing.PEOPLE


def effects_of(run: Run, n_case: int, n_control: int = 40) -> None:
    row = {"stratum": "all", "feature": "f", "site": "FUK", "estimate": 0.4}
    row |= {"n_case": n_case, "n_control": n_control}
    RunTable.of(run, "effects", pd.DataFrame([row])).save()


def same_people(name: str, of: Run, **more: object) -> Run:
    return Run.objects.create(plan=plan_of(name, **more), snapshot=of.snapshot, key=name)


@pytest.mark.parametrize(
    ("arms", "held"),
    [((40, 40), False), ((37, 40), True), ((40, 37), True), ((30, 40), False)],
)
def test_a_covariate_that_drops_a_few_tells_nothing_about_them(arms, held):
    released = a_run(plan_of("p"), range(100), released=True)
    effects_of(released, 40)
    run = same_people("q", released, covariates=["age_years"])
    effects_of(run, *arms)
    assert release.reason_to_hold(run) == (differencing.NUMBERS if held else "")


def test_the_releases_of_every_other_plan_are_looked_at():
    first = a_run(plan_of("a"), range(100), released=True)
    other = same_people("b", first)
    now = timezone.now()
    Run.objects.filter(pk=other.pk).update(state="published", published_at=now, released_at=now)
    run = same_people("c", first)
    for each, n_case in ((first, 80), (other, 40), (run, 37)):
        effects_of(each, n_case)
    assert release.reason_to_hold(run) == differencing.NUMBERS


@pytest.mark.parametrize(("older", "newest", "held"), [(40, 80, False), (80, 40, True)])
def test_it_is_the_newest_release_of_another_plan_that_numbers_stand_beside(older, newest, held):
    plan, now = plan_of("a"), timezone.now()
    first = a_run(plan, range(100), released=True)
    second = Run.objects.create(
        plan=plan, snapshot=first.snapshot, key="later", state="published", published_at=now,
        released_at=now + timedelta(hours=1),
    )  # fmt: skip
    run = same_people("b", first)
    for each, n_case in ((first, older), (second, newest), (run, 37)):
        effects_of(each, n_case)
    assert release.reason_to_hold(run) == (differencing.NUMBERS if held else "")
