"""Records, uploads and results are read by those who may, and a hole that was cut is found."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cohorts import models
from tests.access.table import (
    BEFORE_RELEASE,
    ON_REQUEST,
    READERS,
    RESULT_READERS,
    RESULT_TAKERS,
    RESULTS,
    SHARED,
    UPLOAD_READERS,
)
from tests.access.world import EVERYBODY, Identity, World, api_of, outcome

pytestmark = pytest.mark.django_db


def leaks_of_reading(who: Identity, world: World) -> list[str]:
    """Where an answer differs from the rules, for records of sites and shared reference data."""
    client, wrong = api_of(who, world), []

    def check(label: str, url: str, expected: int) -> Any:
        answer = client.get(url)
        if answer.status_code != expected:
            wrong.append(f"{label}: {answer.status_code}, expected {expected}")
        return answer

    for resource, roles in READERS.items():
        if resource in ("runs", "uploads"):
            continue
        places = world.keys[resource]
        for place, key in places.items():
            check(f"{resource} of {place}", f"/api/v1/{resource}/{key}", outcome(who, roles, place))
        listed = check(f"{resource} list", f"/api/v1/{resource}/", outcome(who, roles, "shared"))
        if listed.status_code == 200:
            expected = {key for place, key in places.items() if outcome(who, roles, place) == 200}
            wrong += compare(resource, listed.json(), expected)
            csv = client.get(f"/api/v1/{resource}?format=csv").content.decode()
            if csv.count("\n") != (len(expected) + 1 if expected else 1):
                wrong.append(f"{resource}: a CSV of {csv.count(chr(10))} lines")
            if resource not in SHARED and resource not in ("sites", "changes", "shipments"):
                for place, site in world.sites.items():
                    only = client.get(f"/api/v1/{resource}?site={site.code}").json()
                    wrong += compare(resource, only, expected & {places[place]})
    return wrong


def compare(resource: str, body: Any, expected: set[str]) -> list[str]:
    rows = body if isinstance(body, list) else body["results"]
    name = {"sites": "code", "claims": "claim"}.get(resource, "id")
    seen = {str(row[name]) for row in rows}
    return [] if seen == expected else [f"{resource}: lists {seen}, expected {expected}"]


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_records_are_read_as_the_table_says(who, world):
    assert leaks_of_reading(who, world) == []


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_enrolment_is_counted_for_those_who_read_people(who, place, world):
    told = api_of(who, world).get(f"/api/v1/sites/{world.sites[place].code}/enrolment")
    assert told.status_code == outcome(who, READERS["participants"], place)
    if told.status_code == 200:
        assert sum(month["new"] for month in told.json()["months"]) == told.json()["n"]


HOLES = {
    "participants": models.participant.ParticipantQuerySet,
    "consents": models.consent.ConsentQuerySet,
    "consent-forms": models.consent.ConsentFormQuerySet,
    "withdrawals": models.consent.WithdrawalQuerySet,
    "erasures": models.erasure.ErasureQuerySet,
    "exports": models.export_request.ExportRequestQuerySet,
    "samples": models.sample.SampleQuerySet,
    "assessments": models.assessment.AssessmentQuerySet,
    "assay-batches": models.assay.AssayBatchQuerySet,
    "changes": models.change.ChangeQuerySet,
    "queries": models.query.QueryQuerySet,
    "boxes": models.sample.BoxQuerySet,
    "shipments": models.shipment.ShipmentQuerySet,
    "destructions": models.custody.DestructionQuerySet,
    "sites": models.site.SiteQuerySet,
}


@pytest.mark.parametrize("resource", HOLES)
def test_the_matrix_finds_a_hole_that_was_cut_on_purpose(resource, world, monkeypatch):
    monkeypatch.setattr(HOLES[resource], "visible_to", lambda rows, user: rows, raising=False)
    found = leaks_of_reading(Identity("SD", "own"), world)
    assert any(f"{resource} of other: 200, expected 404" in leak for leak in found)
    assert any(f"{resource}: lists" in leak for leak in found)


def test_the_matrix_finds_a_door_that_never_asks_for_the_role(world, monkeypatch):
    monkeypatch.setattr("cohorts.api.base.TablePermission.has_permission", lambda *_: True)
    assert leaks_of_reading(Identity("LT", "own"), world)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_uploads_are_read_by_those_who_read_what_is_in_them(who, world):
    client = api_of(who, world)
    listed = client.get("/api/v1/uploads")
    assert listed.status_code == outcome(who, READERS["uploads"], "shared")
    expected = set()
    for place, by_kind in world.uploads.items():
        for kind, key in by_kind.items():
            status = outcome(who, READERS["uploads"], place)
            if status == 200 and not who.holds(UPLOAD_READERS[kind]):
                status = 404
            assert client.get(f"/api/v1/uploads/{key}").status_code == status, kind
            expected |= {key} if status == 200 else set()
    if listed.status_code == 200:
        assert {row["id"] for row in listed.json()["results"]} == expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_runs_are_followed_and_results_are_read_as_the_table_says(who, world):
    client = api_of(who, world)
    progress = outcome(who, READERS["runs"], "shared")
    results = outcome(who, RESULT_READERS, "shared")
    early = who.holds(BEFORE_RELEASE)
    listed = client.get("/api/v1/runs")
    assert listed.status_code == progress
    if progress == 200:
        assert len(listed.json()["results"]) == (2 if early else 1)
    assert client.get("/api/v1/runs/latest?plan=p").status_code == results
    for state, run in world.runs.items():
        told = client.get(f"/api/v1/runs/{run.pk}")
        assert told.status_code == progress
        if progress == 200:
            shown = results == 200 and (state == "released" or early)
            assert ("sites" in told.json()) == shown
        for part in RESULTS:
            expected = 404 if results == 200 and state == "held" and not early else results
            status = client.get(f"/api/v1/runs/{run.pk}/{part}").status_code
            assert status == expected, (state, part)
        for part in ON_REQUEST:
            beside = client.get(f"/api/v1/runs/{run.pk}/{part}").status_code
            assert beside == (404 if results == 200 else results), (state, part)
        takes = outcome(who, RESULT_TAKERS, "shared")
        expected = 404 if takes == 200 and state == "held" and not early else takes
        assert client.get(f"/api/v1/runs/{run.pk}/crate").status_code == expected, state


def test_a_laboratory_reads_nothing_that_would_unblind_it(world):
    person = world.people["own"]
    models.Participant.objects.filter(pk=person.pk).update(
        sex="intersex", birth_year=1987, group="pre_hikikomori"
    )
    client = api_of(Identity("LT", "own"), world)
    for resource in READERS:
        text = client.get(f"/api/v1/{resource}").content.decode()
        assert not any(word in text for word in ("intersex", "pre_hikikomori", "birth"))
        # The year by itself, for digits of a time or an identifier may hold it.
        assert not re.search(r"(?<![\w.-])1987(?![\w-])", text)
    (sample,) = client.get("/api/v1/samples").json()["results"]
    assert sample["participant"] == person.code
    assert client.get("/api/v1/samples?group=hikikomori").status_code == 400


def test_an_analyst_reads_no_code_and_no_small_count(world):
    models.Change.objects.create(
        study=world.sites["own"].study,
        site=world.sites["own"],
        kind="withdrawal",
        counts={"withdrawal": 1},
        cause="erase",
    )
    client = api_of(Identity("CA", "everywhere"), world)
    few = client.get("/api/v1/changes?kind=withdrawal").json()["results"]
    assert [(row["site"], row["counts"], row["cause"]) for row in few] == [
        (None, {"withdrawal": None}, "")
    ]
    assert client.get("/api/v1/changes?kind=withdrawal&site=OWN").json()["results"] == []
    manager = api_of(Identity("CD", "everywhere"), world)
    (whole,) = manager.get("/api/v1/changes?kind=withdrawal&site=OWN").json()["results"]
    assert whole["counts"] == {"withdrawal": 1}


# --- the matrix of writing
