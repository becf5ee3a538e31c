"""Lists that grow with the study are read by an index that has their rows in their order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from benchmarks.addresses import addresses, is_list
from cohorts.admin_site import ScopedAdmin
from cohorts.models import (
    Change,
    CustodyEvent,
    Interview,
    Participant,
    Sample,
    Upload,
    Visit,
)
from cohorts.pages import KeyedPaginator
from cohorts.services.audit.audit_trail import Asked, Trail
from cohorts.site_home import tubes_of
from tests.factories import (
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    UploadFactory,
    UserFactory,
    user_with,
)

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
# What does not grow with people, tubes and values: counted in tens or hundreds.
SHORT = re.compile(
    r"auth_.*|django_.*|account_.*|mfa_.*|analysis_.*"
    r"|cohorts_(study|site|user|membership|invitation|apitoken|instrument|consentform|referencerange"
    r"|columnmapping|variabledictionary|protocolvisit|shipment|box|destruction|feature|dictionaryedit"
    r"|acceptancelimits).*"
)
# Few rows, sorted: forms that end soon, by what stands in another table; runs, in hundreds.
SORTED = ("/sites/FUK/renewals/", "/api/v1/consents/renewals", "/admin/analysis/run/")


@pytest.fixture(scope="module", autouse=True)
def _new_tables(django_db_setup, django_db_blocker):
    """What earlier tests wrote and deleted makes an index longer, which a planner minds."""
    with django_db_blocker.unblock():
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def fukuoka(monkeypatch):
    """A site among others; the planner may not think the tables too short for an index."""
    monkeypatch.setattr(ScopedAdmin, "list_per_page", 1)  # or the admin shows all rows at once
    here, there = SiteFactory(code="FUK"), SiteFactory(code="NGO")
    for site in (here, there):
        tube = SampleFactory(participant=ParticipantFactory(site=site))
        person = tube.participant
        UploadFactory(site=site)
        Interview.objects.create(participant=person, interviewed_on=date(2024, 4, 1))
        Visit.objects.create(participant=person, label="baseline")
        CustodyEvent.objects.create(sample=tube, number=1, kind="moved")
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


def test_tubes_of_other_sites_that_lie_here_are_found_by_an_index(fukuoka, browse):
    assert faults_of(browse(user_with("LT", fukuoka)), "/sites/FUK/samples/", Sample) == []


def test_a_sites_tubes_are_counted_in_an_index_alone(fukuoka):
    with CaptureQueriesContext(connection) as seen:
        assert tubes_of(fukuoka).total == 1
    (counted,) = [q["sql"] for q in seen if "GROUP BY" in q["sql"]]
    scans = {node["Node Type"]: node.get("Index Name") for node in _nodes(_plan(counted))}
    assert scans["Index Only Scan"] == "sample_where_it_is"


@pytest.mark.parametrize(("path", "model"), OF_ALL)
def test_the_consortium_reads_its_lists_by_an_index(fukuoka, browse, path, model):
    assert faults_of(browse(user_with("CD")), path, model) == []


def test_the_admin_finds_a_code_by_its_beginning(fukuoka, browse):
    tube = Sample.objects.filter(site=fukuoka).get()
    person = browse(user_with("CD"))
    for code in (tube.code, tube.code[:3], tube.participant.code):
        with CaptureQueriesContext(connection) as seen:
            page = person.get(f"/admin/cohorts/sample/?q={code}")
        counted = [q["sql"] for q in seen if "UNION" in q["sql"] and "COUNT" in q["sql"]]
        assert f"/admin/cohorts/sample/{tube.pk}/change/" in page.text
    assert f"/sample/{tube.pk}/" not in person.get("/admin/cohorts/sample/?q=nobody").text
    assert "sample_by_code" in {node.get("Index Name") for node in _nodes(_plan(counted[0]))}


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


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"by": "somebody"}, "sample_event_user"),
        ({"since": date(2024, 4, 1)}, "sample_event_at"),
        ({"until": date(2024, 4, 1)}, "sample_event_at"),
        ({"by": "somebody", "until": date(2024, 4, 1)}, "sample_event_user"),
    ],
)
def test_few_entries_of_a_trail_are_found_by_an_index(fukuoka, asked, index):
    UserFactory(username="somebody")
    trail = Trail(user_with("SD", fukuoka), fukuoka, Asked(kind="sample", **asked))
    with CaptureQueriesContext(connection) as seen:
        trail.page(25)
    (sql,) = [q["sql"] for q in seen if 'FROM "cohorts_sampleevent"' in q["sql"]]
    nodes = list(_nodes(_plan(sql)))
    assert index in {node.get("Index Name") for node in nodes}
    assert not {"Seq Scan", "Sort"} & {node["Node Type"] for node in nodes}


def walked() -> list[str]:
    """Every list of the API and the admin, and every page that names at most a site."""
    found = [address.replace("{code}", "FUK") for address in addresses()]
    pages = [path for path in found if not path.startswith(("/api/", "/admin/"))]
    return sorted({path for path in found if is_list(path)} | {p for p in pages if "{" not in p})


def _page_faults(client: Any, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as seen:
        client.get(path)
    return [
        f"{path}: {fault} [{sql[:60]}...]"
        for sql in dict.fromkeys(query["sql"] for query in seen)
        if sql.startswith("SELECT")
        for fault in _long_reads(sql)
        if not (path in SORTED and fault.startswith("sorted"))
    ]


def _long_reads(sql: str) -> list[str]:
    """Growing tables that a statement reads whole, or of which a page is sorted."""
    is_page, found = " LIMIT " in sql and "ORDER BY" in sql, []
    for node in _outer_nodes(_plan(sql)):
        tables = {table for table in _tables(node) if not SHORT.fullmatch(table)}
        if node["Node Type"] == "Seq Scan" and tables:
            found.append(f"{node['Relation Name']} is read from end to end")
        if node["Node Type"] == "Sort" and is_page and tables:
            found.append(f"sorted by {node['Sort Key']}")
    return found


def _outer_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Without what is asked anew for each row, such as the last consent of one person."""
    yield node
    for under in node.get("Plans", ()):
        if under.get("Parent Relationship") != "SubPlan":
            yield from _outer_nodes(under)


def _tables(node: dict[str, Any]) -> set[str]:
    return {each["Relation Name"] for each in _nodes(node) if "Relation Name" in each}


@pytest.mark.parametrize("role", ["SD", "SC", "LT", "CD", "AD"])
def test_no_page_or_list_reads_a_growing_table_from_end_to_end(fukuoka, browse, role):
    person = browse(user_with(role, fukuoka if role in ("SD", "SC", "LT") else None))
    paths = walked()
    assert {"/", "/api/v1/samples", "/sites/FUK/samples/", "/admin/cohorts/sample/"} <= set(paths)
    faults = [fault for path in paths for fault in _page_faults(person, path)]
    assert not faults, "\n".join(faults)


def test_a_page_far_in_passes_over_keys_alone():
    tubes = [SampleFactory() for _ in range(5)]
    pages = KeyedPaginator(Sample.objects.select_related("participant").order_by("id"), 2)
    assert [tube for n in (1, 2, 3) for tube in pages.page(n)] == tubes
    with CaptureQueriesContext(connection) as seen:
        assert list(pages.get_page("99")) == tubes[4:]
    [passing] = [query["sql"] for query in seen if "OFFSET" in query["sql"]]
    assert "participant" not in passing.partition("FROM")[0]
