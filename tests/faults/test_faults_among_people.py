"""Faults that are put into what is done with people: the machine walks straight to each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from operator import contains

import pytest

from cohorts.models import Sample
from cohorts.models.shipment import ShippedTubeQuerySet
from cohorts.services import consent, entries, identity, uploads
from cohorts.services.samples import custody, shipping
from tests.faults.test_any_order_of_people import PeopleInAnyOrder

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quiet(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.ERASURE_LEDGER = tmp_path.with_name(f"{tmp_path.name}.jsonl")


def walk(*steps):
    """Take these steps, each a rule and what it is given, with every invariant after each."""
    machine = PeopleInAnyOrder()
    try:
        machine.a_site()
        for rule_name, given in steps:
            asked = {} if rule_name.startswith("a_day_passes") else {"code": "P1", **given}
            getattr(machine, rule_name)(**asked)
            machine.the_books_say_what_the_model_says()
            machine.only_the_willing_are_in_the_next_run()
            machine.a_person_counts_once()
            machine.two_entries_are_asked_about_while_they_differ()
    finally:
        machine.teardown()


TUBE_OF_ONE_WHO_LEAVES = (
    ("somebody_is_enrolled", {}),
    ("a_tube_is_stored", {}),
    ("somebody_withdraws", {"level": 3, "destroy": False}),
)
TABLE_AND_TUBE_AFTER_A_WITHDRAWAL = (
    ("somebody_is_enrolled", {}),
    ("a_tube_is_stored", {}),
    ("somebody_withdraws", {"level": 2, "destroy": False}),
    ("a_questionnaire_arrives", {}),
    ("a_tube_is_thawed", {"by_the_other_site": False}),
    ("a_tube_is_shipped", {}),
)


TUBE_OF_THE_RECORD_WITHOUT_THE_WISH = (
    ("somebody_is_enrolled", {}),
    ("a_tube_is_stored", {}),
    ("somebody_is_enrolled", {"code": "P2"}),
    ("somebody_withdraws", {"code": "P2", "level": 3, "destroy": False}),
    ("two_records_are_one_person", {"other": "P2"}),
)
SECOND_RECORD_OF_ONE_WHO_MOVED = (
    ("somebody_is_enrolled", {}),
    ("somebody_is_enrolled", {"code": "P2"}),
    ("a_consent_is_signed", {"code": "P2"}),
    ("a_move_is_offered", {"code": "P2"}),
    ("the_move_ends", {"code": "P2", "called_off": False}),
    ("two_records_are_one_person", {"other": "P2"}),
)
ENTRIES_THAT_DIFFER = (
    ("somebody_is_enrolled", {}),
    ("a_questionnaire_is_typed_in", {}),
    ("it_is_typed_in_again", {"alike": False, "by_the_first": False}),
    ("the_two_entries_are_settled", {"first": False}),
)
SHIPPED = (
    ("somebody_is_enrolled", {}),
    ("a_tube_is_stored", {}),
    ("a_tube_is_shipped", {}),
)
DESTROYED_ON_THE_WAY = (
    *SHIPPED,
    ("somebody_withdraws", {"level": 3, "destroy": True}),
    ("a_tube_is_destroyed_before_a_witness", {}),
    ("a_tube_is_destroyed_before_a_witness", {}),
    ("a_shipment_arrives", {}),
)
FREED_ON_THE_WAY = (
    *SHIPPED,
    ("somebody_withdraws", {"level": 3, "destroy": False}),
    ("a_consent_is_signed", {}),
    ("a_shipment_arrives", {}),
)
THAWED_BY_WHO_SENT_AND_WHO_HOLDS_IT = (
    *SHIPPED,
    ("a_shipment_arrives", {}),
    ("a_tube_is_thawed", {"by_the_other_site": False}),
    ("a_tube_is_thawed", {"by_the_other_site": True}),
)
ENROLLED_AFTER_THE_ERASURE = (
    ("somebody_is_enrolled", {}),
    ("an_erasure_is_asked_for", {}),
    ("it_is_approved", {"by_asker": False}),
    ("a_day_passes_and_what_is_due_is_carried_out", {}),
    ("somebody_is_enrolled", {}),
)
WALKS = [
    *(DESTROYED_ON_THE_WAY, FREED_ON_THE_WAY, ENROLLED_AFTER_THE_ERASURE),
    *(
        TUBE_OF_ONE_WHO_LEAVES,
        TABLE_AND_TUBE_AFTER_A_WITHDRAWAL,
        TUBE_OF_THE_RECORD_WITHOUT_THE_WISH,
    ),
    *(SECOND_RECORD_OF_ONE_WHO_MOVED, ENTRIES_THAT_DIFFER),
    THAWED_BY_WHO_SENT_AND_WHO_HOLDS_IT,
]


@pytest.mark.parametrize("steps", WALKS)
def test_the_way_to_a_fault_is_taken_where_there_is_none(steps):
    walk(*steps)


def test_a_withdrawal_that_leaves_the_tubes_in_use_is_found(monkeypatch):
    monkeypatch.setattr(consent.destruction, "block", lambda *_args, **_kwargs: 0)
    with pytest.raises(AssertionError):
        walk(*TUBE_OF_ONE_WHO_LEAVES)


def test_an_upload_that_does_not_look_at_withdrawals_is_found(monkeypatch):
    facts_of = uploads.books.facts_of

    def blind(site, kind):
        known = facts_of(site, kind)
        people = {code: replace(p, withdrawal_level=0) for code, p in known.participants.items()}
        return replace(known, participants=people)

    monkeypatch.setattr(uploads.books, "facts_of", blind)
    with pytest.raises(AssertionError, match="data of P1"):
        walk(*TABLE_AND_TUBE_AFTER_A_WITHDRAWAL)


def test_a_merge_that_leaves_the_tubes_of_one_record_in_use_is_found(monkeypatch):
    monkeypatch.setattr(identity.destruction, "block", lambda *_args, **_kwargs: 0)
    with pytest.raises(AssertionError):
        walk(*TUBE_OF_THE_RECORD_WITHOUT_THE_WISH)


def test_a_merge_that_forgets_the_record_at_the_other_site_is_found(monkeypatch):
    monkeypatch.setattr(identity, "_link", lambda *_args: None)
    with pytest.raises(AssertionError):
        walk(*SECOND_RECORD_OF_ONE_WHO_MOVED)


def test_a_second_entry_that_is_not_compared_is_found(monkeypatch):
    monkeypatch.setattr(entries, "recheck", lambda _assessments: None)
    with pytest.raises(AssertionError):
        walk(*ENTRIES_THAT_DIFFER)


def test_a_receipt_that_revives_a_destroyed_tube_is_found(monkeypatch):
    take_in = shipping._take_in

    def revived(tube, *said):
        take_in(tube, *said)
        Sample.objects.filter(pk=tube.sample_id).update(status=Sample.Status.STORED)

    monkeypatch.setattr(shipping, "_take_in", revived)
    with pytest.raises(AssertionError, match="destroyed"):
        walk(*DESTROYED_ON_THE_WAY)


def test_a_consent_that_takes_a_tube_out_of_the_courier_s_van_is_found(monkeypatch):
    monkeypatch.setattr(ShippedTubeQuerySet, "on_the_way", ShippedTubeQuerySet.none)
    with pytest.raises(AssertionError, match="in_transit"):
        walk(*FREED_ON_THE_WAY)


def test_a_thaw_by_a_laboratory_where_the_tube_does_not_lie_is_found(monkeypatch):
    of_the_own_site = Sample.known_to
    monkeypatch.setattr(Sample, "handled_by", lambda tube, by, _verb: of_the_own_site(tube, by))
    with pytest.raises(AssertionError, match="thawed a tube that is stored"):
        walk(*THAWED_BY_WHO_SENT_AND_WHO_HOLDS_IT)


def test_a_thaw_that_is_a_step_and_no_count_is_found(monkeypatch):
    def uncounted(sample_id, *, by):
        custody.step(custody.held(sample_id), custody.Kind.THAWED, by=by)

    monkeypatch.setattr(custody, "thaw", uncounted)
    with pytest.raises(AssertionError):
        walk(*THAWED_BY_WHO_SENT_AND_WHO_HOLDS_IT)


def test_a_check_that_forgets_who_was_erased_is_found(monkeypatch):
    of_nobody = partial(contains, ())  # it goes to the child that checks, as the real one does
    monkeypatch.setattr(uploads.books.ledger, "erased_at", lambda _site: of_nobody)
    with pytest.raises(AssertionError, match="P1 enrolled True"):
        walk(*ENROLLED_AFTER_THE_ERASURE)
