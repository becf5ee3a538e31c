"""The dictionary is edited by two people, who both see the difference."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from cohorts.errors import ChangedMeanwhile, NotAllowed, RefusedDecision, UnusableRequest
from cohorts.models import BatchFeature, Change, DictionaryEdit, Feature, FeatureAlias, Query
from cohorts.models import ReferenceRange as Range
from cohorts.services import uploads
from cohorts.services.batches import suspicions
from cohorts.services.features import dictionary_edits
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import ConsentFactory, SampleFactory, SiteFactory, user_with
from tests.page_source import flat


@pytest.fixture
def keeper(reference):
    return user_with("CD")


@pytest.fixture
def other(reference):
    return user_with("CD")


def known(name):
    return Feature.objects.get(name=name)


def proposed(keeper, subject="feature", row="arginine", reason="looked up", **facts):
    pk = known(row).pk if isinstance(row, str) else row
    return dictionary_edits.propose(subject, pk, facts, reason=reason, by=keeper)


def test_an_edit_is_in_force_once_another_approves(keeper, other):
    edit = proposed(keeper, chemical_class="urea cycle")
    was = known("arginine").chemical_class
    assert edit.difference == [("chemical_class", was, "urea cycle")]
    assert was != "urea cycle"
    dictionary_edits.approve(edit.pk, by=other)
    assert known("arginine").chemical_class == "urea cycle"
    change = Change.objects.filter(kind="dictionary").latest("pk")
    assert f"edited by {keeper}, approved by {other}" in change.cause


def test_nobody_approves_an_own_edit_and_everybody_may_take_it_back(keeper, other):
    edit = proposed(keeper, hmdb="HMDB0099999")
    with pytest.raises(NotAllowed, match="You proposed this edit: somebody else approves it"):
        dictionary_edits.approve(edit.pk, by=keeper)
    for role in ("CA", "AD"):
        with pytest.raises(NotAllowed, match="data managers keep the dictionary"):
            dictionary_edits.approve(edit.pk, by=user_with(role))
    with pytest.raises(UnusableRequest, match="Say why the edit is refused"):
        dictionary_edits.refuse(edit.pk, note=" ", by=other)
    dictionary_edits.refuse(edit.pk, note="a slip of mine", by=keeper)
    with pytest.raises(RefusedDecision, match="decided on already"):
        dictionary_edits.approve(edit.pk, by=other)
    assert known("arginine").hmdb == "HMDB0000517"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"merged_into": 1}, "'merged_into' is not edited here; what can be is name, refmet_name"),
        ({"name": "Arg"}, "A feature is renamed on its page"),
        ({"hmdb": "HMDB0000517"}, "Nothing would change"),
        ({}, "Nothing would change"),
    ],
)
def test_what_cannot_be_edited_is_refused_when_it_is_proposed(keeper, facts, words):
    with pytest.raises(UnusableRequest, match=words):
        proposed(keeper, **facts)
    assert not DictionaryEdit.objects.exists()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"hmdb": "517"}, "HMDB and seven digits"),
        ({"hmdb": "HMDB0000214"}, "Another feature has that HMDB identifier"),
        ({"molar_mass": "heavy"}, "must be a float"),
        ({"chebi": "1", "reason": ""}, "cannot be blank"),
    ],
)
def test_an_edit_that_breaks_a_rule_of_the_entry_is_refused_in_its_words(keeper, facts, words):
    with pytest.raises(ValidationError, match=words):
        proposed(keeper, **facts)


def test_one_edit_of_an_entry_waits_at_a_time(keeper, other):
    proposed(keeper, chebi="1")
    with pytest.raises(ValidationError, match="An edit of this entry waits already"):
        proposed(other, chebi="2")


def test_an_entry_that_moved_meanwhile_is_looked_at_again(keeper, other):
    edit = proposed(keeper, chemical_class="x")
    Feature.objects.filter(name="arginine").update(chemical_class="y")
    with pytest.raises(ChangedMeanwhile, match="arginine was changed since this edit was proposed"):
        dictionary_edits.approve(edit.pk, by=other)


def test_a_new_alias_and_a_new_range_are_proposed_too(keeper, other):
    pk = known("arginine").pk
    alias = proposed(keeper, "alias", None, name="L-Arg (plasma)", feature=pk)
    limits = {"feature": pk, "low": 35.0, "high": 90.0, "source": "ours", "platform": "LC-MS"}
    added = proposed(keeper, "range", None, **limits)
    for edit in (alias, added):
        dictionary_edits.approve(edit.pk, by=other)
    assert FeatureAlias.objects.get(name="L-Arg (plasma)").feature_id == pk
    assert Range.objects.get(platform="LC-MS").low == 35
    with pytest.raises(ValidationError, match="low end of a range is below its high end"):
        proposed(keeper, "range", None, **limits | {"low": 95.0})
    with pytest.raises(UnusableRequest, match="no entry 999999 of this kind"):
        proposed(keeper, "range", 999999, low=1.0)


@pytest.fixture
def sent(keeper, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    site = SiteFactory(code="FUK")
    sample = SampleFactory(participant__site=site, code="T1")
    ConsentFactory(participant=sample.participant)
    table = b"sample,bilirubin [mg/dL],arginine [mg/dL]\nT1,0.02,1.0\n"
    options = {"platform": "LC-MS", "matrix": "plasma"}
    file = SentTable("assays", table, "assays.csv", options)
    assert uploads.submit(site, file, by=None).status == "accepted"
    return site


def test_stored_columns_follow_a_corrected_molar_mass(sent, keeper, other):
    column = BatchFeature.objects.get(feature__name="arginine")
    before = column.factor
    dictionary_edits.approve(proposed(keeper, molar_mass=348.4).pk, by=other)
    column.refresh_from_db()
    assert column.factor == pytest.approx(before / 2, rel=1e-3)


def test_an_approved_range_asks_its_questions_anew(sent, keeper, other):
    assert Query.objects.unsettled().filter(rule=suspicions.RULE).count() == 1
    low = Range.objects.get(feature__name="bilirubin")
    edit = proposed(keeper, "range", low.pk, low=0.01)
    assert Query.objects.unsettled().count() == 1
    dictionary_edits.approve(edit.pk, by=other)
    assert not Query.objects.unsettled().exists()


def test_a_verb_that_cannot_be_is_refused_when_it_is_proposed_and_changes_nothing(keeper):
    with pytest.raises(RefusedDecision, match="is a feature already: merge the two"):
        dictionary_edits.propose_verb(
            "rename", known("arginine").pk, {"name": "Ornithine"}, reason="x", by=keeper
        )
    edit = dictionary_edits.propose_verb(
        "rename", known("arginine").pk, {"name": "Arg free"}, reason="x", by=keeper
    )
    assert known("arginine").pk == edit.subject_id
    assert not Change.objects.filter(kind="dictionary").exists()


def test_the_page_shows_the_difference_to_the_second_person(keeper, other, browse):
    edit = proposed(keeper, chemical_class="urea cycle")
    own = browse(keeper).get("/features/edits/").content.decode()
    assert "Somebody else approves what you proposed." in own
    page = browse(other)
    assert "/features/edits/" in page.get("/features/review/").content.decode()
    shown = page.get("/features/edits/").content.decode()
    assert "→ urea cycle" in flat(shown)
    assert 'name="approve"' in shown
    page.post(f"/features/edits/{edit.pk}/", {"approve": "1"})
    assert known("arginine").chemical_class == "urea cycle"
    assert f"approved by {other}" in page.get("/features/edits/").content.decode()


def test_the_api_proposes_and_approves(keeper, other, api):
    api.force_authenticate(keeper)
    body = {"subject": "feature", "subject_id": known("arginine").pk, "reason": "looked up"}
    made = api.post("/api/v1/dictionary-edits", body | {"becomes": {"chebi": "1"}}, format="json")
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    here = f"/api/v1/dictionary-edits/{made.json()['id']}"
    assert api.post(f"{here}/approve").status_code == 403
    api.force_authenticate(other)
    assert [row["id"] for row in api.get("/api/v1/dictionary-edits?waiting=true").json()["results"]]
    assert api.post(f"{here}/approve").json()["state"] == "approved"
    renamed = api.post(
        f"/api/v1/features/{body['subject_id']}/rename",
        {"name": "Arg free", "reason": "clearer"},
        format="json",
    )
    assert (renamed.status_code, renamed.json()["state"]) == (202, "waiting")


@pytest.mark.parametrize(
    "becomes",
    [
        {"molar_mass": 10**400},
        {"refmet_name": "a\0b"},
        {"refmet_name": {"a": 1}},
        {"refmet_name": ["a"]},
        {"a\0b": "c"},
        {"molar_mass": "heavy"},
        {"molar_mass": 10**63},
        {"refmet_name": "a" * 300},
    ],
)
def test_the_api_refuses_what_no_column_holds(keeper, api, becomes):
    api.force_authenticate(keeper)
    body = {"subject": "feature", "subject_id": known("arginine").pk, "reason": "x"}
    answer = api.post("/api/v1/dictionary-edits", body | {"becomes": becomes}, format="json")
    assert answer.status_code == 400
    assert not DictionaryEdit.objects.exists()


def test_the_api_says_which_value_is_none(keeper, api):
    api.force_authenticate(keeper)
    body = {"subject": "feature", "subject_id": known("arginine").pk, "reason": "x"}
    answer = api.post("/api/v1/dictionary-edits", body | {"becomes": {"kind": []}}, format="json")
    assert "'kind' is not one plain value: give a text, a number, true, false or null." in (
        answer.text
    )


def test_the_api_says_where_an_entry_is_not_there(keeper, api):
    api.force_authenticate(keeper)
    body = {"subject": "alias", "reason": "x", "becomes": {"name": "x", "feature": 2**62}}
    added = api.post("/api/v1/dictionary-edits", body, format="json")
    changed = api.post("/api/v1/dictionary-edits", body | {"subject_id": 2**62}, format="json")
    assert (added.status_code, changed.status_code) == (400, 400)


def test_the_page_names_the_sites_of_a_split_and_no_earlier_value_that_there_was_not(
    sent, keeper, other, browse
):
    arginine = Feature.objects.get(name="arginine")
    facts = {"name": "arginine (FUK)", "sites": ["FUK"]}
    dictionary_edits.propose_verb("split", arginine.pk, facts, reason="method", by=keeper)
    page = browse(other).get("/features/edits/").content.decode()
    assert "Name: arginine → arginine (FUK)<br>Sites that measure it: FUK</td>" in flat(page)
