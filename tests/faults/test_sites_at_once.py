"""Two sites at once: neither waits for the other, and what they share is not spoilt by it."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from cohorts import retrying
from cohorts.models import Erasure, Feature, Site, Upload, Withdrawal
from cohorts.services import enrolling, uploads
from cohorts.services.erasing import erasure, redactions
from cohorts.services.features import new_names
from cohorts.services.tables import files
from tests.cohorts.test_uploads import PEOPLE, PLASMA, SAMPLES, send
from tests.factories import SiteFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def silent_broker(monkeypatch):
    monkeypatch.setattr("analysis.services.freshness.ring", lambda *_args, **_kwargs: True)


@pytest.fixture
def two():
    """Two sites of one study, each with people and samples of its own."""
    first = SiteFactory(code="FUK")
    sites = (first, SiteFactory(code="NGO", study=first.study))
    for site in sites:
        send(site, "participants", PEOPLE.replace("F00", site.code))
        send(site, "samples", SAMPLES.replace("F00", site.code))
    return sites


def both(act, sites):
    """What each got, or the error, when both did it at the same moment."""
    got = {}

    def one(site):
        try:
            got[site.code] = act(site)
        except Exception as error:  # noqa: BLE001 - the test reads it
            got[site.code] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(site,)) for site in sites]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [got[site.code] for site in sites]


def meeting(monkeypatch, module, name):
    """Both have gone through a function before either goes on, where none holds the other up."""
    real, barrier = getattr(module, name), threading.Barrier(2)

    def met(*args, **kwargs):
        found = real(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):
            barrier.wait(1.5)
        return found

    monkeypatch.setattr(module, name, met)
    return barrier


def values_of(site, *, name=""):
    header = name or ("arginine", "Arginine")[site.code == "NGO"]
    return send(site, "assays", f"sample,{header} [umol/L]\nT1,82.5\nT2,77\n", **PLASMA)


def test_uploads_of_two_sites_are_in_their_transactions_together(two, monkeypatch):
    barrier = meeting(monkeypatch, uploads.books, "facts_of")
    got = both(lambda site: values_of(site, name=f"x{site.pk}"), two)
    assert [upload.status for upload in got] == ["accepted", "accepted"]
    assert not barrier.broken


def enrol_at(site):
    cells = {
        "participant": f"{site.code}9",
        "sex": "female",
        "group": "healthy_control",
        "age_years": "30",
        "enrolled_on": "2024-04-01",
    }
    return enrolling.enrol_one(site.pk, cells, None, by=user_with("SC", site))


def test_enrolments_of_two_sites_are_in_their_transactions_together(two, monkeypatch):
    barrier = meeting(monkeypatch, enrolling.books, "facts_of_one")
    assert [person.code for person in both(enrol_at, two)] == ["FUK9", "NGO9"]
    assert not barrier.broken


def test_with_the_study_locked_as_well_they_would_wait_for_each_other(two, monkeypatch):
    sites = type(Site.objects.all())
    real = sites.select_for_update
    monkeypatch.setattr(sites, "select_for_update", lambda self, **_: real(self, no_key=True))
    barrier = meeting(monkeypatch, uploads.books, "facts_of")
    both(lambda site: values_of(site, name=f"x{site.pk}"), two)
    assert barrier.broken


def test_a_new_name_of_two_sites_is_one_feature_however_it_is_spelt(two, monkeypatch):
    meeting(monkeypatch, uploads.books, "facts_of")
    got = both(values_of, two)
    assert [upload.status for upload in got] == ["accepted", "accepted"]
    assert Feature.objects.filter(name__iexact="arginine").count() == 1


def test_without_their_lock_a_new_name_would_be_two_features(two, monkeypatch):
    monkeypatch.setattr(new_names, "hold_names", lambda: None)
    meeting(monkeypatch, uploads.books, "facts_of")
    meeting(monkeypatch, new_names, "normalise")
    both(values_of, two)
    assert Feature.objects.filter(name__iexact="arginine").count() == 2


def shared_file(sites):
    """One file that both sites sent, refused at both; an erasure that is due at each."""
    content = "participant,sex\nFUK1,female\nNGO1,female\nX,female\n"
    for site in sites:
        assert send(site, "participants", content).status == Upload.Status.REJECTED
    asks, approves = UserFactory(), UserFactory()
    now = timezone.now()
    for site in sites:
        person = site.participants.get(code=f"{site.code}1")
        Withdrawal.objects.create(participant=person, level=4, effective_on=now.date())
        Erasure.objects.create(
            site=site,
            participant=person,
            requested_by=asks,
            requested_at=now - timedelta(days=3),
            approved_by=approves,
            approved_at=now - timedelta(days=2),
        )
    return now


def erase_both(sites):
    now = shared_file(sites)

    def act(site):
        due = Erasure.objects.get(site=site)
        return erasure.execute(due.pk, at=now)

    got = both(act, sites)
    last = Upload.objects.filter(kind="participants", status=Upload.Status.REJECTED)
    texts = [files.read(upload.sha256).decode() for upload in last]
    return got, [code for text in texts for code in ("FUK1", "NGO1") if code in text]


def test_a_file_that_two_sites_sent_is_rewritten_without_both_their_people(two, monkeypatch):
    meeting(monkeypatch, redactions, "_redacted")
    got, left = erase_both(two)
    assert [type(each) for each in got] == [erasure.Removed] * 2
    assert left == []


def test_without_their_lock_one_of_them_would_stay_in_it(two, monkeypatch):
    monkeypatch.setattr(files, "hold_for_rewriting", lambda: None)
    monkeypatch.setattr(retrying, "TRIES", 1)  # a second try would find the other's file
    meeting(monkeypatch, redactions, "_redacted")
    got, left = erase_both(two)
    assert left or any(isinstance(each, Exception) for each in got)
