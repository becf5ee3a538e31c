"""The dictionary, names and batches: each refusal in the whole sentence that a person reads."""

from __future__ import annotations

from datetime import date

import pytest

from cohorts.models import BatchFeature, Feature
from cohorts.services import dictionaries
from cohorts.services.batches import embargo, voiding
from cohorts.services.features import dictionary, dictionary_edits, name_review
from tests.cohorts.refusals.world import is_told
from tests.factories import AssayBatchFactory, FeatureFactory

pytestmark = pytest.mark.django_db

HEAD = (
    '"Variable / Field Name","Form Name","Section Header","Field Type","Field Label",'
    '"Choices, Calculations, OR Slider Labels","Field Note",'
    '"Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",'
    'Identifier?,"Branching Logic (Show field only if...)","Required Field?"\n'
)


def of_one_that_was_merged(w):
    feature, kept = FeatureFactory(name="a"), FeatureFactory(name="b")
    Feature.objects.filter(pk=feature.pk).update(merged_into=kept)
    dictionary.rename(feature.pk, name="c", reason="x", by=w.steward)


def feature_gone_meanwhile(w):
    feature, kept = FeatureFactory(name="a"), FeatureFactory(name="b")
    said = {"reason": "one", "by": w.steward}
    edit = dictionary_edits.propose_verb("merge", feature.pk, {"into": kept.pk}, **said)
    Feature.objects.filter(pk=kept.pk).update(name="c")
    dictionary_edits.approve(edit.pk, by=w.second)


def decided_twice(w):
    feature = FeatureFactory(name="a")
    said = {"reason": "x", "by": w.steward}
    edit = dictionary_edits.propose_verb("rename", feature.pk, {"name": "b"}, **said)
    dictionary_edits.approve(edit.pk, by=w.second)
    dictionary_edits.refuse(edit.pk, note="too late", by=w.second)


def alias_of_a_name_that_waits(w):
    name, waits = FeatureFactory(name="a"), FeatureFactory(name="b")
    name_review.decide_alias(name.pk, of=waits.pk, site=None, reason="x", by=w.steward)


def alias_that_nobody_sent(w):
    name, known = FeatureFactory(name="a"), FeatureFactory(name="b", reviewed=True)
    name_review.decide_alias(name.pk, of=known.pk, site=None, reason="x", by=w.steward)


def voided_again(w):
    batch = AssayBatchFactory(site=w.site, status="voided", void_reason="a wrong curve")
    voiding.ask(batch.pk, reason="x", by=w.manager)


def decided_by_the_sender(w):
    batch = AssayBatchFactory(site=w.site)
    voiding.ask(batch.pk, reason="x", by=w.manager)
    voiding.decide(batch.pk, approve=True, by=w.manager)


def forbidden_meanwhile(w):
    facts = {"name": "b", "canonical_unit": "umol/L", "molar_mass": 100.0}
    edit = dictionary_edits.propose("feature", None, facts, reason="x", by=w.steward)
    FeatureFactory(name="b")
    dictionary_edits.approve(edit.pk, by=w.second)


def of_a_unit_that_does_not_convert(w):
    name = FeatureFactory(name="a", canonical_unit="")
    known = FeatureFactory(name="b", canonical_unit="U/L", kind="activity", reviewed=True)
    batch = AssayBatchFactory(site=w.site, status="accepted")
    column = {"position": 0, "source_name": "a", "unit": "umol/L", "factor": None}
    BatchFeature.objects.create(batch=batch, feature=name, **column)
    name_review.decide_alias(name.pk, of=known.pk, site=None, reason="x", by=w.steward)


def sent_again_unchanged(w):
    content = f"{HEAD}record_id,a,,text,ID,,,,,,,,\nage,a,,text,Age,,,number,,,,,\n".encode()
    dictionaries.add(w.site.study_id, content, after=0, by=w.steward)
    dictionaries.add(w.site.study_id, content, after=1, by=w.steward)


def changed_meanwhile(w):
    feature = FeatureFactory(name="a", hmdb="HMDB0000001")
    said = {"reason": "x", "by": w.steward}
    edit = dictionary_edits.propose("feature", feature.pk, {"hmdb": "HMDB0000002"}, **said)
    Feature.objects.filter(pk=feature.pk).update(hmdb="HMDB0000003")
    dictionary_edits.approve(edit.pk, by=w.second)


DICTIONARY = {
    "This file says what version 1 says; nothing would change.": sent_again_unchanged,
    "a was changed since this edit was proposed: refuse it, and propose anew.": changed_meanwhile,
    "The consortium's data managers decide for every site.": lambda w: name_review.decide_alias(
        FeatureFactory(name="a").pk,
        of=FeatureFactory(name="b", reviewed=True).pk,
        site=None,
        reason="x",
        by=w.manager,
    ),
    " has come already: name a later day, or none to lift the embargo": lambda w: (
        embargo.set_embargo(AssayBatchFactory(site=w.site).pk, until=date(2024, 5, 1), by=w.steward)
    ),
    "The rules forbid it by now: ": forbidden_meanwhile,
    " of FUK, column a: ": of_a_unit_that_does_not_convert,
    "A feature cannot be merged into itself: name the other one.": lambda w: dictionary.merge(
        (one := FeatureFactory(name="a").pk), into=one, reason="x", by=w.steward
    ),
    "Give the new name.": lambda w: dictionary.rename(
        FeatureFactory(name="a").pk, name=" ", reason="x", by=w.steward
    ),
    "a was merged into b: decide on that one.": of_one_that_was_merged,
    "No feature is called b any more: refuse this edit.": feature_gone_meanwhile,
    "This edit has been decided on already.": decided_twice,
    "b is itself no reviewed feature: choose one of the dictionary.": alias_of_a_name_that_waits,
    "No accepted batch there has a: nothing is to be decided.": alias_that_nobody_sent,
    "The dictionary has no entry 999999 of this kind.": lambda w: dictionary_edits.propose(
        "feature", 999999, {"hmdb": "x"}, reason="x", by=w.steward
    ),
    "d.csv has no variable that may be taken.": lambda w: dictionaries.draft(
        w.site.study, f"{HEAD}record_id,a,,text,ID,,,,,,,,\n".encode(), filename="d.csv"
    ),
    "voided already: a wrong curve": voided_again,
    "You sent this batch or asked for it to be voided: somebody else decides.": (
        decided_by_the_sender
    ),
}


@pytest.mark.parametrize("sentence", DICTIONARY)
def test_what_is_against_a_rule_of_the_dictionary_is_refused_in_its_sentence(sentence):
    assert is_told(DICTIONARY[sentence], sentence)
