"""What a row was stays readable, whoever changed it and however."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection

from cohorts import history
from cohorts.models import EVENTS, ApiToken, AssayRow, Participant, Sample, Site, Visit
from cohorts.services import history as events_of
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
    assert events_of.forget(pk, code=code, site_id=other.site_id) == 5
    events = EVENTS[Sample].objects.filter(pgh_obj_id=sample.pk)
    assert list(events.values_list("pgh_label", "code", "participant_id")) == [
        ("insert", None, None), ("update", None, None), ("delete", None, None),
    ]  # fmt: skip
    assert told(other, "code")[0] == ("insert", "OTHER")
    kept = EVENTS[Sample].objects.filter(pgh_obj_id=other.pk).last()
    assert kept.pgh_context["reason"] == "the tube of [erased] was mislabelled"


def test_values_of_assays_are_not_followed():
    assert AssayRow not in EVENTS
