"""One person in two records is one person: merged, linked or moved, and counted once."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from django.utils import timezone

from analysis.steps.prepare import declared_once
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import Participant, Sample, Transfer, Visit
from cohorts.services import consent, identity, transfers
from cohorts.services.audit import history
from cohorts.services.erasing import erasure
from cohorts.services.tables import books, table_checks
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import (
    SCOPES,
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)
from tests.page_source import flat

pytestmark = pytest.mark.django_db
WHY = "the same hospital card"


@pytest.fixture
def kept():
    return ConsentFactory(participant__code="FUK-1", participant__site__code="FUK").participant


@pytest.fixture
def other(kept):
    return ParticipantFactory(code="FUK-2", site=kept.site)


@pytest.fixture
def nurse(kept):
    return user_with("SC", kept.site)


@pytest.fixture
def away():
    return SiteFactory(code="TYO")


# --- merging


def test_all_that_hangs_on_the_second_record_moves_to_the_first(kept, other, nurse):
    sample = SampleFactory(participant=other)
    Visit.objects.create(participant=kept, label="V1")
    visit = Visit.objects.create(participant=other, label="V1", visited_on=date(2024, 5, 1))
    Sample.objects.filter(pk=sample.pk).update(visit=visit)
    identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)
    sample.refresh_from_db()
    assert sample.participant == kept
    assert (sample.visit.participant, sample.visit.visited_on) == (kept, date(2024, 5, 1))
    other.refresh_from_db()
    assert (other.merged_into, other.version) == (kept, 2)
    assert list(Participant.objects.counted()) == [kept]
    assert [past.reason for past in history.past_of(other)] == [WHY, ""]


def test_the_strictest_wish_holds(kept, other, nurse):
    consent.withdraw(other.pk, level=3, by=nurse)
    consent.record_consent(
        kept.pk, form=None, basis="again", signed_on=timezone.localdate(), scopes=SCOPES, by=nurse
    )
    identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)
    assert not Participant.objects.consenting_to(SCOPES, timezone.localdate()).exists()
    notes = kept.withdrawals.values_list("note", flat=True)
    assert "It stood for one of two merged records." in notes


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"sex": "female"}, "differ in sex: correct the record that is wrong first"),
        ({"group": "healthy_control"}, "differ in group"),
    ],
)
def test_records_that_contradict_each_other_are_not_merged(kept, other, nurse, facts, words):
    Participant.objects.filter(pk=other.pk).update(**facts)
    with pytest.raises(UnusableRequest, match=words):
        identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)


def test_visits_of_one_label_on_two_days_are_a_question(kept, other, nurse):
    Visit.objects.create(participant=kept, label="V1", visited_on=date(2024, 5, 2))
    Visit.objects.create(participant=other, label="V1", visited_on=date(2024, 5, 1))
    with pytest.raises(UnusableRequest, match="Both have a visit 'V1', on different days"):
        identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)


def test_two_records_and_a_reason_are_needed(kept, other, nurse):
    with pytest.raises(UnusableRequest, match="These are one record"):
        identity.merge(kept.pk, kept.pk, reason=WHY, by=nurse)
    with pytest.raises(UnusableRequest, match="Say how you know"):
        identity.merge(kept.pk, other.pk, reason=" ", by=nurse)


def test_another_sites_record_is_not_merged(kept, nurse, away):
    with pytest.raises(NotAllowed, match="does not merge these two"):
        identity.merge(kept.pk, ParticipantFactory(site=away).pk, reason=WHY, by=nurse)


def test_a_merged_code_leads_to_the_one_that_is_kept(kept, other, nurse):
    identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)
    for ask in (
        lambda: consent.withdraw(other.pk, level=2, by=nurse),
        lambda: erasure.request(other.pk, by=nurse),
        lambda: identity.merge(other.pk, kept.pk, reason=WHY, by=nurse),
    ):
        with pytest.raises(UnusableRequest, match="FUK-2 was merged into FUK-1; use that code"):
            ask()
    table = SentTable("samples", b"sample,participant,material\nT1,FUK-2,plasma\n")
    (fault,) = table_checks.check(table, lambda: books.facts_of(kept.site), {}).report.faults
    assert "FUK-2 was merged into FUK-1; write that code." in fault.message


def test_an_open_erasure_comes_first(kept, other, nurse):
    erasure.request(other.pk, by=nurse)
    with pytest.raises(UnusableRequest, match="An erasure of one of them is open"):
        identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)


# --- the same person at two sites


def test_a_declared_person_is_counted_once_in_analyses(kept, away):
    there, steward = ParticipantFactory(site=away), user_with("CD")
    person = identity.declare_same(kept.pk, there.pk, reason=WHY, by=steward)
    kept.refresh_from_db()
    assert (kept.person, kept.version) == (person, 2)
    people = pd.DataFrame(
        {"site": ["FUK", "TYO", "TYO"], "code": ["a", "b", "c"], "person": ["x", "x", ""]},
        index=[kept.pk, there.pk, there.pk + 1],
    )
    left, _, notes = declared_once(people, [])
    assert list(left["code"]) == ["a", "c"]
    assert notes[0].in_general == "somebody has two records and is counted once"
    identity.declare_different(kept.pk, reason="twins", by=steward)
    kept.refresh_from_db()
    assert kept.person is None
    with pytest.raises(UnusableRequest, match="is linked with no other record"):
        identity.declare_different(kept.pk, reason="twins", by=steward)


def test_only_who_sees_both_sites_links_them(kept, other, away, nurse):
    there, steward = ParticipantFactory(site=away), user_with("CD")
    with pytest.raises(NotAllowed, match="Only the consortium's data manager"):
        identity.declare_same(kept.pk, there.pk, reason=WHY, by=nurse)
    with pytest.raises(UnusableRequest, match="Both are of FUK: merge them there"):
        identity.declare_same(kept.pk, other.pk, reason=WHY, by=steward)
    identity.declare_same(kept.pk, there.pk, reason=WHY, by=steward)
    with pytest.raises(UnusableRequest, match="are declared one person already"):
        identity.declare_same(kept.pk, there.pk, reason=WHY, by=steward)


# --- moving to another site


def moved(kept, away, nurse, code="TYO-9"):
    asked = transfers.offer(kept.pk, to_site="TYO", reason="a new home", by=nurse)
    return transfers.accept(asked.pk, code=code, on=date(2024, 6, 1), by=user_with("SC", away))


def test_who_moves_is_one_person_with_a_record_at_each_site(kept, away, nurse):
    sample = SampleFactory(participant=kept)
    arrived = moved(kept, away, nurse)
    kept.refresh_from_db()
    sample.refresh_from_db()
    assert (arrived.site, arrived.person, kept.left_on) == (away, kept.person, date(2024, 6, 1))
    assert (sample.participant, sample.site) == (kept, kept.site)
    assert arrived.age_years == 30.2
    # The consent covers what was collected where it was signed; the new site asks for its own.
    assert not arrived.consents.exists()
    table = SentTable("samples", b"sample,participant,material\nT1,FUK-1,plasma\n")
    (fault,) = table_checks.check(table, lambda: books.facts_of(kept.site), {}).report.faults
    assert "FUK-1 moved to another site on 2024-06-01; new data are taken there." in fault.message


def test_nobody_is_moved_against_a_rule(kept, other, away, nurse):
    def offer(person, site="TYO", reason="a new home"):
        return transfers.offer(person.pk, to_site=site, reason=reason, by=nurse)

    with pytest.raises(UnusableRequest, match="no consent in force that covers share_consortium"):
        offer(other)
    with pytest.raises(UnusableRequest, match="'FUK' is not another site of this study"):
        offer(kept, site="FUK")
    with pytest.raises(UnusableRequest, match="Say why the participant is transferred"):
        offer(kept, reason=" ")
    with pytest.raises(NotAllowed, match="does not transfer participants"):
        transfers.offer(kept.pk, to_site="TYO", reason="x", by=user_with("SC", away))
    asked = offer(kept)
    with pytest.raises(UnusableRequest, match="A transfer of this participant is open already"):
        offer(kept)
    with pytest.raises(NotAllowed, match="does not take participants over"):
        transfers.accept(asked.pk, code="X", on=date(2024, 6, 1), by=nurse)
    there = user_with("SC", away)
    with pytest.raises(UnusableRequest, match="give the day of the move"):
        transfers.accept(asked.pk, code="X", on=timezone.localdate() + timedelta(2), by=there)
    ParticipantFactory(site=away, code="TYO-9")
    with pytest.raises(UnusableRequest, match="has a participant with that code already"):
        transfers.accept(asked.pk, code="TYO-9", on=date(2024, 6, 1), by=there)
    consent.withdraw(kept.pk, level=2, by=nurse)
    with pytest.raises(UnusableRequest, match="nobody is transferred against a wish"):
        transfers.accept(asked.pk, code="X", on=date(2024, 6, 1), by=there)
    transfers.call_off(asked.pk, by=there)
    with pytest.raises(UnusableRequest, match="This transfer is called off already"):
        transfers.call_off(asked.pk, by=nurse)


def test_both_ends_see_a_transfer_and_nobody_else(kept, away, nurse):
    moved(kept, away, nurse)
    seen = Transfer.objects.visible_to
    assert seen(nurse).count() == seen(user_with("SC", away)).count() == 1
    assert not seen(user_with("SC", SiteFactory())).exists()
    assert not seen(user_with("LT", away)).exists()


def test_the_pages_merge_and_move(kept, other, away, nurse, browse):
    client, there = browse(nurse), browse(user_with("SC", away))
    said = {"other": "FUK-2", "reason": WHY}
    wrong = client.post(f"/participants/{kept.pk}/merge/", said | {"other": "FUK-9"})
    assert "This site has no participant with that code" in wrong.content.decode()
    page = client.post(f"/participants/{kept.pk}/merge/", said, follow=True)
    assert "Merged: FUK-1 holds what both records held." in page.content.decode()
    assert "This record is kept under" in client.get(f"/participants/{other.pk}/").content.decode()
    for reason in ("a mistake", "a new home"):
        said = {"to_site": "TYO", "reason": reason}
        page = client.post(f"/participants/{kept.pk}/move/", said, follow=True).content.decode()
        assert "Offered to TYO on" in page
        assert f"/participants/{kept.pk}/move/" not in page
        if reason == "a mistake":
            off = f"/transfers/{Transfer.objects.get().pk}/call-off/"
            assert browse(user_with("LT", away)).post(off).status_code == 404
            assert browse(user_with("SD", away)).post(off).status_code == 403
            page = client.post(off, follow=True).content.decode()
            assert "The move is called off." in page
            assert "Offered to TYO" not in page
    assert "FUK FUK-1" in there.get("/sites/TYO/participants/").content.decode()
    transfer = Transfer.objects.open().get()
    offered = flat(there.get(f"/transfers/{transfer.pk}/").text)
    assert f"Offered by {nurse.username}: a new home. Enrolled here" in offered
    page = there.post(
        f"/transfers/{transfer.pk}/", {"code": "TYO-9", "on": "2024-06-01"}, follow=True
    )
    assert "TYO-9" in page.content.decode()


def test_the_api_merges_links_and_moves(kept, other, away, nurse, api):
    api.force_authenticate(nurse)
    path = f"/api/v1/participants/{kept.pk}"
    merged = api.post(f"{path}/merge", {"other": "FUK-2", "reason": WHY}, format="json")
    assert (merged.status_code, merged.json()["code"]) == (200, "FUK-1")
    body = {"site": "FUK", "participant": "FUK-1", "to_site": "TYO", "reason": "a new home"}
    made = api.post("/api/v1/transfers", body, format="json")
    assert made.status_code == 201
    api.force_authenticate(user_with("SC", away))
    path = f"/api/v1/transfers/{made.json()['id']}"
    done = api.post(f"{path}/accept", {"code": "TYO-9", "on": "2024-06-01"}, format="json")
    assert (done.json()["state"], done.json()["arrived_as"]) == ("taken_over", "TYO-9")
    assert api.post(f"{path}/call-off").json()["detail"].startswith("This transfer is taken over")
    api.force_authenticate(user_with("CD"))
    one = ParticipantFactory(site=away, code="TYO-1")
    link = {"site": "FUK", "participant": "FUK-1", "reason": WHY}
    assert (
        api.post(f"/api/v1/participants/{one.pk}/same-person", link, format="json").status_code
        == 200
    )
    back = {"reason": "twins"}
    assert (
        api.post(f"/api/v1/participants/{one.pk}/same-person", back, format="json").status_code
        == 200
    )


def test_a_merge_holds_the_tubes_and_keeps_the_records_elsewhere(kept, other, away, nurse):
    tube = SampleFactory(participant=kept)
    consent.withdraw(other.pk, level=3, by=nurse)
    elsewhere = ParticipantFactory(site=away, code="TYO-5")
    identity.declare_same(other.pk, elsewhere.pk, reason=WHY, by=user_with("CD"))
    identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)
    for each in (tube, kept, elsewhere):
        each.refresh_from_db()
    assert tube.status == "blocked"
    assert kept.person == elsewhere.person is not None


def test_a_record_that_is_offered_to_another_site_is_not_merged(kept, other, away, nurse):
    ConsentFactory(participant=other)
    transfers.offer(other.pk, to_site="TYO", reason="work", by=nurse)
    with pytest.raises(UnusableRequest, match="One of them is offered to another site"):
        identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)


def test_a_data_manager_links_two_records_on_their_page_and_takes_it_back(kept, away, browse):
    ParticipantFactory(site=away, code="TYO-5")
    page, path = browse(user_with("CD")), f"/participants/{kept.pk}/"
    said = {"site": "TYO", "code": "TYO-9", "reason": WHY}
    missing = page.post(f"{path}same/", said).content.decode()
    assert "That site has no participant with that code: check it." in missing
    told = page.post(f"{path}same/", said | {"code": "TYO-5"}, follow=True).content.decode()
    assert "The same person as TYO TYO-5; counted once." in told
    told = page.post(f"{path}different/", {"reason": "twins"}, follow=True).content.decode()
    assert "The link of FUK-1 is taken back." in told
    assert "The same person as" not in told


def test_the_page_says_in_words_what_was_merged_and_linked(kept, other, nurse, browse):
    identity.merge(kept.pk, other.pk, reason=WHY, by=nurse)
    page = browse(nurse).get(f"/participants/{kept.pk}/").content.decode()
    assert f"<td>{other.code} was merged into this record</td>" in flat(page)
    page = browse(nurse).get(f"/participants/{other.pk}/").content.decode()
    assert f"<td>merged into {kept.code}</td>" in flat(page)
    person = SampleFactory(participant__site=kept.site).participant
    elsewhere = SampleFactory(
        participant__site__study=kept.site.study, participant__sex=person.sex
    ).participant
    steward = user_with("CD")
    identity.declare_same(person.pk, elsewhere.pk, reason=WHY, by=steward)
    page = browse(nurse).get(f"/participants/{person.pk}/").content.decode()
    assert "<td>linked with a record at another site</td>" in flat(page)
    identity.declare_different(person.pk, reason=WHY, by=steward)
    page = browse(nurse).get(f"/participants/{person.pk}/").content.decode()
    assert "<td>no longer linked with a record at another site</td>" in flat(page)
