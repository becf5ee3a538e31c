"""What a row was stays readable, whoever changed it and however."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection
from django.utils import timezone

from cohorts import history
from cohorts.models import (
    EVENTS,
    ApiToken,
    AssayRow,
    Box,
    CustodyEvent,
    Destruction,
    Participant,
    Sample,
    ShippedTube,
    Site,
    Visit,
)
from cohorts.services.audit import history as events_of
from cohorts.services.samples import boxes, destruction, shipping
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db


def told(row, name):
    """Label and one value of each event of a row, the oldest first."""
    events = EVENTS[type(row)].objects.filter(pgh_obj_id=row.pk)
    return list(events.values_list("pgh_label", name))


def test_a_bulk_update_leaves_what_was_there():
    person = ParticipantFactory(group="hikikomori")
    Participant.objects.filter(pk=person.pk).update(group="healthy_control")
    assert told(person, "group") == [("insert", "hikikomori"), ("update", "healthy_control")]


def test_rows_made_in_bulk_have_their_first_event():
    people = Participant.objects.bulk_create(
        Participant(site=SiteFactory(), code=f"B{n}", sex="male", group="x",
                    enrolled_on=date(2024, 4, 1))
        for n in range(3)
    )  # fmt: skip
    assert [told(person, "code") for person in people] == [[("insert", f"B{n}")] for n in range(3)]


def test_sql_by_hand_is_seen_too():
    sample = SampleFactory(status="stored")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cohorts_sample SET status = 'destroyed' WHERE id = %s", [sample.pk])
        cursor.execute("DELETE FROM cohorts_sample WHERE id = %s", [sample.pk])
    labels = [("insert", "stored"), ("update", "destroyed"), ("delete", "destroyed")]
    assert told(sample, "status") == labels


def test_an_update_that_changes_nothing_is_no_event():
    person = ParticipantFactory()
    Participant.objects.filter(pk=person.pk).update(code=person.code)
    assert len(told(person, "code")) == 1


def test_the_reason_holds_for_what_is_written_inside_and_no_longer():
    visit = Visit.objects.create(participant=ParticipantFactory(), label="v1")
    with history.acting("command test"):
        with history.because("a slip of the pen"):
            Visit.objects.filter(pk=visit.pk).update(label="v2")
        Visit.objects.filter(pk=visit.pk).update(label="v3")
    contexts = (
        EVENTS[Visit].objects.filter(pgh_obj_id=visit.pk).values_list("pgh_context", flat=True)
    )
    assert list(contexts) == [
        None,
        {"source": "command test", "reason": "a slip of the pen"},
        {"source": "command test"},
    ]


def test_a_request_leaves_its_user_and_its_id(api):
    person = ParticipantFactory()
    coordinator = user_with("SC", person.site)
    body = {"site": person.site.code, "participant": person.code, "level": 2}
    _, key = ApiToken.objects.issue(coordinator, "t")
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_X_REQUEST_ID="request-00017")
    assert api.post("/api/v1/withdrawals", body, format="json").status_code == 201
    event = EVENTS[type(person.withdrawals.get())].objects.get()
    assert event.pgh_context["user"] == coordinator.pk
    assert event.pgh_context["request"] == "request-00017"
    assert person.code not in str(event.pgh_context)


def test_who_reads_the_row_reads_its_events(browse):
    here, there = ParticipantFactory(), ParticipantFactory()
    seen = EVENTS[Participant].objects.visible_to(user_with("SC", here.site))
    assert [event.pgh_obj_id for event in seen] == [here.pk]
    assert not EVENTS[Participant].objects.visible_to(user_with("LT", there.site)).exists()
    assert not EVENTS[Participant].objects.visible_to(user_with("AD")).exists()
    assert EVENTS[Site].objects.visible_to(user_with("AD")).count() == 2


def test_an_erased_person_leaves_blank_events_and_the_trail_stands():
    other = SampleFactory(code="OTHER")
    sample = SampleFactory(participant__site=other.site)
    person = sample.participant
    with history.because(f"the tube of {person.code} was mislabelled"):
        Sample.objects.update(tube="EDTA")
    code, pk = person.code, person.pk
    person.delete()
    touched = events_of.forget(pk, code=code, site_id=other.site_id)
    assert {kind: len(ids) for kind, ids in touched.items() if ids} == {
        "participantevent": 2, "sampleevent": 4,
    }  # fmt: skip
    events = EVENTS[Sample].objects.filter(pgh_obj_id=sample.pk)
    assert list(events.values_list("pgh_label", "code", "participant_id")) == [
        ("insert", None, None), ("update", None, None), ("delete", None, None),
    ]  # fmt: skip
    assert told(other, "code")[0] == ("insert", "OTHER")
    kept = EVENTS[Sample].objects.filter(pgh_obj_id=other.pk).last()
    assert kept.pgh_context["reason"] == "the tube of [erased] was mislabelled"


def test_values_of_assays_are_not_followed():
    assert AssayRow not in EVENTS


@pytest.fixture
def bench():
    """A tube, who handles it at its site, and a site to send it to."""
    tube = SampleFactory(code="T1", volume_ul=500, freeze_thaws=0)
    return tube, user_with("LT", tube.site), SiteFactory(code="TO")


def test_boxes_custody_and_shipments_leave_events_with_their_reason(bench):
    tube, technician, there = bench
    box = boxes.add_box(
        tube.site, code="B1", place="Freezer 1", n_rows=9, n_columns=9, by=technician
    )
    Box.objects.filter(pk=box.pk).update(place="Freezer 2")
    assert told(box, "place") == [("insert", "Freezer 1"), ("update", "Freezer 2")]
    sent = shipping.send(
        tube.site, there, ["T1"], courier="by hand", sent_at=timezone.now(), by=technician
    )
    step = tube.custody.get()
    assert told(step, "kind") == [("insert", "sent")]
    shipping.receive(
        sent.pk,
        {"T1": "thawed"},
        received_at=timezone.now(),
        note="the box was open",
        by=user_with("LT", there),
    )
    sending = sent.tubes.get()
    assert told(sending, "condition") == [("insert", ""), ("update", "thawed")]
    event = EVENTS[type(sending)].objects.last()
    assert event.pgh_context["reason"] == "the box was open"
    seen = EVENTS[type(step)].objects
    assert seen.visible_to(technician).exists()
    assert not seen.visible_to(user_with("LT", there)).exists()


def test_of_an_erased_persons_tubes_no_event_keeps_a_code(bench):
    tube, technician, there = bench
    shipping.send(tube.site, there, ["T1"], courier="x", sent_at=timezone.now(), by=technician)
    person, site = tube.participant, tube.site
    destruction.order_destruction(person, "erasure")
    code, pk = person.code, person.pk
    person.delete()
    events_of.forget(pk, code=code, site_id=site.pk)
    order = Destruction.objects.get()
    for model in (CustodyEvent, Destruction, ShippedTube):
        kept = EVENTS[model].objects.all()
        assert kept.exists(), model
        assert "T1" not in str(list(kept.values())), model
        assert not kept.filter(sample_id=tube.pk).exists(), model
    # What is written until the tube is gone names it, and is blanked with the approval.
    said = {"method": "autoclave", "witness": user_with("SD", there)}
    destruction.record(order.pk, at=timezone.now(), by=user_with("LT", there), **said)
    assert "T1" in str(list(EVENTS[Destruction].objects.values()))
    destruction.approve(order.pk, by=user_with("SD", site))
    assert "T1" not in str(list(EVENTS[Destruction].objects.values()))


def test_the_admin_shows_the_biobanks_events(bench, browse):
    tube, technician, there = bench
    shipping.send(tube.site, there, ["T1"], courier="x", sent_at=timezone.now(), by=technician)
    page = browse(user_with("CD"))
    for name in ("box", "custodyevent", "destruction", "shipment", "shippedtube", "receipt"):
        assert page.get(f"/admin/cohorts/{name}event/").status_code == 200, name
