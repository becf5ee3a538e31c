"""A site with somebody to be erased; a store and a ledger of their own for each test."""

from __future__ import annotations

import pytest

from analysis.services import freshness
from cohorts.models import (
    Participant,
)
from tests.cohorts.erasing.canaries import (
    ASSAYS,
    CANARY,
    PEOPLE,
    PLASMA,
    SAMPLES,
    send,
)
from tests.factories import SiteFactory, user_with


@pytest.fixture(autouse=True)
def store(settings, tmp_path, monkeypatch):
    settings.MEDIA_ROOT = tmp_path
    settings.ERASURE_LEDGER = tmp_path.with_name(f"{tmp_path.name}.jsonl")
    monkeypatch.setattr(freshness, "ring", lambda *args, **kwargs: True)
    return tmp_path


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


@pytest.fixture
def people(site):
    """The site's coordinator, who asks, and its data manager, who approves."""
    return user_with("SC", site), user_with("SD", site)


@pytest.fixture
def canary(site):
    """Somebody with consent, samples, an aliquot, values and a refused table that names them."""
    sent = [
        send(site, "participants", PEOPLE),
        send(site, "samples", SAMPLES, f"tubes of {CANARY}.tsv"),
        send(site, "assays", ASSAYS, **PLASMA),
    ]
    assert [upload.status for upload in sent] == ["accepted"] * 3
    send(site, "participants", PEOPLE + "A009,x,hikikomori,2024-04-01,31,,,\n", "again.csv")
    return Participant.objects.get(code=CANARY)
