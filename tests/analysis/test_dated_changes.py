"""What begins or ends on a day is a change on that day: told once, in words, and run again."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from analysis.models import Run
from analysis.services import freshness, runs, snapshots
from cohorts import clock
from cohorts.errors import UnusableRequest
from cohorts.models import AssayBatch, Change, Consent, ConsentForm, Membership, Site, Withdrawal
from cohorts.models.consent import ConsentQuerySet
from cohorts.services import dated
from cohorts.services.batches import embargo
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = date(2026, 11, 22)
LAST = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def _settled(settings):
    settings.SETTLE_SECONDS = 0


@pytest.fixture
def it_is(monkeypatch):
    """A function that moves the study's clock."""

    def move(day):
        monkeypatch.setattr(clock, "today", lambda: day)

    move(TODAY)
    return move


def sweep_and_run():
    for run_id in freshness.sweep():
        runs.execute(run_id)


def newest():
    return Run.objects.order_by("queued_at").last()


def told():
    return list(Change.objects.exclude(event="").values_list("kind", "cause"))


def a_form(site, **window):
    form = ConsentForm.objects.create(site=site, version="v2", **window)
    Consent.objects.filter(participant__site=site).update(form=form)
    return form


def test_the_day_is_the_databases_and_not_the_machines(db, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: pytest.fail("the machine's clock"))
    assert abs(clock.today() - date.today()) <= timedelta(days=1)  # noqa: DTZ011 - a check of it


def test_a_consent_window_that_closes_runs_the_plan_again_without_its_people(
    plan, consortium, it_is
):
    a_form(consortium[0], valid_until=LAST)
    sweep_and_run()
    before = newest()
    it_is(LAST)
    assert freshness.sweep() == []  # its last day counts
    it_is(LAST + timedelta(days=1))
    assert dated.record_due() == 1
    assert told() == [("consent", "consent form v2 of FUK ends 2026-11-30")]
    assert freshness.why_stale(plan) == ("consent from FUK: consent form v2 of FUK ends 2026-11-30")
    sweep_and_run()
    after = newest()
    assert after.state == Run.State.PUBLISHED
    assert len(before.snapshot.participant_ids) - len(after.snapshot.participant_ids) == 24
    assert {
        "site": "FUK",
        "what": "participants",
        "n": 24,
        "why": "the consent form's window is not open",
    } in after.left_out
    assert freshness.sweep() == []


def test_the_test_above_would_notice_a_window_that_nobody_reads(
    plan, consortium, it_is, monkeypatch
):
    monkeypatch.setattr(
        ConsentQuerySet, "in_force", lambda rows, on: rows.filter(signed_on__lte=on)
    )
    a_form(consortium[0], valid_until=LAST)
    sweep_and_run()
    it_is(LAST + timedelta(days=1))
    sweep_and_run()
    assert newest().state == Run.State.MERGED


def test_a_consent_window_that_opens_brings_its_people_in(plan, consortium, it_is):
    a_form(consortium[1], valid_from=LAST)
    sweep_and_run()
    assert len(newest().snapshot.participant_ids) == 48
    it_is(LAST)
    sweep_and_run()
    assert newest().cause.endswith("consent form v2 of TYO begins 2026-11-30")
    assert len(newest().snapshot.participant_ids) == 72


def test_a_run_that_computes_past_midnight_does_not_publish_who_has_left(
    plan, consortium, it_is, monkeypatch
):
    a_form(consortium[0], valid_until=LAST)
    it_is(LAST)
    compute = runs.compute

    def late(*args, **kwargs):
        results = compute(*args, **kwargs)
        it_is(LAST + timedelta(days=1))
        return results

    monkeypatch.setattr(runs, "compute", late)
    sweep_and_run()
    assert newest().state == Run.State.QUEUED


def test_an_embargo_keeps_a_batch_out_until_its_day(plan, consortium, it_is):
    batch = AssayBatch.objects.get(site__code="MTL")
    embargo.set_embargo(batch.pk, until=LAST, by=user_with("CD", username="kim"))
    assert "not used before 2026-11-30 by kim" in Change.objects.last().cause
    sweep_and_run()
    without = newest()
    assert {site["site"] for site in without.summary["sites"]} == {"FUK", "TYO"}
    assert any(row["why"] == "under embargo until 2026-11-30" for row in without.left_out)
    it_is(LAST)
    sweep_and_run()
    assert newest().cause == "assays from MTL: embargo of a LC-MS batch of MTL ends 2026-11-30"
    assert {site["site"] for site in newest().summary["sites"]} == {"FUK", "TYO", "MTL"}


