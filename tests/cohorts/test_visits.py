"""Visits are held against the protocol's windows; interviews are graded by named criteria."""

from __future__ import annotations

from datetime import date

import pytest

from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import Interview, ProtocolVisit, Query, Visit
from cohorts.scoring import WithdrawalFacts, withdrawal_grades
from cohorts.services import consent, visits
from tests.factories import ParticipantFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    made = ParticipantFactory(code="FUK-1", enrolled_on=date(2024, 1, 1))
    for label, day in (("V1", 0), ("V2", 100)):
        ProtocolVisit.objects.create(
            study=made.site.study, label=label, target_day=day, days_before=7, days_after=10
        )
    return made


@pytest.fixture
def nurse(person):
    return user_with("SC", person.site)


def test_a_visit_outside_its_window_is_taken_and_asked_about(person, nurse):
    visits.record_visit(person.pk, label="V1", on=date(2024, 1, 11), by=nurse)
    assert not Query.objects.exists()
    visits.record_visit(person.pk, label="V2", on=date(2024, 4, 22), by=nurse)
    words = "V2 was on 2024-04-22, 2 days after its window (2024-04-03 to 2024-04-20)"
    assert words in Query.objects.get().text
    assert [plan.state for plan in visits.planned_of(person)] == ["on_time", "late"]


def test_a_visit_that_nobody_came_to_is_told(person):
    first, second = visits.planned_of(person)
    assert (first.state, first.last) == ("missed", date(2024, 1, 11))
    assert second.words == "V2 is planned for 2024-04-03 to 2024-04-20."
    Visit.objects.create(participant=person, label="V2")
    assert visits.planned_of(person)[1].words == (
        "V2 has no date; its window is 2024-04-03 to 2024-04-20."
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"label": "V9"}, "'V9' is not a visit of the protocol; the visits are V1, V2"),
        ({"on": date(2023, 12, 31)}, "before the enrolment .2024-01-01. or still to come"),
        ({"on": date(2124, 1, 1)}, "or still to come: check the day"),
    ],
)
def test_a_visit_that_cannot_be_is_refused(person, nurse, said, words):
    with pytest.raises(UnusableRequest, match=words):
        visits.record_visit(person.pk, **({"label": "V1", "on": date(2024, 1, 2)} | said), by=nurse)


def test_one_visit_has_one_day(person, nurse):
    visits.record_visit(person.pk, label="V1", on=date(2024, 1, 2), by=nurse)
    with pytest.raises(UnusableRequest, match="was on 2024-01-02 already; one visit has one day"):
        visits.record_visit(person.pk, label="V1", on=date(2024, 1, 3), by=nurse)
    made = visits.record_visit(
        person.pk, label="V1", on=date(2024, 1, 3), reason="wrong line", by=nurse
    )
    assert made.visited_on == date(2024, 1, 3)
    assert made.events.order_by("-pgh_id")[0].pgh_context["reason"] == "wrong line"


def test_who_has_withdrawn_is_not_visited_and_others_do_not_record(person, nurse):
    with pytest.raises(NotAllowed, match="does not record visits and interviews"):
        visits.record_visit(person.pk, label="V1", on=date(2024, 1, 2), by=user_with("CD"))
    consent.withdraw(person.pk, level=2, by=nurse)
    with pytest.raises(UnusableRequest, match="has withdrawn; no further data are taken"):
        visits.record_interview(person.pk, {"months": 7}, on=date(2024, 1, 2), by=nurse)


def test_an_interview_is_graded_by_both_sets_of_criteria(person, nurse):
    facts = {"isolated_at_home": True, "months": 7.0, "impaired_or_distressed": True}
    facts |= {"days_out_a_week": 2, "avoids_school_or_work": False}
    visits.record_interview(person.pk, facts, on=date(2024, 1, 2), by=nurse)
    kato, earlier = Interview.objects.get().grades
    assert (kato.criteria, kato.state, kato.severity) == ("Kato 2019/2020", "hikikomori", "mild")
    assert (earlier.criteria, earlier.state) == ("earlier research criteria (2018)", "not_met")
    assert earlier.reason == "avoids neither school nor work."


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "hikikomori"),
        ({"months": 5.9}, "not_met"),
        ({"avoids_contact": False}, "not_met"),
        ({"avoids_contact": None}, "unknown"),
        ({"days_out_a_week": 4}, "hikikomori"),
    ],
)
def test_the_earlier_criteria_require_avoidance(facts, state):
    met = dict.fromkeys(
        ("isolated_at_home", "impaired_or_distressed", "avoids_school_or_work", "avoids_contact"),
        True,
    )
    assert withdrawal_grades(WithdrawalFacts(**(met | {"months": 6.0} | facts)))[1].state == state


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"days_out_a_week": 8}, "A week has 7 days"),
        ({"months": -1.0}, "Months are 0 to 1200"),
        ({"grade": "severe"}, "'grade' is not asked"),
        ({"months": None}, "Nothing was answered"),
    ],
)
def test_an_impossible_interview_is_refused(person, nurse, facts, words):
    with pytest.raises(UnusableRequest, match=words):
        visits.record_interview(person.pk, facts, on=date(2024, 1, 2), by=nurse)


def test_the_api_and_the_page_tell_windows_and_grades(person, nurse, api, browse):
    api.force_authenticate(nurse)
    path = f"/api/v1/participants/{person.pk}"
    asked = {"on": "2024-01-02", "months": 7, "isolated_at_home": True}
    asked |= {"impaired_or_distressed": True, "days_out_a_week": 1}
    made = api.post(f"{path}/interviews", asked, format="json")
    assert (made.status_code, made.json()["grades"][0]["severity"]) == (201, "moderate")
    visit = api.post(f"{path}/visits", {"label": "V1", "on": "2024-01-02"}, format="json")
    assert visit.status_code == 201
    told = api.get(f"{path}/visits").json()
    assert [(row["label"], row["state"]) for row in told] == [("V1", "on_time"), ("V2", "missed")]
    assert len(api.get(f"{path}/interviews").json()) == 1
    page = browse(nurse).get(f"/participants/{person.pk}/").content.decode()
    assert "Kato 2019/2020" in page
    assert "V2 is planned for 2024-04-03 to 2024-04-20." in page


def test_an_interview_is_typed_in_and_put_right_on_its_page(person, nurse, browse):
    page, path = browse(nurse), f"/participants/{person.pk}/interview/"
    form = {"on": "2024-01-02", "isolated_at_home": "true", "impaired_or_distressed": "true"}
    form |= {"months": "7", "days_out_a_week": "1"}
    told = page.post(path, form, follow=True).content.decode()
    assert "Recorded; by Kato 2019/2020: Hikikomori." in told
    assert "Moderate" in told
    again = page.post(path, form | {"days_out_a_week": "3"})
    assert "FUK-1 was interviewed on 2024-01-02 already: say why that" in again.content.decode()
    page.post(path, form | {"days_out_a_week": "3", "reason": "misheard"})
    assert Interview.objects.get().grades[0].severity == "mild"
    eight = page.post(path, form | {"days_out_a_week": "8", "reason": "misheard"})
    assert eight.status_code == 422
    consent.withdraw(person.pk, level=2, by=nurse)
    shown = page.get(f"/participants/{person.pk}/").content.decode()
    assert "Withdrawn from further data: nothing new is recorded of this person." in shown
    assert path not in shown
