"""Tubes, boxes and shipments: each refusal in the whole sentence that a person reads."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from cohorts import scanning
from cohorts.services.samples import bench, boxes, custody, destruction, shipping
from tests.cohorts.refusals.world import World, is_told
from tests.factories import ParticipantFactory, SampleFactory, user_with

pytestmark = pytest.mark.django_db


def move_outside(w):
    assert w.box
    boxes.move(w.tube.pk, box_code="B1", row=3, column=1, by=w.technician)


def move_onto_another(w):
    assert w.box
    boxes.move(w.tube.pk, box_code="B1", row=1, column=1, by=w.technician)
    there = SampleFactory(participant=w.person, code="T2")
    boxes.move(there.pk, box_code="B1", row=1, column=1, by=w.technician)


def approve_twice(w):
    order = w.ordered()
    said = {"at": timezone.now(), "method": "autoclave", "witness": w.nurse, "by": w.technician}
    destruction.record(order.pk, **said)
    destruction.approve(order.pk, by=w.manager)
    destruction.approve(order.pk, by=w.manager)


def one_box_too_few(w):
    tubes = SampleFactory.create_batch(7, participant=w.person)
    assert w.box
    bench.box_all(w.site, [tube.pk for tube in tubes], box_code="B1", by=w.technician)


def of_no_known_volume(w):
    tube = SampleFactory(participant=w.person, code="T2", volume_ul=None)
    custody.divide(tube.pk, code="T2-1", volume_ul=Decimal(5), by=w.technician)


def thawed_tomorrow(w):
    custody.thaw(w.tube.pk, at=datetime(2999, 1, 1, tzinfo=UTC), by=w.technician)


def destroyed(w, witness, by):
    said = {"at": timezone.now(), "method": "autoclave", "witness": witness, "by": by}
    destruction.record(w.ordered().pk, **said)


def scanned(w, text, names=()):
    assert w.tube
    scanning.read(text, names, w.site, w.technician)


def chosen(w, verb, names):
    """What the page of scanned tubes does with those in its list."""
    tubes = list(scanning.tubes_of(names, w.other, w.there).values())
    return scanning.shipment_of(tubes) if verb == "receive" else scanning.refuse_coming(tubes)


def one_that_is_on_its_way(w):
    w.sent("T1")
    chosen(w, "thaw", ["FUK/T1"])


def one_that_was_never_sent(w):
    SampleFactory(participant=ParticipantFactory(site=w.other), code="O1")
    chosen(w, "receive", ["OSA/O1"])


def of_two_shipments(w):
    SampleFactory(participant=w.person, code="T2")
    for code in ("T1", "T2"):
        w.sent(code)
    chosen(w, "receive", ["FUK/T1", "FUK/T2"])


def sent_by_one_who_has_it_no_longer(w):
    shipment = w.sent("T1")
    shipping.receive(shipment.pk, {"T1": "good"}, received_at=timezone.now(), by=w.there)
    w.sent("T1")


def measured(w, volume_ul, reason=""):
    custody.measure(w.tube.pk, volume_ul=Decimal(volume_ul), reason=reason, by=w.technician)


TUBES = {
    "T1 holds 500.00 µL; 501 µL cannot be taken out.": lambda w: custody.divide(
        w.tube.pk, code="T1-1", volume_ul=Decimal(501), by=w.technician
    ),
    "T1 holds 500.00 µL by the books; say why that is wrong.": lambda w: measured(w, 400),
    "T1 holds that by the books already.": lambda w: measured(w, 500, "weighed"),
    "T1: 'lost' is not a condition; write good, damaged, thawed or missing.": lambda w: (
        shipping.receive(w.sent("T1").pk, {"T1": "lost"}, received_at=timezone.now(), by=w.there)
    ),
    "T1 lies at OSA, which alone can send it.": sent_by_one_who_has_it_no_longer,
    "FUK/T1 is in the list already.": lambda w: scanned(w, "T1", ["FUK/T1"]),
    "200 tubes are in the list: finish with these first.": lambda w: scanned(w, "T1", ["x"] * 200),
    "FUK/T9 is no tube of FUK, and on no shipment that is on its way here: check the label.": (
        lambda w: scanned(w, "T9")
    ),
    "FUK/T1 is on its way here: receive it first, or take it out of the list.": (
        one_that_is_on_its_way
    ),
    "OSA/O1 is on no shipment that is on its way here: take it out of the list.": (
        one_that_was_never_sent
    ),
    "FUK/T2 came with shipment ": of_two_shipments,
    "Box B1 is short of places (free: 6, scanned: 7): take another box, or scan fewer.": (
        one_box_too_few
    ),
    "Your role at FUK does not handle samples.": lambda w: boxes.add_box(
        w.site, code="B2", place="F", n_rows=1, n_columns=1, by=w.there
    ),
    "The volume of T2 is not recorded: record it, then divide the tube.": of_no_known_volume,
    "T1: 2999-01-01 00:00 is still to come.": thawed_tomorrow,
    "Your role at FUK does not record destructions.": lambda w: destroyed(w, w.nurse, w.there),
    "ishida is nobody at FUK: name who was there.": lambda w: destroyed(
        w, user_with("LT", w.other, username="ishida"), w.technician
    ),
    "Your role at FUK does not send samples.": lambda w: shipping.send(
        w.site, w.other, ["T1"], courier="x", sent_at=timezone.now(), by=w.there
    ),
    "Box B1 has 2 rows and 3 columns; there is no place 3/1.": move_outside,
    "T1 is in B1 1/1: choose a free place.": move_onto_another,
    "Say why the box is moved.": lambda w: boxes.move_box(
        w.box.pk, place="G", reason=" ", by=w.technician
    ),
    "The box stands there already.": lambda w: boxes.move_box(
        w.box.pk, place="F", reason="new rack", by=w.technician
    ),
    "No tube is in the list: scan one.": lambda w: bench.thaw_all(w.site, [], by=w.technician),
    "The manifest is empty: name the tubes.": lambda w: shipping.send(
        w.site, w.other, [], courier="x", sent_at=timezone.now(), by=w.technician
    ),
    "This destruction is approved already.": approve_twice,
}


@pytest.mark.parametrize("sentence", TUBES)
def test_what_is_against_a_rule_of_the_freezer_is_refused_in_its_sentence(sentence):
    assert is_told(TUBES[sentence], sentence)


def test_two_tubes_that_nobody_sent_are_one_question():
    world = World()
    shipment = world.sent("T1")
    arrived = {"T1": "good", "X1": "good", "X2": "good"}
    shipping.receive(shipment.pk, arrived, received_at=timezone.now(), by=world.there)
    shipment.refresh_from_db()
    asked = [finding.text for finding in shipping.discrepancies(shipment)]
    assert "2 tubes arrived that the manifest does not name." in asked
