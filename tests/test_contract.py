"""Whatever is sent, the API answers as its own OpenAPI document says, and never with a 5xx.

Schemathesis makes the requests: some fit the schema, some do not. The suite sends a few to every
operation; HIKI_CONTRACT_CASES=200 sends so many, HIKI_CONTRACT_SEED chooses others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from analysis.models import WebhookEndpoint
from analysis.services import freshness
from cohorts.models import ApiToken
from hikiproject.wsgi import application
from tests.access.world import World, a_world
from tests.factories import MembershipFactory, UserFactory

CASES = int(os.environ.get("HIKI_CONTRACT_CASES", "1"))
SEED = int(os.environ.get("HIKI_CONTRACT_SEED", "1"))
PROMISES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# The manager also holds a site's roles, and so comes as far as anybody with every request.
PEOPLE = {"analyst": ("CA",), "data manager": ("CD", "SC", "SD", "LT")}


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker) -> Iterator[World]:
    with django_db_blocker.unblock():
        try:
            yield a_world()
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture(autouse=True)
def undisturbed(settings, monkeypatch):
    """No broker, and no limit that would answer in place of the operation."""
    settings.RATE_PER_MINUTE = 10**9
    monkeypatch.setattr(freshness, "ring", lambda *args, **kwargs: True)
    # As Django's own test client does: a request is not to close this test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def headers_of(person: str, world: World) -> dict[str, str]:
    user = UserFactory(username=person)
    for role in PEOPLE[person]:
        site = None if role in ("CA", "CD") else world.sites["own"]
        MembershipFactory(user=user, role=role, site=site)
    theirs = WebhookEndpoint.objects.create(
        user=user, url="https://example.org/", events=["run.released"]
    )
    world.keys["webhooks"] = {person: str(theirs.pk)}
    key = ApiToken.objects.issue(user, "contract")[1]
    return {"Authorization": f"Bearer {key}", "Host": "localhost"}


def a_record(path: str, world: World) -> dict[str, str]:
    """The address of something that is there."""
    if "{" not in path:
        return {}
    resource, name = path.split("/")[3], path.split("{")[1].split("}")[0]
    if resource == "runs":
        return {name: str(world.runs["released"].pk)}
    if resource == "uploads":
        return {name: world.uploads["own"]["samples"]}
    return {name: str(next(iter(world.keys[resource].values())))}


def broken_promises(document: dict[str, Any], headers: dict[str, str], world: World) -> list[str]:
    """Every answer that the document does not foresee, with a request that gets it."""
    load_all_checks()
    found: dict[str, str] = {}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        there = a_record(operation.path, world) or None
        for mode in GenerationMode:
            send(operation.as_strategy(mode, path_parameters=there), headers, found)
        if there:
            send(operation.as_strategy(), headers, found)
    return [f"{name}\n{words}" for name, words in found.items()]


def send(requests: Any, headers: dict[str, str], found: dict[str, str]) -> None:
    checks = CHECKS.get_by_names(PROMISES)

    @seed(SEED)
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def one(case: Any) -> None:
        with transaction.atomic():
            answer = case.call(app=application, headers=headers)
            transaction.set_rollback(True)  # each request for itself
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as failures:
            for each in failures.exceptions:
                name = f"{case.operation.label}: {type(each).__name__} {answer.status_code}"
                told = f"{each}\n{case.as_curl_command()}\n{answer.content[:300]!r}"
                found.setdefault(name, told)

    one()


@pytest.mark.django_db
@pytest.mark.parametrize("person", PEOPLE)
def test_every_answer_is_one_that_the_document_foresees(person, document, world):
    found = broken_promises(document, headers_of(person, world), world)
    assert not found, "\n".join(found)


@pytest.mark.django_db
def test_an_answer_that_the_document_does_not_foresee_is_found(document, world, monkeypatch):
    sites = {path: told for path, told in document["paths"].items() if path.endswith("/sites/")}
    monkeypatch.setattr("cohorts.api.records.SiteViewSet.list", lambda view, request: 1 / 0)
    found = broken_promises(document | {"paths": sites}, headers_of("analyst", world), world)
    assert any("ServerError 500" in each for each in found)
