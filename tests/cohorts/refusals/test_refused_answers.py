"""Questionnaires and erasures: each refusal in the whole sentence that a person reads."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from cohorts import scoring
from cohorts.scoring import ScoringRule
from cohorts.services import entries
from cohorts.services.erasing import erasure
from tests.cohorts.refusals.world import is_told

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()


def total_alone(w):
    first = w.answers(w.person, items=[], sent_total=3, score=3)
    entries.enter_again(first.pk, [1, 2], by=w.nurse)


def settled_by_the_laboratory(w):
    first = w.answers(w.person)
    entries.settle(first.pk, {}, reason="paper", by=w.technician)


def settled_in_part(w):
    first = w.answers(w.person)
    entries.enter_again(first.pk, [0, 0], by=w.nurse)
    entries.settle(first.pk, {1: 0}, reason="paper", by=w.manager)


def typed(w, scale=None, items=(1, 2), visit=""):
    said = {"on": TODAY, "by": w.nurse, "visit": visit}
    entries.record(w.person.pk, scale or w.scale, list(items), **said)


SCALES = {
    "S2 v1 has 2 items, and 1 were given.": lambda w: typed(w, items=[1]),
    "Only its total is on record: there is no item to compare.": total_alone,
    "Your role at FUK does not correct questionnaires.": settled_by_the_laboratory,
    "Decide exactly the items that differ: 1, 2.": settled_in_part,
    "ST v1 is taken as a total alone; send it in a table.": lambda w: typed(w, w.total),
    "No item is answered; answer at least one.": lambda w: typed(w, items=[None, None]),
    "P1 has no visit 'V9'; record the visit first.": lambda w: typed(w, visit="V9"),
}


def approved_twice(w):
    asked = w.erasure()
    erasure.approve(asked.pk, by=w.manager)
    erasure.approve(asked.pk, by=w.manager)


def approved_after_it_was_stopped(w):
    asked = w.erasure()
    erasure.stop(asked.pk, by=w.nurse, reason="a mistake")
    erasure.approve(asked.pk, by=w.manager)


def asked_twice(w):
    w.erasure()
    w.erasure()


ERASURES = {
    "Your role at FUK does not ask for an erasure.": lambda w: erasure.request(
        w.person.pk, by=w.technician
    ),
    "An erasure of P1 is open already; approve or stop it.": asked_twice,
    "Your role at FUK does not approve an erasure.": lambda w: erasure.approve(
        w.erasure().pk, by=w.technician
    ),
    "It is approved already, and is carried out ": approved_twice,
    "Your role at FUK does not stop an erasure.": lambda w: erasure.stop(
        w.erasure().pk, by=w.technician, reason="x"
    ),
    "This erasure is stopped; nothing more can be done with it.": approved_after_it_was_stopped,
}


@pytest.mark.parametrize("sentence", SCALES)
def test_what_is_against_a_rule_on_answers_is_refused_in_its_sentence(sentence):
    assert is_told(SCALES[sentence], sentence)


@pytest.mark.parametrize("sentence", ERASURES)
def test_what_is_against_a_rule_on_erasures_is_refused_in_its_sentence(sentence):
    assert is_told(ERASURES[sentence], sentence)


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (lambda: ScoringRule(0, 0, 3), "0 items from 0 to 3 cannot be scored."),
        (lambda: ScoringRule(2, 0, 3, (3,)), "The rule names items [3]; there are 1 to 2."),
        (
            lambda: scoring.score([1], ScoringRule(2, 0, 3)),
            "1 answers for 2 items; give one an item.",
        ),
    ],
)
def test_a_rule_of_scoring_that_cannot_be_says_why(score, sentence):
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        score()
