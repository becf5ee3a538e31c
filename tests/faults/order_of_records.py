"""What is done in any order with the answers and the tubes of a site's people."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone
from hypothesis.stateful import rule
from hypothesis.strategies import booleans

from cohorts.errors import NotAllowed, RefusedHandling, UnusableRequest
from cohorts.models import Assessment, Destruction, Sample, ShippedTube
from cohorts.services import entries
from cohorts.services.samples import custody, destruction, shipping
from tests.factories import SampleFactory
from tests.faults.order_of_people import WHO, Walk
from tests.faults.people_in_order import ITEMS, Tube

DAY, TYPED_ON = date(2024, 5, 1), date(2024, 4, 20)


class OfAnswers(Walk):
    """Sent in tables, typed in, typed in again by another, settled."""

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


class OfTubes(Walk):
    """Stored, shipped, received, thawed where they lie, destroyed before a witness."""

    @rule(code=WHO)
    def a_tube_is_stored(self, code: str) -> None:
        if self.people[code].takes_data and f"T{code}" not in self.books.tubes:
            SampleFactory(participant=self._row(code), code=f"T{code}", freeze_thaws=0)
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
        said = {"at": timezone.now(), "method": "autoclave"}
        crews = [(self.technician, self.nurse), (self.receiver, self.there)]
        if tube.order == "ordered":
            with pytest.raises(RefusedHandling, match="Nobody has recorded"):
                destruction.approve(order.pk, by=self.manager)
            by, witness = crews.pop(tube.order_is_away)
            for elsewhere, seen_by in crews:
                with pytest.raises((RefusedHandling, NotAllowed)):
                    destruction.record(order.pk, by=elsewhere, witness=seen_by, **said)
            destruction.record(order.pk, by=by, witness=witness, **said)
            tube.order = "recorded"
        elif tube.status != "destroyed":
            destruction.approve(order.pk, by=self.manager)
            tube.status = "destroyed"

    @rule(code=WHO, by_the_other_site=booleans())
    def a_tube_is_thawed(self, code: str, by_the_other_site: bool) -> None:
        tube = self.books.tubes.get(f"T{code}")
        if tube is None:
            return
        there = by_the_other_site == tube.is_away
        may = there and tube.status == "stored" and self.people[tube.owner].level < 2
        by = self.receiver if by_the_other_site else self.technician
        try:
            custody.thaw(Sample.objects.get(code=f"T{code}").pk, by=by)
        except (RefusedHandling, NotAllowed):
            assert not may
            return
        assert may, f"thawed a tube that is {tube.status}"
        tube.thaws += 1
