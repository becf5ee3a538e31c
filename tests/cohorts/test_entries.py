"""Questionnaires typed in from paper, a second time by somebody else, and compared."""

from datetime import date

import pytest

from cohorts import history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import EVENTS, Assessment, Instrument, Query, Visit
from cohorts.services import entries
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
ON = date(2024, 5, 1)
NINE = [0, 1, 2, 3, 0, 1, 2, 3, 0]


@pytest.fixture
def site():
    return SiteFactory()


@pytest.fixture
def person(site):
    return ParticipantFactory(site=site)


@pytest.fixture
def scale():
    return Instrument.objects.create(
        code="X9", title="Nine items", n_items=9, item_min=0, item_max=3, max_missing_items=1,
        cut_offs={"ja": 10}, languages=["ja"],
    )  # fmt: skip


@pytest.fixture
def nurse(site):
    return user_with("SC", site)


@pytest.fixture
def other(site):
    return user_with("SD", site)


@pytest.fixture
def first(person, scale, nurse):
    with history.because("typed", user=nurse.pk):
        return entries.record(person.pk, scale, NINE, on=ON, by=nurse, language="ja")


def changed(item, answer):
    return [answer if n == item else was for n, was in enumerate(NINE, start=1)]


def test_what_is_typed_in_is_scored_and_says_who_typed(first, nurse):
    assert (first.score, entries.first_entered_by(first)) == (12, nurse.pk)


def test_two_entries_that_agree_ask_nothing(first, other):
    entries.enter_again(first.pk, NINE, by=other)
    assert entries.differences(first) == ()
    assert not Query.objects.exists()


def test_a_difference_becomes_a_query_and_agreement_closes_it(first, other):
    entries.enter_again(first.pk, changed(4, 1), by=other)
    assert entries.differences(first) == (entries.Difference(4, 3, 1),)
    query = Query.objects.get()
    assert query.text == (
        "X9 of 2024-05-01 was typed in twice and differs in item 4: look at the paper and settle "
        "each."
    )
    entries.enter_again(first.pk, NINE, by=other)
    query.refresh_from_db()
    assert query.state == Query.State.CLOSED


def test_differences_are_settled_from_the_paper_and_the_score_follows(first, other):
    entries.enter_again(first.pk, changed(4, 1), by=other)
    entries.settle(first.pk, {4: 1}, reason="read again", by=other)
    first.refresh_from_db()
    assert (first.items[3], first.score) == (1, 10)
    assert Query.objects.get().state == Query.State.CLOSED
    event = EVENTS[Assessment].objects.filter(pgh_label="update").last()
    assert event.pgh_context["reason"] == "read again"


def test_a_first_entry_that_was_right_stays(first, other):
    entries.enter_again(first.pk, changed(4, None), by=other)
    entries.settle(first.pk, {4: 3}, reason="read again", by=other)
    first.refresh_from_db()
    assert first.items == NINE
    assert Query.objects.get().state == Query.State.CLOSED


def test_a_corrected_table_that_agrees_closes_the_query(first, other, reference):
    from tests.cohorts.test_two_steps import corrected

    entries.enter_again(first.pk, changed(4, 1), by=other)
    items = ",".join(f"item_{n}" for n in range(1, 10))
    cells = ",".join(map(str, changed(4, 1)))
    table = (
        f"participant,instrument,assessed_on,{items}\n{first.participant.code},X9,{ON},{cells}\n"
    )
    corrected(first.participant.site, "assessments", table)
    assert Query.objects.get(rule=entries.RULE).state == Query.State.CLOSED


