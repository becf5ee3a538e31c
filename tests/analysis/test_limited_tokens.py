"""A token limited to sites reads pooled results as somebody of those sites would."""

from __future__ import annotations

import pandas as pd
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Plan, Run, RunTable
from analysis.services.disclosure.whys import WORDS, Why
from cohorts.models import ApiToken, Site
from tests.factories import SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db
ARMS = {"n_case": 20, "n_control": 20}
NUMBERS = {"estimate": 0.5, "se": 0.1, "df": 38.0, "p": 0.5, "reason": ""}


def a_run(sites: int, *, released: bool = True) -> Run:
    """A published run on so many sites of 20 people in each arm; the first is AAA."""
    codes = [SiteFactory(code=code).code for code in ("AAA", "BBB", "CCC")[:sites]]
    plan = Plan.objects.create(
        study=StudyFactory(), name="p", data={"case": ["a"], "control": ["b"]}
    )
    now = timezone.now()
    run = Run.objects.create(
        plan=plan, state="published", published_at=now, released_at=now if released else None
    )
    cell = {"stratum": "all", "feature": "ornithine", **NUMBERS}
    effects = [{**cell, **ARMS, "site": code} for code in codes]
    total = {name: sites * n for name, n in ARMS.items()}
    pooled = [{**cell, **total, "q": 0.5, "n_sites": sites, "sites": ";".join(codes)}]
    RunTable.of(run, "effects", pd.DataFrame(effects)).save()
    RunTable.of(run, "pooled", pd.DataFrame(pooled)).save()
    return run


def program(role: str, *only: str) -> APIClient:
    site = Site.objects.get(code="AAA") if role == "AU" else None
    sites = Site.objects.filter(code__in=only)
    _, key = ApiToken.objects.issue(user_with(role, site), "notebook", sites=sites)
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


def pooled(client: APIClient, run: Run) -> dict:
    (row,) = client.get(f"/api/v1/runs/{run.pk}/pooled").json()
    return row


@pytest.mark.parametrize("role", ["CA", "CD", "AU"])
def test_a_pool_with_one_other_site_is_hidden_from_a_token_of_one_site(role):
    run = a_run(2)
    assert pooled(program(role), run)["estimate"] == 0.5
    limited = pooled(program(role, "AAA"), run)
    assert (limited["estimate"], limited["n_case"], limited["reason"]) == (
        None,
        None,
        WORDS[Why.INSIDER],
    )


@pytest.mark.parametrize(("only", "shown"), [(["AAA"], True), (["AAA", "BBB"], False)])
def test_a_pool_with_two_other_sites_of_k_people_is_shown(only, shown):
    run = a_run(3)
    assert (pooled(program("CA", *only), run)["estimate"] == 0.5) == shown


@pytest.mark.parametrize("role", ["CD", "AU"])
def test_a_limited_token_reads_nothing_before_its_release(role):
    run = a_run(3, released=False)
    anywhere, limited = program(role), program(role, "AAA")
    for path in (f"/api/v1/runs/{run.pk}/pooled", "/api/v1/runs/latest?plan=p"):
        assert anywhere.get(path).status_code == 200
        assert limited.get(path).status_code == 404


def test_a_limited_tokens_etag_is_its_own_and_its_poll_costs_a_304():
    """The quick answer to a poll judges the token as the whole answer does."""
    run = a_run(3)
    user = user_with("AU", Site.objects.get(code="AAA"))
    tags = []
    for sites in ([], [Site.objects.get(code="AAA")]):
        _, key = ApiToken.objects.issue(user, "notebook", sites=sites)
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
        tag = client.get(f"/api/v1/runs/{run.pk}")["ETag"]
        again = client.get(f"/api/v1/runs/{run.pk}", HTTP_IF_NONE_MATCH=tag)
        assert again.status_code == 304
        tags.append(tag)
    assert tags[0] != tags[1]
