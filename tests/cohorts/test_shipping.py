"""Two sites, two records: what arrived differs from what was sent, and somebody is asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.models import Query, Sample, Shipment, TemperatureReading
from cohorts.services import consent
from cohorts.services.samples import shipping
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
SENT = timezone.now() - timedelta(days=2)
COLD = [(SENT + timedelta(hours=hour), -71.0) for hour in (1, 20)]


@pytest.fixture
def ends():
    return SiteFactory(code="FUK"), SiteFactory(code="OSA")


@pytest.fixture
def people(ends):
    return [user_with("LT", end) for end in ends]


@pytest.fixture
def tubes(ends):
    person = ParticipantFactory(site=ends[0])
    return [SampleFactory(participant=person, code=f"T{n}", freeze_thaws=0) for n in (1, 2, 3)]


def sent(ends, people, codes=("T1", "T2", "T3"), **more):
    said = {"courier": "World Courier", "sent_at": SENT, "by": people[0]} | more
    return shipping.send(*ends, list(codes), **said)


def received(shipment, people, conditions, **more):
    said = {"received_at": SENT + timedelta(days=1), "temperatures": COLD, "by": people[1]} | more
    return shipping.receive(shipment.pk, conditions, **said)


def asked():
    return sorted(query.text for query in Query.objects.unsettled())


def test_what_arrives_as_it_was_sent_raises_no_question(ends, people, tubes):
    shipment = sent(ends, people)
    assert {s.status for s in Sample.objects.all()} == {"in_transit"}
    received(shipment, people, dict.fromkeys(("T1", "T2", "T3"), "good"))
    assert asked() == []
    assert {(s.status, s.held_at) for s in Sample.objects.all()} == {("stored", ends[1])}
    assert [step.kind for step in tubes[0].custody.all()] == ["sent", "received"]


def test_each_discrepancy_is_a_query(ends, people, tubes):
    shipment = sent(ends, people)
    warm = [*COLD, (SENT + timedelta(hours=21), -20.0)]
    conditions = {"T1": "good", "T2": "thawed", "X9": "good"}
    receipt = received(shipment, people, conditions, temperatures=warm)
    assert receipt.unexpected == ["X9"]
    assert asked() == [
        "1 tube arrived that the manifest does not name.",
        f"T2 of shipment {shipment.pk} arrived thawed.",
        f"T3 of shipment {shipment.pk} did not arrive.",
        "The shipment was as warm as -20 °C; at most -60 °C.",
    ]
    assert Sample.objects.get(code="T2").freeze_thaws == 1
    assert Sample.objects.get(code="T3").status == "in_transit"


def test_a_missing_log_is_a_query(ends, people, tubes):
    shipment = sent(ends, people)
    received(shipment, people, dict.fromkeys(("T1", "T2", "T3"), "good"), temperatures=())
    assert asked() == ["The courier's temperature log is missing."]


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([], "The manifest is empty"),
        (["T1", "T1"], "The manifest names T1 twice"),
        (["T1", "T8"], "FUK has no sample 'T8'"),
    ],
)
def test_a_manifest_that_cannot_be_sent_is_refused_whole(ends, people, tubes, codes, words):
    with pytest.raises(RefusedHandling, match=words):
        sent(ends, people, codes)
    assert not Shipment.objects.exists()
    assert {s.status for s in Sample.objects.all()} == {"stored"}


def test_a_tube_that_is_away_or_blocked_is_not_sent(ends, people, tubes):
    sent(ends, people, ["T1"])
    with pytest.raises(RefusedHandling, match="T1 is in transit; nothing more is done with it"):
        sent(ends, people, ["T1"])
    consent.withdraw(tubes[1].participant_id, level=3, by=None)
    with pytest.raises(RefusedHandling, match="T2 is blocked"):
        sent(ends, people, ["T2"])
    assert Sample.objects.get(code="T1").status == "blocked"


def test_a_tube_is_sent_by_the_site_at_which_it_lies(ends, people, tubes):
    received(sent(ends, people, ["T1"]), people, {"T1": "good"})
    with pytest.raises(RefusedHandling, match="T1 lies at OSA, which alone can send it"):
        sent(ends, people, ["T1"])
    back = sent(ends[::-1], people[::-1], ["T1"], sent_at=SENT + timedelta(days=1, hours=1))
    received(back, people[::-1], {"T1": "good"}, received_at=SENT + timedelta(days=2))
    assert Sample.objects.lying_at(ends[0]).filter(code="T1", status="stored").exists()
    assert [step.kind for step in tubes[0].custody.all()] == ["sent", "received"] * 2
    sent(ends, people, ["T1"], sent_at=SENT + timedelta(days=2, minutes=1))


def test_two_tubes_of_one_code_at_one_site_are_not_guessed_between(ends, people, tubes):
    SampleFactory(participant=ParticipantFactory(site=ends[1]), code="T1")
    received(sent(ends, people, ["T1"]), people, {"T1": "good"})
    with pytest.raises(RefusedHandling, match="OSA holds two tubes with the code T1"):
        sent(ends[::-1], people[::-1], ["T1"], sent_at=SENT + timedelta(days=1, hours=1))


def test_each_end_records_its_own_part(ends, people, tubes):
    with pytest.raises(NotAllowed, match="Your role at FUK does not send samples"):
        sent(ends, people, by=people[1])
    shipment = sent(ends, people)
    with pytest.raises(NotAllowed, match="Only a laboratory technician of OSA receives"):
        received(shipment, people, {}, by=people[0])
    with pytest.raises(RefusedHandling, match="Received before it was sent"):
        received(shipment, people, {}, received_at=SENT - timedelta(hours=1))
    with pytest.raises(RefusedHandling, match="T1: 'wet' is not a condition"):
        received(shipment, people, {"T1": "wet"})
    received(shipment, people, {"T1": "good"})
    with pytest.raises(RefusedHandling, match="This shipment is received already"):
        received(shipment, people, {"T1": "good"})


def test_a_shipment_goes_to_another_site(ends, people, tubes):
    with pytest.raises(ValidationError, match="A shipment goes to another site"):
        sent((ends[0], ends[0]), people)


def test_a_temperature_is_possible_and_stands_once_a_time(ends, people, tubes):
    shipment = sent(ends, people)
    with pytest.raises(ValidationError, match="Temperatures are in °C"):
        TemperatureReading(shipment=shipment, at=SENT, celsius=-300).full_clean()
    with pytest.raises(ValidationError, match="two temperatures of one time"):
        received(shipment, people, {}, temperatures=[(SENT, -70.0), (SENT, -71.0)])
    assert not TemperatureReading.objects.exists()


def test_both_ends_read_a_shipment_and_nobody_else_does(ends, people, tubes):
    shipment = sent(ends, people)
    for end in ends:
        assert shipment in Shipment.objects.visible_to(user_with("SC", end))
    for role in ("SC", "SD", "LT", "AU"):
        stranger = user_with(role, SiteFactory())
        assert not Shipment.objects.visible_to(stranger).exists()
        assert not shipment.tubes.model.objects.visible_to(stranger).exists()


def test_a_shipment_is_sent_and_received_in_the_portal(ends, people, tubes, browse):
    page = browse(people[0])
    form = {"to_site": ends[1].pk, "courier": "C", "most_celsius": "-60", "samples": "T1\nT2"}
    form["sent_at"] = f"{SENT:%Y-%m-%dT%H:%M}"
    misread = page.post("/sites/FUK/shipments/", form | {"samples": "FUK/T1/?"})
    assert b"A label cannot carry" in misread.content or b"is misread" in misread.content
    assert page.post("/sites/FUK/shipments/", form).status_code == 302
    shipment = Shipment.objects.get()
    other = browse(people[1])
    arrived = {"received_at": f"{timezone.now():%Y-%m-%dT%H:%M}", "tubes": "T1\nT2 damaged"}
    wrong = other.post(f"/shipments/{shipment.pk}/", arrived | {"temperatures": "cold"})
    assert b"is not a time and a temperature" in wrong.content
    log = f"{SENT:%Y-%m-%dT%H:%M} -70.5"
    assert other.post(f"/shipments/{shipment.pk}/", arrived | {"temperatures": log}).url
    assert asked() == [f"T2 of shipment {shipment.pk} arrived damaged."]
    assert b"damaged" in other.get(f"/shipments/{shipment.pk}/").content


# --- what turns up later


def completed(shipment, people, conditions, **more):
    said = {"arrived_at": SENT + timedelta(days=1, hours=2), "note": "second box", "by": people[1]}
    return shipping.complete(shipment.pk, conditions, **(said | more))


def test_a_tube_that_turns_up_later_is_taken_in_and_its_question_closes(ends, people, tubes):
    shipment = sent(ends, people)
    receipt = received(shipment, people, {"T1": "good"}, temperatures=())
    assert len(asked()) == 3
    completed(shipment, people, {"T2": "good"}, temperatures=COLD)
    assert asked() == [f"T3 of shipment {shipment.pk} did not arrive."]
    found = Sample.objects.get(code="T2")
    assert (found.status, found.held_at) == ("stored", ends[1])
    assert found.custody.last().at == SENT + timedelta(days=1, hours=2)
    receipt.refresh_from_db()
    assert receipt.received_at == SENT + timedelta(days=1)
    completed(shipment, people, {"T3": "damaged"})
    assert asked() == [f"T3 of shipment {shipment.pk} arrived damaged."]


@pytest.mark.parametrize(
    ("conditions", "more", "sentence"),
    [
        ({"T1": "good"}, {}, "T1 was not missing from this shipment: check its code."),
        ({"T2": "gone"}, {}, "T2: 'gone' is not a condition; write good, damaged, thawed"),
        ({"T2": "good"}, {"note": " "}, "Say where it was found, or why it comes later."),
        ({}, {}, "Name the tubes that turned up, or the temperatures."),
        ({"T2": "good"}, {"arrived_at": SENT}, "Before the receipt: check the time."),
    ],
)
def test_what_cannot_turn_up_later_is_refused(ends, people, tubes, conditions, more, sentence):
    shipment = sent(ends, people)
    received(shipment, people, {"T1": "good"})
    with pytest.raises(RefusedHandling, match=sentence):
        completed(shipment, people, conditions, **more)
    assert len(asked()) == 2


def test_nothing_turns_up_before_the_receipt_or_for_the_sender(ends, people, tubes):
    shipment = sent(ends, people)
    with pytest.raises(RefusedHandling, match="not received yet: record the receipt"):
        completed(shipment, people, {"T1": "good"})
    received(shipment, people, {"T1": "good"})
    with pytest.raises(NotAllowed, match="Only a laboratory technician of OSA"):
        completed(shipment, people, {"T2": "good"}, by=people[0])
