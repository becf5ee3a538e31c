"""Every example in the OpenAPI document is sent as it stands, and taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from analysis import webhook_http
from analysis.models import Claim, Plan, Run, RunTable, WebhookEndpoint
from analysis.services import freshness
from tests.access.world import a_run
from tests.factories import MembershipFactory, ParticipantFactory, SiteFactory, StudyFactory

pytestmark = pytest.mark.django_db
ONE_STAGE = pd.DataFrame(
    [
        {"stratum": "all", "feature": "ornithine", "adjusted_for": "", "reason": ""}
        | {"at_bound": False, "n_sites": 3, "n_case": 40, "n_control": 40}
        | dict.fromkeys(("estimate", "se", "ci_low", "ci_high", "p", "site_sd"), 0.5)
        | dict.fromkeys(("residual_sd", "pooled_estimate", "pooled_se"), 0.5)
    ]
)
SENSITIVITY = ONE_STAGE.assign(
    cell=0, changes="", tau2=0.0, i2=0.0, direction="undecided", side="same", by_site=""
)
MODERATED = ONE_STAGE.assign(
    site="FUK", platform="LC-MS", t=1.0, df=30.0, q=0.5, df_prior=4.0, plain_se=0.5, plain_p=0.5
)
Example = tuple[str, str, dict[str, Any], Any]  # method, path, query, body


def examples(document: dict[str, Any]) -> Iterator[Example]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            query = {
                each["name"]: shown["value"]
                for each in operation.get("parameters", [])
                for shown in each.get("examples", {}).values()
            }
            yield from ((method, path, {name: value}, None) for name, value in query.items())
            if len(query) > 1:
                yield method, path, query, None
            content = operation.get("requestBody", {}).get("content", {})
            for shown in content.get("application/json", {}).get("examples", {}).values():
                yield method, path, {}, shown["value"]


@pytest.fixture
def keys() -> dict[str, str]:
    """What the examples name, and the records that their addresses stand for."""
    person = ParticipantFactory(site=SiteFactory(code="FUK"), code="FUK-0001", birth_year=1990)
    data = {"case": ["a"], "control": ["b"]}
    plan = Plan.objects.create(study=StudyFactory(), name="kyushu-2022", data=data)
    Claim.objects.create(code="K1", study=plan.study, kind="feature", stratum="all")
    waiting = Run.objects.create(plan=plan, state="queued")
    released = str(a_run(plan, released=True).pk)
    RunTable.of(Run.objects.get(pk=released), "one_stage", ONE_STAGE).save()
    RunTable.of(Run.objects.get(pk=released), "sensitivity", SENSITIVITY).save()
    RunTable.of(Run.objects.get(pk=released), "moderated", MODERATED).save()
    found = {"participants": str(person.pk), "runs": released, "claims": "K1"}
    return found | {"priority": str(waiting.pk)}


@pytest.fixture
def everybody(keys) -> APIClient:
    """Somebody whom no role keeps from trying an example."""
    user = MembershipFactory(role="CD", site=None).user
    for role in ("SC", "SD", "LT"):
        MembershipFactory(user=user, role=role, site=SiteFactory(code="FUK"))
    hook = {"url": "https://example.org/hook", "events": ["run.released"]}
    keys["webhooks"] = str(WebhookEndpoint.objects.create(user=user, **hook).pk)
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_every_example_is_taken(everybody, keys, monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *args, **kwargs: True)
    # No name of the internet is looked up.
    monkeypatch.setattr(webhook_http, "checked", lambda url, **_options: None)
    document = SchemaGenerator().get_schema(request=None, public=True)
    sent, refused = set(), []
    for method, path, query, body in examples(document):
        parts = path.strip("/").split("/")
        key = keys.get(parts[-1]) if parts[-1] == "priority" else keys.get(parts[2], "")
        here = path.replace("{id}", str(key)).replace("{code}", str(key))
        with transaction.atomic():
            kind = {"data": query} if method == "get" else {"data": body, "format": "json"}
            answer = getattr(everybody, method)(here, **kind)
            transaction.set_rollback(True)
        sent.add((method, path))
        if answer.status_code >= 300:
            refused.append(f"{method} {here} {query or body}: {answer.content.decode()}")
    assert refused == []
    assert {
        ("get", "/api/v1/runs/latest/"),
        ("get", "/api/v1/runs/{id}/pooled/"),
        ("get", "/api/v1/claims/"),
        ("post", "/api/v1/runs/"),
        ("post", "/api/v1/withdrawals/"),
        ("post", "/api/v1/participants/{id}/correct/"),
    } <= sent
