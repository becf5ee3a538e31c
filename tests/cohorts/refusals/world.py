"""The study in which somebody does what is against a rule, and the sentence that they then read."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

import pytest
from django.utils import timezone

from cohorts.errors import DomainError
from cohorts.models import Assessment, Box, Destruction, Instrument
from cohorts.services import consent
from cohorts.services.erasing import erasure
from cohorts.services.samples import shipping
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, user_with


class World:
    """One site, one person with a tube, and everybody who works there; made as it is asked for."""

    site = cached_property(lambda self: SiteFactory(code="FUK"))
    other = cached_property(lambda self: SiteFactory(code="OSA", study=self.site.study))
    nurse = cached_property(lambda self: user_with("SC", self.site))
    manager = cached_property(lambda self: user_with("SD", self.site))
    technician = cached_property(lambda self: user_with("LT", self.site))
    there = cached_property(lambda self: user_with("LT", self.other))
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

    def sent(self, code):
        assert self.tube
        said = {"courier": "x", "sent_at": timezone.now() - timedelta(days=1)}
        return shipping.send(self.site, self.other, [code], **said, by=self.technician)

    def ordered(self):
        assert self.tube
        consent.withdraw(self.person.pk, level=3, by=self.nurse, destroy_samples=True)
        return Destruction.objects.get()

    def erasure(self):
        return erasure.request(self.person.pk, by=self.nurse)


def is_told(act, sentence):
    """Whether it is refused in that sentence; in one that goes on, where it has no full stop."""
    with pytest.raises(DomainError) as refused:
        act(World())
    said = refused.value.sentence
    return said == sentence if sentence.endswith(".") else sentence in said
