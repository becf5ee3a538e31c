"""A cut-off belongs to the language that was answered in, and stands beside the score."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from cohorts import cut_offs
from cohorts.models import Assessment, Instrument
from tests.factories import ParticipantFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "shown", "cut_off"),
    [("ja", "cut-off 42 (ja)", 42), ("de", "no cut-off for this language", None)],
)
def test_the_cut_off_of_its_language_stands_beside_a_score(language, shown, cut_off, browse, api):
    person = ParticipantFactory()
    scale = Instrument.objects.create(
        code="HQ", title="HQ", cut_offs={"ja": 42}, to_be_confirmed="reversed items"
    )
    Assessment.objects.create(
        participant=person,
        instrument=scale,
        language=language,
        assessed_on=date(2024, 5, 1),
        score=50,
    )
    nurse = user_with("SC", person.site)
    page = browse(nurse).get(reverse("person", args=[person.pk])).text
    assert shown in page
    assert "(to be confirmed)" in page
    api.force_authenticate(nurse)
    (told,) = api.get("/api/v1/assessments").json()["results"]
    assert (told["score"], told["cut_off"]) == (50, cut_off)


def test_without_a_score_no_cut_off_is_shown(browse):
    person = ParticipantFactory()
    scale = Instrument.objects.create(code="HQ", title="HQ", cut_offs={"ja": 42})
    Assessment.objects.create(
        participant=person, instrument=scale, language="ja", assessed_on=date(2024, 5, 1)
    )
    page = browse(user_with("SC", person.site)).get(reverse("person", args=[person.pk])).text
    assert "not scored" in page
    assert "cut-off" not in page


@pytest.mark.parametrize(
    ("declared", "number", "words"),
    [
        ({"at_or_above": 42, "sensitivity": 0.94}, 42, "42 or more"),
        ({"below": 12}, 12, "under 12"),
        (10, 10, "10"),
        (None, None, ""),
    ],
)
def test_a_cut_off_with_its_side_is_a_number_for_programs_and_words_for_people(
    declared, number, words
):
    assert cut_offs.number_of(declared) == number
    assert cut_offs.words_of(declared) == words


def test_a_cut_off_as_the_study_ships_it_is_a_number_in_the_api(browse, api):
    person = ParticipantFactory()
    declared = {"ja": {"at_or_above": 42, "sensitivity": 0.94}}
    scale = Instrument.objects.create(code="HQ", title="HQ", cut_offs=declared)
    Assessment.objects.create(
        participant=person, instrument=scale, language="ja", assessed_on=date(2024, 5, 1), score=50
    )
    nurse = user_with("SC", person.site)
    assert "cut-off 42 or more (ja)" in browse(nurse).get(reverse("person", args=[person.pk])).text
    api.force_authenticate(nurse)
    (told,) = api.get("/api/v1/assessments").json()["results"]
    assert told["cut_off"] == 42


@pytest.mark.parametrize(
    "kept", [{"ja": {"sensitivity": 1}}, {"ja": {"below": 1, "at_or_above": 2}}, {"ja": "42"}, [42]]
)
def test_a_cut_off_that_cannot_be_read_is_refused(kept):
    with pytest.raises(ValidationError, match="with at_or_above or below and a number"):
        Instrument(code="X", title="X", cut_offs=kept).full_clean()


def test_every_instrument_that_is_shipped_has_cut_offs_that_can_be_read(reference, browse, api):
    person = ParticipantFactory()
    for scale in Instrument.objects.all():
        scale.full_clean()
        for n, language in enumerate(scale.languages or [""]):
            day = date(2024, 5, 1 + n)
            Assessment.objects.create(
                participant=person, instrument=scale, language=language, assessed_on=day, score=5
            )
    nurse = user_with("SC", person.site)
    assert "{" not in browse(nurse).get(reverse("person", args=[person.pk])).text
    api.force_authenticate(nurse)
    told = api.get("/api/v1/assessments").json()["results"]
    found = {(one["instrument"], one["language"]): one["cut_off"] for one in told}
    assert (found["HQ-25", "ja"], found["PHQ-9", "en"], found["HQ-25", "it"]) == (42, 10, None)
