"""A cut-off belongs to the language that was answered in, and stands beside the score."""

from __future__ import annotations

from datetime import date

import pytest
from django.urls import reverse

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
