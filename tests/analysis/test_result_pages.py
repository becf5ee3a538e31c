"""Tables of results come whole or in pages, and claims by their verdict."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Claim, Plan, Run, RunTable, Verdict
from cohorts.models import ApiToken
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    _, key = ApiToken.objects.issue(user_with("CD"), "notebook")
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


@pytest.fixture
def run():
    plan = Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})
    now = timezone.now()
    made = Run.objects.create(
        plan=plan, state="published", key="k", published_at=now, released_at=now
    )
    rows = [{"stratum": "all", "feature": f"f{n}", "p": n / 10, "reason": ""} for n in range(5)]
    RunTable.of(made, "pooled", pd.DataFrame(rows)).save()
    return made


def test_pages_in_their_order_are_the_whole_table(client, run):
    whole = client.get(f"/api/v1/runs/{run.pk}/pooled").json()
    url, seen, sizes = f"/api/v1/runs/{run.pk}/pooled?page_size=2", [], []
    while url:
        answer = client.get(url)
        seen += answer.json()
        sizes.append(len(answer.json()))
        found = re.fullmatch(r'<(.+)>; rel="next"', answer.get("Link", ""))
        url = found[1] if found else ""
    assert seen == whole
    assert sizes == [2, 2, 1]


def test_a_page_is_of_the_rows_that_were_chosen(client, run):
    url = f"/api/v1/runs/{run.pk}/pooled?p_below=0.25&page_size=2&fields=feature"
    answer = client.get(url)
    assert answer.json() == [{"feature": "f0"}, {"feature": "f1"}]
    assert client.get(f"{url}&cursor=2").json() == [{"feature": "f2"}]
    assert "Link" not in client.get(f"{url}&cursor=2")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("page_size=0", "A number from 1 to 10000."),
        ("page_size=x", "A number from 1 to 10000."),
        ("page_size=2&cursor=-1", "Take it from the Link header."),
    ],
)
def test_what_is_no_page_is_refused_in_words(client, run, query, sentence):
    answer = client.get(f"/api/v1/runs/{run.pk}/pooled?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"] == sentence


def test_claims_are_found_by_their_verdict(client, run):
    for code, word in (("K1", "replicated"), ("K2", "undecided")):
        claim = Claim.objects.create(code=code, study=run.plan.study, kind="feature", stratum="all")
        Verdict.objects.create(
            run=run, claim=claim, stratum="all", verdict=word, n_sites=2, n_case=30, n_control=30
        )
    found = client.get("/api/v1/claims?verdict=replicated").json()
    assert [row["claim"] for row in found] == ["K1"]