def test_what_no_entry_may_be_is_refused_in_words(first, person, scale, nurse, other, site):
    again, record = entries.enter_again, entries.record
    with pytest.raises(NotAllowed, match="The first entry is yours; somebody else"):
        again(first.pk, NINE, by=nurse)
    with pytest.raises(NotAllowed, match="does not type in"):
        again(first.pk, NINE, by=user_with("AU", site))
    with pytest.raises(UnusableRequest, match="has 9 items, and 2 were given"):
        again(first.pk, [1, 2], by=other)
    with pytest.raises(UnusableRequest, match="Item 4 is answered 7; the range is 0 to 3"):
        again(first.pk, changed(4, 7), by=other)
    with pytest.raises(UnusableRequest, match="No item is answered"):
        again(first.pk, [None] * 9, by=other)
    with pytest.raises(UnusableRequest, match="agree: nothing is to be settled"):
        entries.settle(first.pk, {}, reason="x", by=other)
    again(first.pk, changed(4, 1), by=other)
    with pytest.raises(UnusableRequest, match="exactly the items that differ: 4"):
        entries.settle(first.pk, {5: 1}, reason="x", by=other)
    with pytest.raises(UnusableRequest, match="Say how the differences were settled"):
        entries.settle(first.pk, {4: 1}, reason=" ", by=other)
    with pytest.raises(UnusableRequest, match="answered on that day already"):
        record(person.pk, scale, NINE, on=ON, by=nurse, language="ja")
    with pytest.raises(UnusableRequest, match="before the enrolment"):
        record(person.pk, scale, NINE, on=date(2024, 3, 1), by=nurse, language="ja")
    with pytest.raises(UnusableRequest, match="'en' is not a language of X9 v1"):
        record(person.pk, scale, NINE, on=date(2024, 6, 1), by=nurse, language="en")


def test_the_form_shows_progress_and_score_without_a_script(person, scale, nurse, browse):
    page, path = browse(nurse), f"/participants/{person.pk}/scales/{scale.pk}/"
    sent = {"on": "2024-05-01", "language": "ja", "item_1": "3", "item_2": "1", "step": "look"}
    text = page.post(path, sent).content.decode()
    assert "2 of 9 items answered" in text
    assert "Items unanswered: 7; at most 1 may be." in text
    assert 'name="item_1" value="3"' in text.replace(' class="form-control"', "")
    assert not Assessment.objects.exists()
    answers = {f"item_{n}": str(answer) for n, answer in enumerate(NINE, start=1)}
    assert page.post(path, sent | answers | {"step": "save"}).status_code == 302
    assert (Assessment.objects.get().items, Assessment.objects.get().score) == (NINE, 12)


def test_the_pages_compare_and_settle(first, other, browse):
    page = browse(other)
    answers = {f"item_{n}": str(a) for n, a in enumerate(changed(4, 1), start=1)}
    page.post(f"/assessments/{first.pk}/second/", answers | {"step": "save"})
    path = f"/assessments/{first.pk}/entries/"
    assert "1 item differs" in page.get(path).content.decode()
    assert page.post(path, {"item_4": "second", "reason": "paper"}).status_code == 302
    assert "settled" in page.get(path).content.decode()
    first.refresh_from_db()
    assert first.items[3] == 1


def test_a_visit_is_recorded_by_its_form(person, nurse, browse):
    path = f"/participants/{person.pk}/visit/"
    late = browse(nurse).post(path, {"label": "Baseline", "on": "2024-01-01"})
    assert "before the enrolment" in late.content.decode()
    browse(nurse).post(path, {"label": "Baseline", "on": "2024-04-02"})
    assert Visit.objects.get().label == "Baseline"


def test_the_api_compares_and_settles(first, other, api):
    api.force_authenticate(other)
    path = f"/api/v1/assessments/{first.pk}"
    assert api.get(f"{path}/comparison").json() == {"state": "once", "differences": []}
    told = api.post(f"{path}/second-entry", {"items": changed(4, 1)}, format="json").json()
    assert told == {"state": "differs", "differences": [{"item": 4, "first": 3, "second": 1}]}
    body = {"answers": [{"item": 4, "answer": 1}], "reason": "paper"}
    assert api.post(f"{path}/settle", body, format="json").json()["state"] == "settled"
