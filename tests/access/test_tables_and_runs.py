"""Tables are sent and decided, plans locked and runs steered by those who may."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from analysis.models import Run
from cohorts import models
from tests.access.table import (
    ANY_SENDER,
    CANCELLERS,
    DECIDERS,
    FETCHERS,
    KINDS,
    PLACERS,
    READERS,
    SENDERS,
    STARTERS,
    UPLOAD_READERS,
)
from tests.access.world import EVERYBODY, account_of, api_of, outcome

pytestmark = pytest.mark.django_db


TOO_SHORT = dict.fromkeys(KINDS, b"participant\nP1\n") | {
    "samples": b"sample\nT1\n",
    "assays": b"sample\nT1\n",
}


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_tables_are_sent_by_those_who_may(who, world):
    client, before = api_of(who, world), models.Upload.objects.count()
    for place, site in world.sites.items():
        for kind in KINDS:
            answer = client.post(
                "/api/v1/uploads",
                {
                    "site": site.code,
                    "kind": kind,
                    "file": SimpleUploadedFile("t.csv", TOO_SHORT[kind]),
                    **({"platform": "LC-MS", "matrix": "plasma"} if kind == "assays" else {}),
                },
            )
            expected = outcome(who, ANY_SENDER, place)
            if expected == 200:
                expected = 422 if who.holds(SENDERS[kind]) else 403
            assert answer.status_code == expected, (place, kind)
            before += expected == 422
    assert models.Upload.objects.count() == before


def readable(who, kind, place):
    """As for reading one upload: 403 without the function, 404 for the wrong place or kind."""
    expected = outcome(who, READERS["uploads"], place)
    return 404 if expected == 200 and not who.holds(UPLOAD_READERS[kind]) else expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_checked_tables_are_decided_and_fetched_by_those_who_may(who, world):
    client = api_of(who, world)
    for place, by_kind in world.uploads.items():
        for kind, key in by_kind.items():
            models.Upload.objects.filter(pk=key).update(status="rejected")
            expected = readable(who, kind, place)
            if expected == 200:
                expected = 400 if who.holds(DECIDERS[kind]) else 403
            accepted = client.post(f"/api/v1/uploads/{key}/accept", {}, format="json")
            assert accepted.status_code == expected, ("accept", place, kind)
            models.Upload.objects.filter(pk=key).update(status="checked")
            discarded = client.post(f"/api/v1/uploads/{key}/discard").status_code
            assert discarded == (200 if expected == 400 else expected), ("discard", place, kind)
            fetched = client.get(f"/api/v1/uploads/{key}/remarks").status_code
            expected = readable(who, kind, place)
            if expected == 200:
                expected = 400 if who.holds(FETCHERS) else 403
            assert fetched == expected, ("remarks", place, kind)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_dictionaries_are_taken_by_those_who_may(who, world):
    client, one = api_of(who, world), f"/api/v1/dictionaries/{world.keys['dictionaries']['shared']}"
    for verb in ("changes", "redcap"):
        status = client.get(f"{one}/{verb}").status_code
        assert status == outcome(who, READERS["dictionaries"], "shared"), verb
    body = {"study": world.sites["own"].study.code, "content": "x", "after": 0}
    expected = outcome(who, "CD", "shared")
    status = client.post("/api/v1/dictionaries", body, format="json").status_code
    assert status == (400 if expected == 200 else expected)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_runs_are_started_by_those_who_may(who, world):
    answer = api_of(who, world).post("/api/v1/runs", {"plan": "p"}, format="json")
    expected = outcome(who, STARTERS, "shared")
    assert answer.status_code == (202 if expected == 200 else expected)
    assert Run.objects.filter(state="queued").exists() == (expected == 200)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_plans_are_locked_by_the_data_manager(who, world):
    plan = world.runs["released"].plan
    answer = api_of(who, world).post(f"/api/v1/plans/{plan.pk}/lock", {}, format="json")
    assert answer.status_code == outcome(who, PLACERS, "shared")
    plan.refresh_from_db()
    assert (plan.locked_at is not None) == (answer.status_code == 200)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_runs_are_cancelled_and_placed_as_the_table_says(who, world):
    waiting = Run.objects.create(plan=world.runs["held"].plan, state="queued")
    caller = api_of(who, world)
    for verb, body, roles in (("priority", {"priority": 3}, PLACERS), ("cancel", {}, CANCELLERS)):
        answer = caller.post(f"/api/v1/runs/{waiting.pk}/{verb}", body, format="json")
        expected = outcome(who, roles, "shared")
        # An analyst may cancel, but nobody else's.
        expected = 403 if expected == 200 and who.role == "CA" else expected
        assert answer.status_code == expected, verb


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_pages_cancel_and_place_runs_as_the_table_says(who, world, browse, client):
    page = client if who.state == "anonymous" else browse(account_of(who, world))
    waiting = Run.objects.create(plan=world.runs["held"].plan, state="queued")
    for name in ("run-priority", "run-cancel"):
        page.post(reverse(name, args=[waiting.pk]))
    waiting.refresh_from_db()
    assert (waiting.state == "cancelled") == who.holds(PLACERS)
    assert (waiting.priority == 9) == who.holds(PLACERS)


def that_waits_for_approval(world):
    """A published run without data behind it: whoever may approve is told that."""
    held = world.runs["held"]
    asks = held.plan.data | {"release": "by_approval"}
    type(held.plan).objects.filter(pk=held.plan.pk).update(data=asks)
    return held


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_a_release_is_approved_as_the_table_says(who, world):
    held = that_waits_for_approval(world)
    answer = api_of(who, world).post(f"/api/v1/runs/{held.pk}/release", {}, format="json")
    expected = outcome(who, PLACERS, "shared")
    assert answer.status_code == (409 if expected == 200 else expected)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_pages_approve_a_release_as_the_table_says(who, world, browse, client):
    held = that_waits_for_approval(world)
    page = client if who.state == "anonymous" else browse(account_of(who, world))
    answer = page.post(reverse("run-release", args=[held.pk]), follow=True)
    told = "Its tables were deleted, being old" in answer.content.decode()
    assert told == who.holds(PLACERS)
    assert Run.objects.get(pk=held.pk).released_at is None
