"""Lists that grow with the study are read by an index that has their rows in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from cohorts.admin_site import ScopedAdmin
from cohorts.models import Change, Participant, Sample, Upload
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, UploadFactory, user_with

pytestmark = pytest.mark.django_db
OF_A_SITE = (
    ("/api/v1/participants", Participant),
    ("/api/v1/samples", Sample),
    ("/sites/FUK/participants/", Participant),
    ("/sites/FUK/samples/", Sample),
)
OF_ALL = (
    ("/admin/cohorts/participant/", Participant),
    ("/admin/cohorts/sample/", Sample),
    ("/admin/cohorts/change/", Change),
    ("/admin/cohorts/upload/", Upload),
    ("/api/v1/participants", Participant),
    ("/api/v1/samples", Sample),
    ("/api/v1/changes", Change),
    ("/api/v1/uploads", Upload),
)


@pytest.fixture
def fukuoka(monkeypatch):
    """A site among others; the planner may not think the tables too short for an index."""
    monkeypatch.setattr(ScopedAdmin, "list_per_page", 1)  # or the admin shows all rows at once
    here, there = SiteFactory(code="FUK"), SiteFactory(code="NGO")
    for site in (here, there):
        SampleFactory(participant=ParticipantFactory(site=site))
        UploadFactory(site=site)
        Change.objects.record(study=site.study, site=site, kind="samples", counts={}, cause="t")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    return here


def faults_of(client: Any, path: str, model: type[models.Model]) -> list[str]:
    """Where the plan of the page's rows reads them without an index, or not in its order."""
    table = model._meta.db_table
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    pages = [q["sql"] for q in seen if f'FROM "{table}"' in q["sql"] and "ORDER BY" in q["sql"]]
    pages = [sql for sql in pages if " LIMIT " in sql and sql.startswith("SELECT")]
    assert pages, f"{path} reads no page of {table}"
    return [fault for sql in pages for fault in _faults(_plan(sql), table)]


def _plan(sql: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        (answer,) = cursor.fetchone()
    found = json.loads(answer) if isinstance(answer, str) else answer
    return found[0]["Plan"]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for under in node.get("Plans", ()):
        yield from _nodes(under)


def _faults(plan: dict[str, Any], table: str) -> list[str]:
    found = []
    for node in _nodes(plan):
        mine = node.get("Relation Name") == table
        if node["Node Type"] == "Sort":
            found.append(f"sorted by {node['Sort Key']}")
        if mine and node["Node Type"] == "Seq Scan":
            found.append("read from end to end")
        if mine and "site_id" in node.get("Filter", ""):
            found.append(f"filtered after the index: {node['Filter']}")
    return found


@pytest.mark.parametrize(("path", "model"), OF_A_SITE)
def test_a_site_reads_its_lists_by_an_index(fukuoka, browse, path, model):
    assert faults_of(browse(user_with("SD", fukuoka)), path, model) == []


@pytest.mark.parametrize(("path", "model"), OF_ALL)
def test_the_consortium_reads_its_lists_by_an_index(fukuoka, browse, path, model):
    assert faults_of(browse(user_with("CD")), path, model) == []


@pytest.mark.parametrize(
    ("role", "index", "path", "model"),
    [
        ("SD", "sample_of_a_site", "/api/v1/samples", Sample),
        ("CD", "upload_newest", "/api/v1/uploads", Upload),
    ],
)
def test_a_list_that_has_lost_its_index_is_found(fukuoka, browse, role, index, path, model):
    person = browse(user_with(role, fukuoka if role == "SD" else None))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {index}")
    assert faults_of(person, path, model) != []
