"""A person's records: each refusal in the whole sentence that a person reads."""

from __future__ import annotations

from datetime import date

import pytest
from django.utils import timezone

from cohorts.models import ConsentForm, Study
from cohorts.services import (
    consent,
    consent_corrections,
    consent_forms,
    enrolling,
    enrolment,
    identity,
    transfers,
    visits,
)
from tests.cohorts.refusals.world import is_told
from tests.factories import ConsentFactory, ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()


def lost_level(w):
    consent.withdraw(w.twin.pk, level=4, by=w.nurse)
    identity.merge(w.person.pk, w.twin.pk, reason="same number", by=w.nurse)


def answered_differently(w):
    w.answers(w.person)
    w.answers(w.twin, items=[0, 0], score=0)
    identity.merge(w.person.pk, w.twin.pk, reason="same number", by=w.nurse)


def of_two_studies(w):
    elsewhere = ParticipantFactory(site=SiteFactory(study=Study.objects.create(code="x")))
    identity.declare_same(w.person.pk, elsewhere.pk, reason="same", by=w.steward)


def moved_already(w):
    type(w.person).objects.filter(pk=w.person.pk).update(left_on=date(2024, 6, 1))
    transfers.offer(w.person.pk, to_site=w.other.code, reason="moved", by=w.nurse)


def visit_of_one_who_moved(w):
    type(w.person).objects.filter(pk=w.person.pk).update(left_on=date(2024, 6, 1))
    visits.record_interview(w.person.pk, {"months": 6}, on=TODAY, by=w.nurse)


def to_a_site_without_ethics(w):
    ConsentFactory(participant=w.person)
    w.other.ethics_expires_on = date(2024, 5, 1)
    w.other.save()
    offer = transfers.offer(w.person.pk, to_site=w.other.code, reason="moved", by=w.nurse)
    there = user_with("SC", w.other)
    transfers.accept(offer.pk, code="O1", on=date(2024, 6, 1), by=there)


def called_off_by_a_stranger(w):
    ConsentFactory(participant=w.person)
    offer = transfers.offer(w.person.pk, to_site=w.other.code, reason="moved", by=w.nurse)
    transfers.call_off(offer.pk, by=w.technician)


def corrected_to_the_same(w):
    changes = {"sex": w.person.sex}
    enrolment.correct(w.person.pk, changes, reason="slip", by=w.nurse, version=1)


def merged_before(w):
    type(w.person).objects.filter(pk=w.twin.pk).update(merged_into=w.person)
    consent.withdraw(w.twin.pk, level=2, by=w.nurse)


def signed_beyond_its_form(w):
    form = ConsentForm.objects.create(
        site=w.site, version="2", offered_scopes=["metabolomics"], document_sha256="0" * 64
    )
    said = {"signed_on": TODAY, "scopes": ["metabolomics", "commercial"], "by": w.nurse}
    consent.record_consent(w.person.pk, form=form, basis="", **said)


def version_two(w, language="ja", **facts):
    facts = {"offered_scopes": ["metabolomics"], "document_sha256": "0" * 64} | facts
    return ConsentForm.objects.create(site=w.site, version="2", language=language, **facts)


def signed_in_one_of_two_languages(w):
    given = ConsentFactory(participant=w.person)
    version_two(w), version_two(w, language="en")
    said = {"reason": "read again", "version": given.version, "by": w.nurse}
    consent_corrections.correct(given.pk, {"form_version": "2"}, **said)


def closed_before_it_was_signed(w):
    form = version_two(w)
    ConsentFactory(participant=w.person, form=form, signed_on=date(2024, 5, 2))
    said = consent_forms.Version("2", "ja", None, date(2024, 5, 1), ["metabolomics"])
    consent_forms.correct(form.pk, said, reason="lapsed", by=w.nurse)


def visited_on_two_days(w):
    said = {"label": "baseline", "by": w.nurse}
    visits.record_visit(w.person.pk, on=w.person.enrolled_on, **said)
    visits.record_visit(w.person.pk, on=TODAY, **said)


PEOPLE = {
    "FUK has the version 2 in several languages: say which was signed (form_language).": (
        signed_in_one_of_two_languages
    ),
    " were signed on this form: check these consents": (closed_before_it_was_signed),
    "already; one visit has one day: say why that one is wrong": visited_on_two_days,
    "P2 was merged into P1; use that code.": merged_before,
    "Form 2 does not offer commercial; tick what was signed.": signed_beyond_its_form,
    "Both are of FUK: merge them there.": lambda w: identity.declare_same(
        w.person.pk, w.twin.pk, reason="same", by=w.steward
    ),
    "Nothing was answered; record at least one criterion.": lambda w: visits.record_interview(
        w.person.pk, {"months": None}, on=TODAY, by=w.nurse
    ),
    "One of them has asked to be erased: erase each record by itself.": lost_level,
    "Both answered S2 on 2024-05-01, and differently: clear that up first.": answered_differently,
    "They are of two studies, which are analysed apart.": of_two_studies,
    "These are one record; name two.": lambda w: identity.merge(
        w.person.pk, w.person.pk, reason="x", by=w.nurse
    ),
    "Say why the records are of different people.": lambda w: identity.declare_different(
        w.person.pk, reason="", by=w.steward
    ),
    "'NIX' is not another site of this study; check the code.": lambda w: transfers.offer(
        w.person.pk, to_site="NIX", reason="moved", by=w.nurse
    ),
    "P1 has moved to another site already.": moved_already,
    "P1 moved to another site; new data are taken there.": visit_of_one_who_moved,
    "The ethics approval of OSA ended 2024-05-01; nobody is enrolled without one: have the "
    "renewed approval recorded first.": to_a_site_without_ethics,
    "Your role does not call a transfer off.": called_off_by_a_stranger,
    "P1 has no consent in force that covers share_consortium: another site may not be told of "
    "them.": lambda w: transfers.offer(
        w.person.pk, to_site=w.other.code, reason="moved", by=w.nurse
    ),
    "Nothing would change: give a value that differs.": corrected_to_the_same,
    "Your role at FUK does not enrol participants.": lambda w: enrolling.enrol_one(
        w.site.pk, {"participant": "P9"}, None, by=w.technician
    ),
    "'mood' is not asked; what is: ": lambda w: visits.record_interview(
        w.person.pk, {"mood": 1}, on=TODAY, by=w.nurse
    ),
}


@pytest.mark.parametrize("sentence", PEOPLE)
def test_what_is_against_a_rule_on_people_is_refused_in_its_sentence(sentence):
    assert is_told(PEOPLE[sentence], sentence)
