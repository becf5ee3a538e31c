"""What people do with records, each refusal in the whole sentence that they read."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

import pytest
from django.utils import timezone

from cohorts.errors import DomainError
from cohorts.models import (
    Assessment,
    Box,
    Destruction,
    Feature,
    Instrument,
    Membership,
    Study,
)
from cohorts.services import (
    bench,
    consent,
    custody,
    destruction,
    dictionaries,
    dictionary,
    dictionary_edits,
    enrolling,
    enrolment,
    entries,
    erasure,
    identity,
    invitations,
    name_review,
    pausing,
    remarked,
    sent_tables,
    shipping,
    transfers,
    visits,
    voiding,
)
from cohorts.services.sent_tables import SentTable
from tests.factories import (
    AssayBatchFactory,
    ConsentFactory,
    FeatureFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    UploadFactory,
    user_with,
)

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()
HEAD = (
    '"Variable / Field Name","Form Name","Section Header","Field Type","Field Label",'
    '"Choices, Calculations, OR Slider Labels","Field Note",'
    '"Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",'
    'Identifier?,"Branching Logic (Show field only if...)","Required Field?"\n'
)


class World:
    """One site, one person with a tube, and everybody who works there; made as it is asked for."""

    site = cached_property(lambda self: SiteFactory(code="FUK"))
    other = cached_property(lambda self: SiteFactory(code="OSA", study=self.site.study))
    nurse = cached_property(lambda self: user_with("SC", self.site))
    manager = cached_property(lambda self: user_with("SD", self.site))
    technician = cached_property(lambda self: user_with("LT", self.site))
    steward = cached_property(lambda _self: user_with("CD"))
    second = cached_property(lambda _self: user_with("CD"))
    person = cached_property(lambda self: ParticipantFactory(site=self.site, code="P1"))
    twin = cached_property(lambda self: ParticipantFactory(site=self.site, code="P2"))
    tube = cached_property(
        lambda self: SampleFactory(participant=self.person, code="T1", volume_ul=Decimal(500))
    )
    box = cached_property(
        lambda self: Box.objects.create(site=self.site, code="B1", place="F", n_rows=2, n_columns=3)
    )
    scale = cached_property(
        lambda _self: Instrument.objects.create(
            code="S2", version="1", title="S2", n_items=2, item_min=0, item_max=3
        )
    )
    total = cached_property(
        lambda _self: Instrument.objects.create(code="ST", version="1", title="ST", total_max=9)
    )

    def answers(self, person, **facts):
        facts = {"items": [1, 2], "score": 3, "assessed_on": date(2024, 5, 1)} | facts
        facts = {"instrument": self.scale} | facts
        return Assessment.objects.create(participant=person, **facts)

    def ordered(self):
        assert self.tube
        consent.withdraw(self.person.pk, level=3, by=self.nurse, destroy_samples=True)
        return Destruction.objects.get()

    def erasure(self):
        return erasure.request(self.person.pk, by=self.nurse)


@pytest.fixture
def world():
    return World()


# --- tubes


def move_outside(w):
    assert w.box
    custody.move(w.tube.pk, box_code="B1", row=3, column=1, by=w.technician)


def move_onto_another(w):
    assert w.box
    custody.move(w.tube.pk, box_code="B1", row=1, column=1, by=w.technician)
    there = SampleFactory(participant=w.person, code="T2")
    custody.move(there.pk, box_code="B1", row=1, column=1, by=w.technician)


def approve_twice(w):
    order = w.ordered()
    said = {"at": timezone.now(), "method": "autoclave", "witness": w.nurse, "by": w.technician}
    destruction.record(order.pk, **said)
    destruction.approve(order.pk, by=w.manager)
    destruction.approve(order.pk, by=w.manager)


TUBES = {
    "Box B1 has 2 rows and 3 columns; there is no place 3/1.": move_outside,
    "T1 is in B1 1/1: choose a free place.": move_onto_another,
    "Say why the box is moved.": lambda w: custody.move_box(
        w.box.pk, place="G", reason=" ", by=w.technician
    ),
    "The box stands there already.": lambda w: custody.move_box(
        w.box.pk, place="F", reason="new rack", by=w.technician
    ),
    "No tube is in the list: scan one.": lambda w: bench.thaw_all(w.site, [], by=w.technician),
    "The manifest is empty: name the tubes.": lambda w: shipping.send(
        w.site, w.other, [], courier="x", sent_at=timezone.now(), by=w.technician
    ),
    "This destruction is approved already.": approve_twice,
}


# --- people


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


PEOPLE = {
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


# --- questionnaires


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
    "Only its total is on record: there is no item to compare.": total_alone,
    "Your role at FUK does not correct questionnaires.": settled_by_the_laboratory,
    "Decide exactly the items that differ: 1, 2.": settled_in_part,
    "ST v1 is taken as a total alone; send it in a table.": lambda w: typed(w, w.total),
    "No item is answered; answer at least one.": lambda w: typed(w, items=[None, None]),
    "P1 has no visit 'V9'; record the visit first.": lambda w: typed(w, visit="V9"),
}


# --- erasure


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


# --- the dictionary, names, batches


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


DICTIONARY = {
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


# --- accounts, sites, tables


def invited(w, by):
    invitation, _ = invitations.invite("a@example.org", "SC", w.site, by=by)
    return invitation.pk


def run_out(w):
    invitation, key = invitations.invite("a@example.org", "LT", w.site, by=w.manager)
    invitation.expires_at = timezone.now() - timedelta(days=1)
    invitation.save()
    invitations.of_key(key)


TABLES = {
    "Say why: whoever sends a table of the site is told.": lambda w: pausing.pause(
        w.site.pk, because=" ", by=w.steward
    ),
    "This invitation no longer holds: ask whoever sent it for a new one.": run_out,
    "Your roles do not take that invitation back.": lambda w: invitations.withdraw(
        invited(w, w.manager), by=w.technician
    ),
    "Nobody ends a role of their own: ask another administrator.": lambda w: invitations.end_role(
        Membership.objects.get(user=w.manager).pk, by=w.manager
    ),
    "Your roles do not end that one.": lambda w: invitations.end_role(
        Membership.objects.get(user=w.manager).pk, by=w.technician
    ),
    "Your role does not fetch the tables that others have sent.": lambda w: remarked.file_of(
        UploadFactory(site=w.site), to=w.technician, form="csv"
    ),
    "'pdf' is not a form of table; choose ": lambda w: remarked.file_of(
        UploadFactory(site=w.site, sent_by=w.manager), to=w.manager, form="pdf"
    ),
    "There is no table in this file to write remarks into.": lambda w: remarked.file_of(
        UploadFactory(site=w.site, sent_by=w.manager), to=w.manager, form="csv"
    ),
    "'people' is not a kind of table; send participants, ": lambda w: sent_tables.check_kind(
        "people"
    ),
    "Unknown option 'colour'; an assay table takes ": lambda w: sent_tables.assay_options(
        {"platform": "x", "matrix": "plasma", "colour": "red"}
    ),
}
EVERY = TUBES | PEOPLE | SCALES | ERASURES | DICTIONARY | TABLES


@pytest.mark.parametrize("sentence", EVERY)
def test_what_is_against_a_rule_is_refused_in_its_sentence(world, sentence):
    with pytest.raises(DomainError) as refused:
        EVERY[sentence](world)
    said = refused.value.sentence
    assert sentence in said if not sentence.endswith(".") else said == sentence


def test_a_file_over_the_limit_is_refused(world, settings):
    settings.UPLOAD_MAX_BYTES = 1024**2
    with pytest.raises(DomainError) as refused:
        sent_tables.refuse_unusable(world.site, SentTable("samples", b"x" * (1024**2 + 1)))
    assert refused.value.sentence == (
        "The file is larger than 1 MB; split it by batch and send the parts."
    )


def test_two_tubes_that_nobody_sent_are_one_question(world):
    there = user_with("LT", world.other)
    send = {"courier": "x", "sent_at": timezone.now() - timedelta(days=1), "by": world.technician}
    assert world.tube
    shipment = shipping.send(world.site, world.other, ["T1"], **send)
    shipping.receive(
        shipment.pk,
        {"T1": "good", "X1": "good", "X2": "good"},
        received_at=timezone.now(),
        by=there,
    )
    shipment.refresh_from_db()
    asked = [finding.text for finding in shipping.discrepancies(shipment)]
    assert "2 tubes arrived that the manifest does not name." in asked
