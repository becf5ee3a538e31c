"""Enrol, consent, withdraw, upload, type in twice, correct, merge, move, ship, thaw, destroy, erase
in any order, beside a plain model."""

from __future__ import annotations

from datetime import date

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from hypothesis.strategies import booleans

from cohorts.errors import RefusedErasure
from cohorts.models import Assessment, Destruction, Participant, Query, Sample, Transfer
from cohorts.services import entries
from cohorts.services.erasing import erasure, ledger
from tests.factories import SCOPES, ConsentFactory, ParticipantFactory
from tests.faults.order_of_people import WHO, OfPeople
from tests.faults.order_of_records import OfAnswers, OfTubes
from tests.faults.people_in_order import CODES

pytestmark = pytest.mark.django_db


class PeopleInAnyOrder(OfPeople, OfAnswers, OfTubes):
    """All of it, erasures, and what always holds."""

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
        assert {
            code: (s.status, s.participant.code, s.freeze_thaws) for code, s in tubes.items()
        } == {
            code: (tube.status, tube.owner, tube.thaws) for code, tube in self.books.tubes.items()
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


class AmongPeopleWhoAreThere(PeopleInAnyOrder):
    """Begins where steps have something to act on: two people with consent, tube and paper."""

    @initialize()
    def a_site(self) -> None:
        super().a_site()
        for code in CODES[:2]:
            there = {"code": code, "sex": "female", "group": "hikikomori", "birth_year": 1990}
            person = ParticipantFactory(site=self.site, enrolled_on=date(2024, 4, 1), **there)
            ConsentFactory(participant=person, scopes=SCOPES)
            self.people[code].enrolled = self.people[code].consented = True
            self.a_tube_is_stored(code)
        self.a_questionnaire_is_typed_in(CODES[0])


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
    run_machine(AmongPeopleWhoAreThere, settings=SHORT)