def test_an_embargo_that_comes_while_a_run_computes_stops_it(plan, consortium, it_is):
    snapshot, _ = snapshots.take(plan)
    assert snapshots.still_lawful(snapshot, plan.parsed.scopes)
    embargo.set_embargo(AssayBatch.objects.first().pk, until=LAST, by=None)
    assert not snapshots.still_lawful(snapshot, plan.parsed.scopes)


def test_an_embargo_that_has_passed_or_means_nothing_is_refused(plan, consortium, it_is):
    batch = AssayBatch.objects.first()
    with pytest.raises(UnusableRequest, match="2026-11-22 has come already: name a later day"):
        embargo.set_embargo(batch.pk, until=TODAY, by=None)
    AssayBatch.objects.update(status="voided", void_reason="wrong plate")
    with pytest.raises(UnusableRequest, match="is voided: no run uses it"):
        embargo.set_embargo(batch.pk, until=LAST, by=None)


def test_a_data_manager_sets_an_embargo_in_the_admin(plan, consortium, browse):
    batch = AssayBatch.objects.first()
    page = f"/admin/cohorts/assaybatch/{batch.pk}/change/"
    lines = {"columns-TOTAL_FORMS": 0, "columns-INITIAL_FORMS": 0}
    client = browse(user_with("CD"))
    refused = client.post(page, {"embargo_until": "2020-01-01", **lines})
    assert b"2020-01-01 has come already" in refused.content
    client.post(page, {"embargo_until": "2999-01-01", **lines})
    batch.refresh_from_db()
    assert batch.embargo_until == date(2999, 1, 1)
    assert browse(user_with("AD")).post(page, {"embargo_until": "", **lines}).status_code == 403


def test_ethics_grants_and_announced_withdrawals_are_told_on_their_day(plan, consortium, it_is):
    site = consortium[0]
    Site.objects.filter(pk=site.pk).update(ethics_expires_on=LAST)
    grant = user_with("SC", site).memberships.get()
    Membership.objects.filter(pk=grant.pk).update(
        recorded_on=TODAY, from_date=LAST, until_date=LAST + timedelta(days=1)
    )
    analyst = user_with("CA").memberships.get()
    Membership.objects.filter(pk=analyst.pk).update(
        recorded_on=TODAY, from_date=TODAY, until_date=LAST
    )
    person = site.participants.first()
    Withdrawal.objects.create(participant=person, level=3, effective_on=date(2999, 1, 1))
    assert dated.record_due() == 0
    it_is(LAST)
    dated.record_due()
    assert told() == [
        ("grant", "a role as site coordinator at FUK begins 2026-11-30"),
        ("grant", "a role as consortium analyst ends 2026-11-30"),
    ]
    it_is(LAST + timedelta(days=1))
    dated.record_due()
    assert told()[2:] == [
        ("ethics", "ethics approval of FUK ends 2026-11-30"),
        ("grant", "a role as site coordinator at FUK ends 2026-12-01"),
    ]
    it_is(date(2999, 1, 1))
    dated.record_due()
    assert told()[4:] == [("withdrawal", "a withdrawal takes effect 2999-01-01")]


def test_what_was_so_when_it_was_entered_is_no_event(plan, consortium):
    user_with("SC", consortium[0])
    assert dated.record_due() == 0


def test_each_event_is_told_exactly_once_in_a_study(plan, consortium, it_is):
    StudyFactory(code="gut", title="Gut")
    analyst = user_with("CA").memberships.get()
    Membership.objects.filter(pk=analyst.pk).update(
        recorded_on=TODAY, from_date=TODAY, until_date=LAST
    )
    it_is(LAST + timedelta(days=3))
    assert [dated.record_due() for _ in range(3)] == [2, 0, 0]
    (event, *_) = Change.objects.exclude(event="")
    with pytest.raises(IntegrityError, match="dated_event_once"), transaction.atomic():
        Change.objects.create(study=event.study, kind="grant", event=event.event, cause="again")


def test_a_window_that_was_moved_is_told_when_its_new_day_comes(plan, consortium, it_is):
    form = a_form(consortium[0], valid_until=LAST)
    it_is(LAST + timedelta(days=1))
    dated.record_due()
    ConsentForm.objects.filter(pk=form.pk).update(valid_until=LAST + timedelta(days=9))
    dated.record_due()
    assert len(told()) == 1
    it_is(LAST + timedelta(days=10))
    dated.record_due()
    assert told()[1:] == [("consent", "consent form v2 of FUK ends 2026-12-09")]
