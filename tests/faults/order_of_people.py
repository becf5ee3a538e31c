"""The site that the walks in any order are about, and what is done there with its people."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from hypothesis.strategies import booleans, integers, sampled_from

from cohorts.errors import AlreadyWithdrawn, DomainError, UnusableRequest
from cohorts.models import Instrument, Participant, Transfer, Upload
from cohorts.services import consent, enrolment, identity, transfers, uploads
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import SCOPES, SiteFactory, user_with
from tests.faults.people_in_order import CODES, ITEMS, Books

WHO = sampled_from(CODES)


class Walk(RuleBasedStateMachine):
    """Real services and database at one site; every step either is refused or does all of it."""

    def __init__(self) -> None:
        super().__init__()
        # A savepoint an example: undone at its end, which costs less than a flush.
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.books = Books()
        self.people = self.books.people
        self.files = 0
        self.orders_left = 0  # orders about tubes of the erased that nobody has approved

    @initialize()
    def a_site(self) -> None:
        self.site, self.other = SiteFactory(code="FUK"), SiteFactory(code="OSA")
        self.nurse, self.manager = user_with("SC", self.site), user_with("SD", self.site)
        self.technician, self.there = user_with("LT", self.site), user_with("SC", self.other)
        self.receiver = user_with("LT", self.other)
        Instrument.objects.get_or_create(code="PHQ", version="1", title="PHQ", total_max=27)
        self.scale, _ = Instrument.objects.get_or_create(
            code="S3", version="1", title="S3", n_items=ITEMS, item_min=0, item_max=3
        )

    def _row(self, code: str) -> Participant:
        found: Participant = Participant.objects.get(site=self.site, code=code)
        return found

    def _send(self, kind: str, text: str) -> bool:
        self.files += 1
        name = f"{kind}{self.files}.csv"
        # A blank line more: the very same file would be the upload that there is already.
        sent = SentTable(kind, (text + "\n" * self.files).encode(), name)
        return uploads.submit(self.site, sent, by=self.nurse).status == Upload.Status.ACCEPTED

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)
        connection.run_on_commit.clear()


class OfPeople(Walk):
    """Enrolled, consenting, withdrawing, corrected, merged, moved."""

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
        said = {"form": None, "basis": "paper", "signed_on": timezone.localdate()}
        try:
            consent.record_consent(self._row(code).pk, **said, scopes=SCOPES, by=self.nurse)
        except UnusableRequest:
            assert person.merged_into
            return
        assert person.acts
        person.consented, person.level = True, 0
        self.books.free_tubes(code)

    @rule(code=WHO, level=integers(1, 3), destroy=booleans())
    def somebody_withdraws(self, code: str, level: int, destroy: bool) -> None:
        person = self.people[code]
        if not person.acts:
            return
        destroy = destroy and level == 3
        later = (
            destroy
            and person.level == 3
            and any(
                not tube.order and tube.status != "destroyed" for tube in self.books.tubes_of(code)
            )
        )
        try:
            consent.withdraw(
                self._row(code).pk, level=level, by=self.nurse, destroy_samples=destroy
            )
        except AlreadyWithdrawn:
            assert level <= person.level
            assert not later
            return
        assert level > person.level or later
        person.level = max(level, person.level)
        if level >= 3:
            self.books.stop_tubes(code, destroy=destroy)

    @rule(code=WHO, year=integers(1989, 1991))
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
            assert year == person.birth_year or person.level == 4 or person.merged_into
            return
        assert year != person.birth_year
        person.birth_year, person.version = year, person.version + 1

    @rule(code=WHO, other=WHO)
    def two_records_are_one_person(self, code: str, other: str) -> None:
        if not (self.people[code].there and self.people[other].there):
            return
        if self.people[code].paper and self.people[other].paper:
            return  # the papers of one day: alike or not is told by its own tests
        try:
            identity.merge(
                self._row(code).pk, self._row(other).pk, reason="one card", by=self.nurse
            )
        except UnusableRequest:
            assert not self.books.may_merge(code, other)
            return
        assert self.books.may_merge(code, other)
        self.books.merge(code, other)

    @rule(code=WHO)
    def a_move_is_offered(self, code: str) -> None:
        person = self.people[code]
        if not person.acts:
            return
        try:
            transfers.offer(self._row(code).pk, to_site="OSA", reason="work", by=self.nurse)
        except UnusableRequest:
            assert not person.may_move
            return
        assert person.may_move
        person.move = "offered"

    @rule(code=WHO, called_off=booleans())
    def the_move_ends(self, code: str, called_off: bool) -> None:
        person = self.people[code]
        if not person.acts or person.move != "offered":
            return
        transfer = Transfer.objects.open().get(participant=self._row(code))
        if called_off:
            transfers.call_off(transfer.pk, by=self.there)
            person.move = ""
            return
        try:
            transfers.accept(transfer.pk, code=f"X{code}", on=timezone.localdate(), by=self.there)
        except UnusableRequest:
            assert person.level >= 2
            return
        assert person.level < 2
        person.move, person.version = "left", person.version + 1
