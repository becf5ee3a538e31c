"""Scores follow their rules: a new version scores again, and the earlier score stays readable."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.management import call_command

from cohorts.models import Assessment, Change, Instrument
from cohorts.scoring import SCORING_VERSION
from cohorts.services import phenotyping
from cohorts.services.audit import history
from tests.factories import ParticipantFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def answered(reference):
    scale = Instrument.objects.create(code="X3", title="Three items", n_items=3, item_max=4)
    return Assessment.objects.create(
        participant=ParticipantFactory(), instrument=scale, assessed_on=date(2024, 5, 1),
        items=[1, 2, 4], score=3.0, scoring_version="0",
    )  # fmt: skip


def test_a_new_version_of_the_rules_scores_again(answered, capsys):
    call_command("rescore")
    assert "Scores moved: 1" in capsys.readouterr().out
    answered.refresh_from_db()
    assert (answered.score, answered.scoring_version) == (7.0, SCORING_VERSION)
    newest = history.past_of(answered)[0]
    assert ("score", 3.0, 7.0) in newest.changed
    assert newest.reason == f"scored again by version {SCORING_VERSION} of the rules"
    change = Change.objects.latest("pk")
    assert (change.kind, change.counts) == ("assessments", {"rescored": 1})


def test_what_is_scored_by_this_version_is_left_alone(answered):
    phenotyping.rescore()
    n = Change.objects.count()
    assert phenotyping.rescore() == 0
    assert Change.objects.count() == n


def test_a_total_that_a_site_sent_stays_its_own(answered):
    Assessment.objects.update(items=[], sent_total=11.0, score=11.0, scoring_version="0")
    assert phenotyping.rescore() == 0
    answered.refresh_from_db()
    assert (answered.score, answered.scoring_version) == (11.0, SCORING_VERSION)


def test_too_few_answers_have_no_score(answered):
    Assessment.objects.update(items=[1, None, None])
    phenotyping.rescore()
    answered.refresh_from_db()
    assert answered.score is None


def test_an_instrument_that_is_edited_scores_its_own_again(answered, browse):
    phenotyping.rescore()
    Instrument.objects.filter(pk=answered.instrument_id).update(reversed_items=[1])
    form = {
        "code": "X3", "version": "1", "title": "Three", "n_items": 3, "item_min": 0, "item_max": 4,
        "reversed_items": "1", "subscales": "{}", "cut_offs": "{}", "max_missing_items": 0,
    }  # fmt: skip
    address = f"/admin/cohorts/instrument/{answered.instrument_id}/change/"
    assert browse(user_with("CD")).post(address, form).status_code == 302
    answered.refresh_from_db()
    assert answered.score == 9.0


def test_version_10_is_newer_than_version_9(answered):
    for version in ("10", "9", "9b", "2019-07"):
        Instrument.objects.create(code="X3", version=version, title="Three items", n_items=3)
    found = Instrument.objects.filter(code="X3").in_order_of_versions()
    assert [each.version for each in found] == ["1", "9", "9b", "10", "2019-07"]
