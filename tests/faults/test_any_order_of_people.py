"""Enrol, consent, withdraw, upload, correct, ship, erase in any order, beside a plain model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from hypothesis.strategies import booleans, integers, sampled_from

from cohorts.errors import AlreadyWithdrawn, DomainError, RefusedErasure, RefusedHandling
from cohorts.models import Assessment, Destruction, Instrument, Participant, Sample, Upload
from cohorts.services import consent, enrolment, erasure, ledger, shipping, uploads
from cohorts.services.sent_tables import SentTable
from tests.factories import SCOPES, SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
CODES = ("P1", "P2", "P3")
DAY = date(2024, 5, 1)
WHO = sampled_from(CODES)


@dataclass
class Person:
    """What must be so of one code, in plain Python."""

    enrolled: bool = False
    erased: bool = False
    level: int = 0
    consented: bool = False
    erasure: str = ""  # "", asked or approved
    birth_year: int = 1990
    version: int = 1
    scores: int = 0
    tube: str = ""  # "", stored, in_transit or blocked
    ordered: bool = False

    @property
    def there(self) -> bool:
        return self.enrolled and not self.erased


class PeopleInAnyOrder(RuleBasedStateMachine):
    """Real services and database at one site; every step either is refused or does all of it."""

    def __init__(self) -> None:
        super().__init__()
        # A savepoint an example: undone at its end, which costs less than a flush.
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.people = {code: Person() for code in CODES}
        self.files = 0

    @initialize()
    def a_site(self) -> None:
        self.site, self.other = SiteFactory(code="FUK"), SiteFactory(code="OSA")
        self.nurse, self.manager = user_with("SC", self.site), user_with("SD", self.site)
        self.technician = user_with("LT", self.site)
        Instrument.objects.get_or_create(code="PHQ", version="1", title="PHQ", total_max=27)

    def _row(self, code: str) -> Participant:
        found: Participant = Participant.objects.get(site=self.site, code=code)
        return found

    def _send(self, kind: str, text: str) -> bool:
        self.files += 1
        name = f"{kind}{self.files}.csv"
        # A blank line more: the very same file would be the upload that there is already.
        sent = SentTable(kind, (text + "\n" * self.files).encode(), name)
        return uploads.submit(self.site, sent, by=self.nurse).status == Upload.Status.ACCEPTED

    @rule(code=WHO)
    def somebody_is_enrolled(self, code: str) -> None:
        person = self.people[code]
        head = "participant,sex,group,enrolled_on,birth_year\n"
        taken = self._send("participants", f"{head}{code},f,hikikomori,2024-04-01,1990\n")
        assert taken == (not person.enrolled), f"{code} enrolled {taken}"
        person.enrolled = True

    @rule(code=WHO)
    def a_consent_is_signed(self, code: str) -> None:
        person = self.people[code]
        if not person.there:
            return
        consent.record_consent(
            self._row(code).pk, form=None, basis="paper", signed_on=timezone.localdate(),
            scopes=SCOPES, by=self.nurse,
        )  # fmt: skip
        person.consented, person.level = True, 0
        if person.tube == "blocked" and not person.ordered:
            person.tube = "stored"

    @rule(code=WHO, level=integers(1, 3), destroy=booleans())
    def somebody_withdraws(self, code: str, level: int, destroy: bool) -> None:
        person = self.people[code]
        if not person.there:
            return
        destroy = destroy and level == 3
        try:
            consent.withdraw(
                self._row(code).pk, level=level, by=self.nurse, destroy_samples=destroy
            )
        except AlreadyWithdrawn:
            assert level <= person.level
            return
        assert level > person.level
        person.level = level
        self._stop_tube(person, destroy=destroy, stops=level >= 3)

    def _stop_tube(self, person: Person, *, destroy: bool, stops: bool) -> None:
        if person.tube and stops:
            person.tube = "blocked"
            person.ordered = person.ordered or destroy

    @rule(code=WHO)
    def a_questionnaire_arrives(self, code: str) -> None:
        person = self.people[code]
        day = DAY + timedelta(days=person.scores)
        head = "participant,instrument,assessed_on,total\n"
        taken = self._send("assessments", f"{head}{code},PHQ,{day},5\n")
        assert taken == (person.there and person.level < 2), f"data of {code}: {taken}"
        person.scores += taken

    @rule(code=WHO, year=integers(1980, 2000))
    def a_birth_year_is_corrected(self, code: str, year: int) -> None:
        person = self.people[code]
        if not person.there:
            return
        try:
            enrolment.correct(
                self._row(code).pk, {"birth_year": year}, reason="card", by=self.nurse,
                version=person.version,
            )  # fmt: skip
        except DomainError:
            assert year == person.birth_year or person.level == 4
            return
        assert year != person.birth_year
        person.birth_year, person.version = year, person.version + 1

    @rule(code=WHO)
    def a_tube_is_stored(self, code: str) -> None:
        person = self.people[code]
        if person.there and person.level < 2 and not person.tube:
            SampleFactory(participant=self._row(code), code=f"T{code}")
            person.tube = "stored"

    @rule(code=WHO)
    def a_tube_is_shipped(self, code: str) -> None:
        person = self.people[code]
        if not person.tube:
            return
        try:
            shipping.send(
                self.site, self.other, [f"T{code}"], courier="by hand", by=self.technician,
                sent_at=timezone.now(),
            )  # fmt: skip
        except RefusedHandling:
            assert person.tube != "stored"
            return
        assert person.tube == "stored", f"shipped a tube that is {person.tube}"
        person.tube = "in_transit"

    @rule(code=WHO)
    def an_erasure_is_asked_for(self, code: str) -> None:
        person = self.people[code]
        if not person.there:
            return
        try:
            erasure.request(self._row(code).pk, by=self.nurse)
        except RefusedErasure:
            assert person.erasure
            return
        assert not person.erasure
        person.erasure = "asked"
        if person.level < 4:
            person.level = 4
            self._stop_tube(person, destroy=False, stops=True)

    @rule(code=WHO, by_asker=booleans())
    def it_is_approved(self, code: str, by_asker: bool) -> None:
        person = self.people[code]
        if person.erasure != "asked":
            return
        (open_,) = self._row(code).erasures.open()
        try:
            erasure.approve(open_.pk, by=self.nurse if by_asker else self.manager)
        except RefusedErasure:
            assert by_asker
            return
        assert not by_asker
        person.erasure = "approved"

    @rule()
    def a_day_passes_and_what_is_due_is_carried_out(self) -> None:
        at = timezone.now() + django_settings.ERASURE_GRACE
        for number in erasure.due(at):
            erasure.execute(number, at=at)
        for person in self.people.values():
            if person.erasure == "approved":
                person.erasure = ""
                # A consent signed meanwhile has stopped it.
                person.erased = person.level == 4

    @invariant()
    def the_books_say_what_the_model_says(self) -> None:
        if not hasattr(self, "site"):
            return
        there = {code: p for code, p in self.people.items() if p.there}
        rows = {p.code: p for p in Participant.objects.filter(site=self.site)}
        assert set(rows) == set(there)
        for code, person in there.items():
            row = rows[code]
            assert (row.birth_year, row.version) == (person.birth_year, person.version)
            assert Assessment.objects.filter(participant=row).count() == person.scores
            tube = Sample.objects.filter(participant=row).first()
            assert (tube.status if tube else "") == person.tube, code
            assert Destruction.objects.filter(sample=tube).exists() == person.ordered or not tube

    @invariant()
    def only_the_willing_are_in_the_next_run(self) -> None:
        today = timezone.localdate()
        found = set(Participant.objects.consenting_to(SCOPES, today).values_list("code", flat=True))
        assert found == {
            code for code, p in self.people.items() if p.there and p.consented and p.level < 3
        }

    @invariant()
    def of_the_erased_only_the_order_to_destroy_is_left(self) -> None:
        for code, person in self.people.items():
            if person.erased:
                assert not Sample.objects.filter(code=f"T{code}").exists()
                assert ledger.erased_at(self.site)(code)
                if person.tube:
                    assert Destruction.objects.filter(sample=None).exists()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)
        connection.run_on_commit.clear()


SHORT = settings(
    max_examples=4,
    stateful_step_count=18,
    deadline=None,
    report_multiple_bugs=False,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _quiet(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.ERASURE_LEDGER = tmp_path.with_name(f"{tmp_path.name}.jsonl")


def test_people_enrol_consent_withdraw_and_are_erased_in_any_order():
    run_machine(PeopleInAnyOrder, settings=SHORT)


# --- faults that are put in: the machine walks straight to them


def walk(*steps):
    """Take these steps, each a rule and what it is given, with every invariant after each."""
    machine = PeopleInAnyOrder()
    try:
        machine.a_site()
        for rule_name, given in steps:
            getattr(machine, rule_name)(code="P1", **given)
            machine.the_books_say_what_the_model_says()
            machine.only_the_willing_are_in_the_next_run()
    finally:
        machine.teardown()


TUBE_OF_ONE_WHO_LEAVES = (
    ("somebody_is_enrolled", {}),
    ("a_tube_is_stored", {}),
    ("somebody_withdraws", {"level": 3, "destroy": False}),
)
TABLE_AFTER_A_WITHDRAWAL = (
    ("somebody_is_enrolled", {}),
    ("somebody_withdraws", {"level": 2, "destroy": False}),
    ("a_questionnaire_arrives", {}),
)


@pytest.mark.parametrize("steps", [TUBE_OF_ONE_WHO_LEAVES, TABLE_AFTER_A_WITHDRAWAL])
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
        walk(*TABLE_AFTER_A_WITHDRAWAL)
