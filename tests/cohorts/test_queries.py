"""A query is asked once a cause, answered by people, and closed when its cause is gone."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from cohorts.errors import NotAllowed, RefusedQuery, UnusableRequest
from cohorts.models import Query
from cohorts.services import queries
from cohorts.services.erasing import erased_words
from cohorts.services.queries import Finding
from tests.factories import (
    AssayBatchFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    UploadFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory(code="FUK")


@pytest.fixture
def sample(site):
    return SampleFactory(participant__site=site)


@pytest.fixture
def found(sample):
    return Finding(sample, "late", "Spun 26 h after collection: is the time right?")


def events(query):
    return [(event.kind, event.by) for event in query.events.all()]


def test_a_rule_asks_once_a_cause(site, found):
    (query,) = queries.recheck("spin", site, [found, found])
    assert queries.recheck("spin", site, [found]) == []
    assert (query.state, query.subject, query.raised_by) == ("open", found.about, None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Query.objects.create(
            site=site, sample=found.about, rule="spin", cause="late", text="And again."
        )


def test_a_query_closes_by_itself_when_its_cause_is_gone_and_comes_back_with_it(site, found):
    (query,) = queries.recheck("spin", site, [found])
    assert queries.recheck("spin", site, []) == []
    query.refresh_from_db()
    assert (query.state, query.closed_by) == ("closed", None)
    assert query.events.get().text == queries.GONE
    assert len(queries.recheck("spin", site, [found])) == 1


def test_a_recheck_closes_nothing_that_it_did_not_look_at(site, found):
    queries.recheck("spin", site, [found])
    queries.recheck("spin", site, [], sample=SampleFactory(participant__site=site))
    queries.recheck("other", site, [])
    queries.recheck("spin", SiteFactory(), [])
    assert Query.objects.unsettled().count() == 1
    queries.recheck("spin", site, [], sample=found.about)
    assert not Query.objects.unsettled().exists()


def test_what_a_person_has_closed_is_not_asked_again_for_the_same_cause(site, found):
    (query,) = queries.recheck("spin", site, [found])
    queries.close(query.pk, text="The clock was right.", by=user_with("SD", site))
    assert queries.recheck("spin", site, [found]) == []
    other = Finding(found.about, "late:30", "Spun 30 h after collection.")
    assert len(queries.recheck("spin", site, [other])) == 1


def test_a_question_is_answered_asked_again_and_closed_by_different_people(site, sample):
    asker, nurse = user_with("AU", site), user_with("SC", site)
    query = queries.ask(sample, text="Which tube was it?", by=asker)
    with pytest.raises(RefusedQuery, match="You asked this query; somebody else answers it"):
        queries.answer(query.pk, text="EDTA", by=asker)
    with pytest.raises(RefusedQuery, match="This query has no answer yet"):
        queries.ask_again(query.pk, text="Well?", by=asker)
    assert queries.answer(query.pk, text="EDTA", by=nurse).state == "answered"
    with pytest.raises(RefusedQuery, match="The answer is yours; somebody else closes it"):
        queries.close(query.pk, text="fine", by=nurse)
    assert queries.ask_again(query.pk, text="2 or 3 mL?", by=asker).state == "open"
    queries.answer(query.pk, text="3 mL", by=nurse)
    queries.close(query.pk, text="Thank you.", by=asker)
    assert events(query) == [
        ("answered", nurse),
        ("asked_again", asker),
        ("answered", nurse),
        ("closed", asker),
    ]
    with pytest.raises(RefusedQuery, match="This query is closed; ask a new one"):
        queries.answer(query.pk, text="4 mL", by=nurse)


def test_words_are_needed(site, sample, found):
    nurse = user_with("SC", site)
    with pytest.raises(ValidationError, match="This field cannot be blank"):
        queries.ask(sample, text="  ", by=nurse)
    (query,) = queries.recheck("spin", site, [found])
    with pytest.raises(ValidationError, match="This field cannot be blank"):
        queries.answer(query.pk, text=" ", by=nurse)
    with pytest.raises(UnusableRequest, match="Say why the query is closed"):
        queries.close(query.pk, text=" ", by=nurse)
    assert Query.objects.get().state == "open"


def test_a_laboratory_reads_queries_and_neither_asks_nor_answers(site, sample, found):
    technician = user_with("LT", site)
    with pytest.raises(NotAllowed, match="Your role at FUK does not ask data queries"):
        queries.ask(sample, text="Why?", by=technician)
    (query,) = queries.recheck("spin", site, [found])
    with pytest.raises(NotAllowed, match="reads data queries and answers none"):
        queries.answer(query.pk, text="Because.", by=technician)


def test_a_laboratory_reads_no_query_about_people(site, sample):
    person = sample.participant
    about = [
        sample,
        AssayBatchFactory(site=site),
        UploadFactory(site=site, kind="samples"),
        person,
        UploadFactory(site=site, kind="participants"),
    ]
    queries.recheck("any", site, [Finding(each, "", "male or female?") for each in about])
    seen = Query.objects.visible_to(user_with("LT", site))
    assert {query.subject for query in seen} == set(about[:3])
    assert Query.objects.visible_to(user_with("SC", site)).count() == 5
    assert not Query.objects.visible_to(user_with("LT", SiteFactory())).exists()
    # At another site the same person may read about people: that opens nothing here.
    both = user_with("LT", site)
    both.memberships.create(site=ParticipantFactory().site, role="SC")
    assert Query.objects.visible_to(both).count() == 3


def test_a_query_is_about_exactly_one_record(site, sample):
    for about in ({}, {"sample": sample, "participant": sample.participant}):
        query = Query(site=site, rule="r", text="t", **about)
        with pytest.raises(ValidationError, match="A query is about exactly one record"):
            query.full_clean()


def test_a_query_goes_with_the_record_that_it_is_about(site, found):
    queries.recheck("spin", site, [found])
    other = AssayBatchFactory(site=site)
    code = found.about.participant.code
    queries.recheck("batch", site, [Finding(other, "x", f"Is the row of {code} right?")])
    codes = erased_words.codes_of(found.about.participant)
    found.about.participant.delete()
    erased_words.mask(codes, site)
    assert code not in Query.objects.get().text


def test_queries_are_worked_on_in_the_portal(browse, site, sample):
    page = browse(user_with("SC", site))
    path = f"/sites/{site.code}/queries/"
    sent = {"about_kind": "sample", "about": "T-none", "text": "Which tube?"}
    assert b"no such record at this site" in page.post(path, sent).content
    assert b"Write the code" in page.post(path, sent | {"about": " "}).content
    page.post(path, sent | {"about": sample.code})
    query = Query.objects.get()
    assert b"Which tube?" in page.get(path).content
    assert b"Which tube?" not in page.get(path + "?state=closed").content
    own = page.post(f"/queries/{query.pk}/", {"text": "EDTA", "verb": "answer"})
    assert b"You asked this query; somebody else answers it." in own.content
    manager = browse(user_with("SD", site))
    manager.post(f"/queries/{query.pk}/", {"text": "EDTA", "verb": "answer"})
    page.post(f"/queries/{query.pk}/", {"text": "Fine.", "verb": "close"})
    query.refresh_from_db()
    assert query.state == "closed"
    assert b"EDTA" in page.get(f"/queries/{query.pk}/").content


def test_nobody_has_to_know_a_number_to_ask(browse, site, sample):
    batch = AssayBatchFactory(site=site, platform="LC-MS amino acids")
    upload = UploadFactory(site=site, kind="assays", filename="plasma-2026-04.csv")
    far = AssayBatchFactory(platform="of another site")
    page = browse(user_with("SD", site))
    path = f"/sites/{site.code}/queries/"
    offered = page.get(path).content.decode()
    assert f'<option value="batch:{batch.pk}">Batch {batch.pk}: LC-MS amino acids' in offered
    assert f'<option value="upload:{upload.pk}">plasma-2026-04.csv, ' in offered
    assert "of another site" not in offered
    # From the page of the record itself, whatever its age.
    about = f"?about=batch:{batch.pk}"
    assert f'href="{path}{about}#ask"' in page.get(f"/batches/{batch.pk}/").content.decode()
    chosen = page.get(path + about).content.decode()
    assert chosen.index(f'value="batch:{batch.pk}"') < chosen.index('value="participant"')
    page.post(path, {"about_kind": f"batch:{batch.pk}", "about": "", "text": "Which kit?"})
    assert Query.objects.get().subject == batch
    page.post(path, {"about_kind": f"batch:{far.pk}", "about": "", "text": "And theirs?"})
    assert Query.objects.count() == 1


def test_the_api_tells_a_query_with_what_was_said(api, site, sample):
    api.force_authenticate(user_with("SD", site))
    body = {"site": "FUK", "about_kind": "sample", "about": sample.code, "text": "Spun when?"}
    made = api.post("/api/v1/queries", body, format="json")
    assert made.status_code == 201
    other = body | {"about": "nobody's"}
    assert api.post("/api/v1/queries", other, format="json").status_code == 404
    api.force_authenticate(user_with("SC", site))
    path = f"/api/v1/queries/{made.json()['id']}"
    told = api.post(f"{path}/answer", {"text": "At ten."}, format="json").json()
    assert (told["state"], told["about"], told["events"][0]["text"]) == (
        "answered",
        sample.code,
        "At ten.",
    )
    assert api.post(f"{path}/close", {"text": "x"}, format="json").json()["detail"] == (
        "The answer is yours; somebody else closes it or asks again."
    )
    listed = api.get("/api/v1/queries?about_kind=participant").json()["results"]
    assert listed == []
    assert len(api.get("/api/v1/queries?state=answered").json()["results"]) == 1
