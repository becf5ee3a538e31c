"""A plan may ask that a data manager approves each release; the rules are checked all the same."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from analysis import plans
from analysis.models import Plan, Run, RunTable
from analysis.services import erasures, runs
from analysis.services.disclosure import releasing
from cohorts.errors import NotAllowed
from cohorts.models import Participant
from cohorts.services import consent
from cohorts.services.erasing import erasure
from tests.analysis.test_held_back import a_run
from tests.analysis.test_rechecking import tables, told
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)

ASKS = "Its plan asks that a data manager of the consortium approves each release."


@pytest.fixture
def manager():
    return user_with("CD")


@pytest.fixture
def asking(plan, consortium):
    """A plan of a study with data, each of whose releases is approved."""
    type(plan).objects.filter(pk=plan.pk).update(data=plan.data | {"release": "by_approval"})
    plan.refresh_from_db()
    return plan


def run_now(plan):
    run = runs.request(plan, cause="test")
    runs.execute(run.pk)
    return Run.objects.get(pk=run.pk)


def test_a_run_waits_for_approval_and_is_seen_by_analysts_afterwards(
    asking, manager, browse, settings
):
    analyst = user_with("CA")
    run = run_now(asking)
    settings.DISCLOSURE_K = run.checked_k + 1
    assert (run.state, run.released_at, run.held_because) == ("published", None, ASKS)
    assert not Run.objects.visible_to(analyst).filter(pk=run.pk).exists()
    page = browse(manager).get(f"/runs/{run.pk}/").content.decode()
    assert ASKS in page
    assert f"/runs/{run.pk}/release/" in page
    answer = browse(manager).post(f"/runs/{run.pk}/release/", follow=True)
    assert "The run is released: analysts see it now." in answer.content.decode()
    run.refresh_from_db()
    assert (run.released_by, run.held_because) == (manager, "")
    assert run.checked_k == settings.DISCLOSURE_K
    assert Run.objects.visible_to(analyst).filter(pk=run.pk).exists()
    page = browse(manager).get(f"/runs/{run.pk}/").content.decode()
    assert f"/runs/{run.pk}/release/" not in page


def test_an_approved_release_keeps_back_what_beside_an_earlier_one_tells_of_a_few(
    manager, monkeypatch
):
    data = {"case": ["a"], "control": ["b"], "release": "by_approval"}
    plan = Plan.objects.create(study=StudyFactory(), name="p", data=data)
    before = a_run(plan, range(100), released=True)
    run = a_run(plan, range(110), released=False)
    Run.objects.filter(pk=run.pk).update(state="published", published_at=timezone.now())
    for each, n_more in ((before, 0), (run, 3)):
        for name, frame in zip(("effects", "pooled"), tables(n_more), strict=True):
            RunTable.of(each, name, frame).save()
    monkeypatch.setattr(releasing.snapshots, "still_lawful", lambda *_: True)
    approved = releasing.approve(run.pk, by=manager)
    assert "S0" in told(before)
    assert "S0" not in told(approved)


def test_nobody_else_approves(asking, consortium):
    run = run_now(asking)
    here = consortium[0]
    for who in (user_with("CA"), user_with("SD", here), user_with("AU", here), user_with("AD")):
        with pytest.raises(NotAllowed, match="The consortium's data manager approves releases"):
            releasing.approve(run.pk, by=who)
    assert Run.objects.get(pk=run.pk).released_at is None


def test_what_the_rules_forbid_is_released_by_nobody(asking, manager, monkeypatch):
    run = run_now(asking)
    monkeypatch.setattr(releasing.release.differencing, "reason", lambda _: "A few would show.")
    with pytest.raises(releasing.NotReleasable, match=r"A few would show\."):
        releasing.approve(run.pk, by=manager)


def test_an_erasure_between_run_and_approval_forbids_the_release(asking, manager):
    run = run_now(asking)
    person = Participant.objects.get(pk=run.snapshot.participant_ids[0])
    asked = erasure.request(person.pk, by=user_with("SC", person.site))
    erasure.approve(asked.pk, by=manager)
    assert erasures.execute_due(now=timezone.now() + timedelta(days=2)) == 1
    with pytest.raises(releasing.NotReleasable, match="Consent has changed since it was computed"):
        releasing.approve(run.pk, by=manager)


def test_a_withdrawal_between_run_and_approval_forbids_the_release(asking, manager):
    run = run_now(asking)
    consent.withdraw(run.snapshot.participant_ids[0], level=3, by=None)
    with pytest.raises(releasing.NotReleasable, match="Consent has changed since it was computed"):
        releasing.approve(run.pk, by=manager)


def refused(run, manager):
    with pytest.raises(releasing.NotReleasable) as refusal:
        releasing.approve(run.pk, by=manager)
    return str(refusal.value)


def test_each_reason_to_refuse_is_said(asking, manager, plan):
    waiting = runs.request(asking, cause="test")
    assert refused(waiting, manager) == "The run is queued: only a published one is released."
    runs.execute(waiting.pk)
    Run.objects.filter(pk=waiting.pk).update(pruned_at=timezone.now())
    assert refused(waiting, manager) == "Its tables were deleted, being old: ask for a new run."
    Run.objects.filter(pk=waiting.pk).update(pruned_at=None)
    releasing.approve(waiting.pk, by=manager)
    assert refused(waiting, manager) == "The run is released already."


def test_an_older_run_than_the_newest_is_not_released(asking, manager):
    older = run_now(asking)
    Run.objects.filter(pk=older.pk).update(key="another")
    run_now(asking)
    told = refused(older, manager)
    assert told == "The plan has a newer run than this: look at that one, and release it."


def test_a_run_that_the_rules_hold_under_another_plan_says_why(plan, consortium, manager):
    run = run_now(plan)
    Run.objects.filter(pk=run.pk).update(released_at=None, held_because="Too few changed.")
    assert refused(run, manager) == "Too few changed."


def test_the_setting_is_one_of_two_and_leaves_the_digest_of_other_plans():
    said = {"case": ["a"], "control": ["b"]}
    assert plans.parse(said).digest == plans.parse(said | {"release": "automatic"}).digest
    assert plans.parse(said).digest != plans.parse(said | {"release": "by_approval"}).digest
    with pytest.raises(ValidationError, match="release is 'later'; choose one of automatic, by_ap"):
        plans.parse(said | {"release": "later"})
