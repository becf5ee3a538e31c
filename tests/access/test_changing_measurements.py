"""Queries, batches, samples, dictionaries and webhooks are worked on by those who may."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from analysis import webhook_http
from analysis.models import WebhookEndpoint
from cohorts import models
from tests.access.table import (
    ASKERS,
    DESTROYERS,
    DESTRUCTION_APPROVERS,
    DICTIONARY_KEEPERS,
    DIVIDERS,
    HANDLERS,
    HOOK_MAKERS,
    HOOKED,
    NAME_DECIDERS,
    NAME_READERS,
    READERS,
    SHIPPERS,
    VALUE_READERS,
    VOID_ASKERS,
    VOID_DECIDERS,
)
from tests.access.world import EVERYBODY, account_of, api_of, outcome, page_outcome

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_queries_are_asked_answered_and_closed_by_those_who_may(who, place, world):
    client, site = api_of(who, world), world.sites[place]
    sample = models.Sample.objects.get(pk=world.keys["samples"][place])
    body = {"site": site.code, "about_kind": "sample", "about": sample.code, "text": "Spun when?"}
    expected = outcome(who, ASKERS, place)
    status = client.post("/api/v1/queries", body, format="json").status_code
    assert status == (201 if expected == 200 else expected)
    path = f"/api/v1/queries/{world.keys['queries'][place]}"
    asker = models.User.objects.get(username=f"asks at {site.code}")
    query = models.Query.objects.get(pk=world.keys["queries"][place])
    query.events.create(kind="answered", by=asker, text="At ten.")
    models.Query.objects.filter(pk=query.pk).update(state="answered")
    for verb in ("ask-again", "answer"):
        said = client.post(f"{path}/{verb}", {"text": "By whom?"}, format="json")
        assert said.status_code == expected, verb
    assert client.post(f"{path}/close", {}, format="json").status_code == (
        400 if expected in (200, 404) else expected
    )


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_batches_are_judged_and_voided_by_those_who_may(who, place, world, browse, client):
    caller, key = api_of(who, world), world.keys["assay-batches"][place]
    path, readers = f"/api/v1/assay-batches/{key}", READERS["assay-batches"]
    # An analyst reads the quality of batches of enough people, and here are too few.
    expected = 404 if who.holds("CA") else outcome(who, readers, place)
    assert caller.get(f"{path}/qc").status_code == expected
    values = caller.get(f"{path}/values?format=csv").status_code
    assert values == outcome(who, VALUE_READERS, place)
    of_person = caller.get(f"/api/v1/participants/{world.people[place].pk}/values").status_code
    assert of_person == outcome(who, VALUE_READERS, place)
    for verb, roles in (("void", VOID_ASKERS), ("decide-void", VOID_DECIDERS)):
        expected = outcome(who, roles, place)
        status = caller.post(f"{path}/{verb}", {}, format="json").status_code
        # A body that is refused comes before the row is looked for.
        assert status == (400 if expected in (200, 404) else expected), verb
    page = client if who.state == "anonymous" else browse(account_of(who, world, "of pages"))
    expected = page_outcome(who, readers, readers, place)
    assert page.get(reverse("batch", args=[key])).status_code == expected
    expected = page_outcome(who, f"{readers} CA", READERS["sites"], place)
    listed = page.get(reverse("batches", args=[world.sites[place].code])).status_code
    assert listed == expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_a_webhook_is_its_owners_alone(who, world, monkeypatch):
    monkeypatch.setattr(webhook_http, "checked", lambda url, **_options: None)
    body = {"url": "https://example.org/", "events": ["run.released"]}
    caller, made = api_of(who, world), {}
    answer = caller.post("/api/v1/webhooks", body, format="json")
    expected = outcome(who, HOOK_MAKERS, "shared")
    assert answer.status_code == (201 if expected == 200 else expected)
    theirs = models.User.objects.create(username=f"beside {who}")
    made["theirs"] = WebhookEndpoint.objects.create(user=theirs, **body).pk
    if expected == 200:
        made["own"] = answer.json()["id"]
    listed = caller.get("/api/v1/webhooks")
    assert listed.status_code == outcome(who, HOOKED, "shared")
    if listed.status_code == 200:
        assert [row["id"] for row in listed.json()["results"]] == [*filter(None, [made.get("own")])]
    for whose, key in made.items():
        path = f"/api/v1/webhooks/{key}"
        for each in (path, f"{path}/deliveries"):
            status = outcome(who, HOOKED, "shared")
            assert caller.get(each).status_code == (
                404 if (whose, status) == ("theirs", 200) else status
            )
        for verb, roles in (("rotate", HOOK_MAKERS), ("take-up", HOOK_MAKERS), ("end", HOOKED)):
            status = outcome(who, roles, "shared")
            got = caller.post(f"{path}/{verb}", {}, format="json").status_code
            assert got == (404 if (whose, status) == ("theirs", 200) else status), (whose, verb)
        status = outcome(who, HOOK_MAKERS, "shared")
        got = caller.post(f"{path}/replay", {}, format="json").status_code
        assert got == (400 if status == 200 else status)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_the_dictionary_is_kept_by_those_who_may(who, world, browse, client):
    caller, feature = api_of(who, world), f"/api/v1/features/{world.keys['features']['shared']}"
    names = caller.get("/api/v1/features/review").status_code
    assert names == outcome(who, NAME_READERS, "shared")
    lineage = caller.get(f"{feature}/lineage").status_code
    assert lineage == outcome(who, READERS["features"], "shared")
    for verb, roles in (
        *(("decide", NAME_DECIDERS), ("rename", DICTIONARY_KEEPERS)),
        *(("merge", DICTIONARY_KEEPERS), ("split", DICTIONARY_KEEPERS)),
    ):
        expected = outcome(who, roles, "shared")
        status = caller.post(f"{feature}/{verb}", {}, format="json").status_code
        assert status == (400 if expected == 200 else expected), verb
    edit = f"/api/v1/dictionary-edits/{world.keys['dictionary-edits']['shared']}"
    expected = outcome(who, DICTIONARY_KEEPERS, "shared")
    proposed = caller.post("/api/v1/dictionary-edits", {}, format="json").status_code
    assert proposed == (400 if expected == 200 else expected)
    refused = caller.post(f"{edit}/refuse", {"note": " "}, format="json").status_code
    assert refused == (400 if expected == 200 else expected)
    assert caller.post(f"{edit}/approve").status_code == expected
    page = client if who.state == "anonymous" else browse(account_of(who, world, "of pages"))
    shown = page.get(reverse("feature", args=[world.keys["features"]["shared"]])).status_code
    listed = page.get(reverse("names")).status_code
    closed = 302 if who.state in ("anonymous", "inactive") else 403
    assert shown == (200 if who.holds(READERS["features"]) else closed)
    assert listed == (200 if who.holds(NAME_READERS) else closed)
    edits = page.get(reverse("dictionary-edits")).status_code
    assert edits == (200 if who.holds(READERS["dictionary-edits"]) else closed)
    decide = reverse("dictionary-edit-decide", args=[world.keys["dictionary-edits"]["shared"]])
    decided = page.post(decide, {"note": "no"}).status_code
    seen = 403 if who.holds(READERS["dictionary-edits"]) else 404
    if closed == 302 or who.holds(DICTIONARY_KEEPERS):
        seen = 302
    assert decided == seen


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_the_laboratorys_work_is_recorded_by_those_who_may(who, place, world):
    client, site = api_of(who, world), world.sites[place]
    sample = f"/api/v1/samples/{world.keys['samples'][place]}"
    order = f"/api/v1/destructions/{world.keys['destructions'][place]}"
    shipment = f"/api/v1/shipments/{world.keys['shipments'][place]}"
    assert client.get(f"{sample}/handling").status_code == outcome(who, READERS["samples"], place)
    # A body that is refused as such shows that the door was open; no word, that it was not.
    for path, roles in (
        (f"{sample}/divide", DIVIDERS),
        (f"{sample}/measure", HANDLERS),
        (f"{sample}/move", HANDLERS),
        (f"{sample}/process", HANDLERS),
        (f"{order}/record", DESTROYERS),
        (f"{shipment}/receive", SHIPPERS),
        (f"{shipment}/complete", SHIPPERS),
    ):
        expected = outcome(who, roles, place)
        status = client.post(path, {}, format="json").status_code
        assert status == (400 if expected == 200 else expected), path
    assert client.post(f"{sample}/thaw").status_code == outcome(who, HANDLERS, place)
    approved = client.post(f"{order}/approve").status_code
    expected = outcome(who, DESTRUCTION_APPROVERS, place)
    assert approved == (409 if expected == 200 else expected)
    body = {"from_site": site.code, "to_site": "TO" + site.code, "samples": ["none"]}
    body |= {"courier": "by hand", "sent_at": timezone.now().isoformat()}
    expected = outcome(who, SHIPPERS, place)
    status = client.post("/api/v1/shipments", body, format="json").status_code
    assert status == (409 if expected == 200 else expected)
    box = {"site": site.code, "code": "B9"}
    expected = outcome(who, DIVIDERS, place)
    status = client.post("/api/v1/boxes", box, format="json").status_code
    assert status == (201 if expected == 200 else expected)
