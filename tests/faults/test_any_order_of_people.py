"""Enrol, consent, withdraw, upload, type in twice, correct, merge, move, ship, destroy, erase in
any order, beside a plain model."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from hypothesis.strategies import booleans, integers, sampled_from

from cohorts.errors import (
    AlreadyWithdrawn,
    DomainError,
    NotAllowed,
    RefusedErasure,
    RefusedHandling,
    UnusableRequest,
)
from cohorts.models import (
    Assessment,
    Destruction,
    Instrument,
    Participant,
    Query,
    Sample,
    ShippedTube,
    Transfer,
    Upload,
)
from cohorts.services import consent, enrolment, entries, identity, transfers, uploads
from cohorts.services.erasing import erasure, ledger
from cohorts.services.samples import destruction, shipping
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import SCOPES, SampleFactory, SiteFactory, user_with
from tests.faults.people_in_order import CODES, ITEMS, Books, Tube

pytestmark = pytest.mark.django_db
DAY, TYPED_ON = date(2024, 5, 1), date(2024, 4, 20)
WHO = sampled_from(CODES)


class PeopleInAnyOrder(RuleBasedStateMachine):
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

    # --- people and their wishes

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

    # --- questionnaires

    @rule(code=WHO)
    def a_questionnaire_arrives(self, code: str) -> None:
        person = self.people[code]
        day = max(person.days, default=-1) + 1
        head = "participant,instrument,assessed_on,total\n"
        taken = self._send("assessments", f"{head}{code},PHQ,{DAY + timedelta(days=day)},5\n")
        assert taken == person.takes_data, f"data of {code}: {taken}"
        person.days |= {day} if taken else set()

    @rule(code=WHO)
    def a_questionnaire_is_typed_in(self, code: str) -> None:
        person = self.people[code]
        if not person.there:
            return
        try:
            entries.record(self._row(code).pk, self.scale, [1] * ITEMS, on=TYPED_ON, by=self.nurse)
        except UnusableRequest:
            assert person.paper or not person.takes_data
            return
        assert person.takes_data
        assert not person.paper
        person.paper = "once"

    @rule(code=WHO, alike=booleans(), by_the_first=booleans())
    def it_is_typed_in_again(self, code: str, alike: bool, by_the_first: bool) -> None:
        person = self.people[code]
        if not (person.acts and person.paper):
            return
        typed = Assessment.objects.get(participant=self._row(code), instrument=self.scale)
        answers = list(typed.items) if alike else [3, *typed.items[1:]]
        alike = answers == list(typed.items)
        try:
            by = self.nurse if by_the_first else self.manager
            entries.enter_again(typed.pk, answers, by=by)
        except NotAllowed:
            assert by_the_first
            return
        assert not by_the_first
        person.paper = "alike" if alike else "apart"

    @rule(code=WHO, first=booleans())
    def the_two_entries_are_settled(self, code: str, first: bool) -> None:
        person = self.people[code]
        if not (person.acts and person.paper == "apart"):
            return
        typed = Assessment.objects.get(participant=self._row(code), instrument=self.scale)
        (apart,) = entries.differences(typed)
        answer = apart.first if first else apart.second
        done = entries.settle(typed.pk, {apart.item: answer}, reason="paper", by=self.manager)
        assert done.items[apart.item - 1] == answer
        assert done.score == sum(done.items)
        person.paper = "alike"

    # --- tubes

    @rule(code=WHO)
    def a_tube_is_stored(self, code: str) -> None:
        if self.people[code].takes_data and f"T{code}" not in self.books.tubes:
            SampleFactory(participant=self._row(code), code=f"T{code}")
            self.books.tubes[f"T{code}"] = Tube(code)

    @rule(code=WHO)
    def a_tube_is_shipped(self, code: str) -> None:
        tube = self.books.tubes.get(f"T{code}")
        if tube is None or tube.is_away:
            return
        may_go = tube.status == "stored" and self.people[tube.owner].level < 2
        try:
            shipping.send(
                self.site, self.other, [f"T{code}"], courier="by hand", by=self.technician,
                sent_at=timezone.now(),
            )  # fmt: skip
        except RefusedHandling:
            assert not may_go
            return
        assert may_go, f"shipped a tube that is {tube.status}"
        tube.status, tube.travels = "in_transit", True

    @rule(code=WHO)
    def a_shipment_arrives(self, code: str) -> None:
        tube = self.books.tubes.get(f"T{code}")
        if tube is None or not tube.travels:
            return
        line = ShippedTube.objects.get(sample__code=f"T{code}", shipment__receipt=None)
        said = {"received_at": timezone.now(), "by": self.receiver}
        shipping.receive(line.shipment_id, {f"T{code}": "good"}, **said)
        tube.travels, tube.is_away = False, True
        if tube.status == "in_transit":
            tube.status = "stored"

    @rule(code=WHO)
    def a_tube_is_destroyed_before_a_witness(self, code: str) -> None:
        tube = self.books.tubes.get(f"T{code}")
        if tube is None or tube.order == "":
            return
        order = Destruction.objects.get(tube=f"T{code}")
        said = {"at": timezone.now(), "method": "autoclave", "by": self.technician}
        if tube.order == "ordered":
            with pytest.raises(RefusedHandling, match="Nobody has recorded"):
                destruction.approve(order.pk, by=self.manager)
            destruction.record(order.pk, witness=self.nurse, **said)
            tube.order = "recorded"
        elif tube.status != "destroyed":
            destruction.approve(order.pk, by=self.manager)
            tube.status = "destroyed"

    # --- erasure

    @rule(code=WHO)
    def an_erasure_is_asked_for(self, code: str) -> None:
        person = self.people[code]
        if not person.acts:
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
            self.books.stop_tubes(code)

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
        for code, person in self.people.items():
            if person.erasure == "approved":
                person.erasure = ""
                if person.level == 4:  # a consent signed meanwhile has stopped it
                    tubes = self.books.tubes_of(code)
                    self.orders_left += sum(tube.status != "destroyed" for tube in tubes)
                    self.books.erase(code)

    # --- what always holds

    @invariant()
    def the_books_say_what_the_model_says(self) -> None:
        if not hasattr(self, "site"):
            return
        there = {code: p for code, p in self.people.items() if p.there}
        rows = {
            p.code: p
            for p in Participant.objects.filter(site=self.site).select_related("merged_into")
        }
        assert set(rows) == set(there)
        for code, person in there.items():
            row = rows[code]
            assert (row.birth_year, row.version) == (person.birth_year, person.version)
            assert (row.merged_into.code if row.merged_into else "") == person.merged_into
            assert bool(row.left_on) == (person.move == "left")
            n_typed = bool(person.paper)
            assert Assessment.objects.filter(participant=row).count() == len(person.days) + n_typed
        tubes = {s.code: s for s in Sample.objects.select_related("participant")}
        assert {code: (s.status, s.participant.code) for code, s in tubes.items()} == {
            code: (tube.status, tube.owner) for code, tube in self.books.tubes.items()
        }
        ordered = set(Destruction.objects.exclude(sample=None).values_list("tube", flat=True))
        assert ordered == {code for code, tube in self.books.tubes.items() if tube.order}

    @invariant()
    def only_the_willing_are_in_the_next_run(self) -> None:
        today = timezone.localdate()
        found = set(Participant.objects.consenting_to(SCOPES, today).values_list("code", flat=True))
        assert found == {
            code for code, p in self.people.items() if p.acts and p.consented and p.level < 3
        }

    @invariant()
    def two_entries_are_asked_about_while_they_differ(self) -> None:
        apart = {code for code, p in self.people.items() if p.acts and p.paper == "apart"}
        asked = Query.objects.unsettled().filter(rule=entries.RULE)
        found = set(asked.values_list("assessment__participant__code", flat=True))
        assert found == apart

    @invariant()
    def a_person_counts_once(self) -> None:
        for row in Participant.objects.filter(site__code="OSA"):
            came = Transfer.objects.filter(arrived_as=row).first()
            if came is not None:
                assert came.participant.person == row.person is not None

    @invariant()
    def of_the_erased_only_the_order_to_destroy_is_left(self) -> None:
        for code, person in self.people.items():
            if person.erased:
                assert not Sample.objects.filter(participant__code=code).exists()
                assert ledger.erased_at(self.site)(code)
        left = Destruction.objects.filter(sample=None, approved_at=None)
        assert left.count() == self.orders_left

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)
        connection.run_on_commit.clear()


SHORT = settings(
    max_examples=5,
    stateful_step_count=22,
    deadline=None,
    report_multiple_bugs=False,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _quiet(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.ERASURE_LEDGER = tmp_path.with_name(f"{tmp_path.name}.jsonl")


def test_people_are_recorded_merged_moved_and_erased_in_any_order():
    run_machine(PeopleInAnyOrder, settings=SHORT)
