"""Runs over HTTP: what is told of them, and how one is started."""

from __future__ import annotations

import json

import pytest
from rest_framework.test import APIClient

from cohorts.models import ApiToken
from tests.analysis.published_study import DOCUMENTS, TABLES, at
from tests.factories import user_with

# --- what a run says


def test_the_newest_run_is_found_by_its_plan(study, client_of):
    told = client_of("CD").get("/api/v1/runs/latest?plan=kyushu").json()
    assert told["id"] == str(study.pk)
    assert told["state"] == "published"
    assert [site["n_case"] for site in told["sites"]] == [12, 12, 12]


def test_a_plan_without_a_run_is_a_problem_that_says_so(study, client_of):
    answer = client_of("CA").get("/api/v1/runs/latest?plan=other")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "Plan 'other' has no run yet that you can see."


@pytest.mark.parametrize("part", [*TABLES, *DOCUMENTS])
def test_every_part_of_a_run_is_told(study, client_of, part):
    answer = client_of("CD").get(at(study, part))
    assert answer.status_code == 200
    assert answer.json()


def test_the_effect_that_is_in_the_data_is_in_the_answer(study, client_of):
    rows = client_of("CA").get(
        at(study, "pooled"), {"feature": "Decanoylcarnitine", "stratum": "all"}
    )
    (row,) = rows.json()
    assert row["ci_low"] > 0
    assert row["n_sites"] == 3
    assert client_of("CA").get(at(study, "pooled"), {"q_below": "0.2"}).json()[0]["feature"] == (
        "decanoylcarnitine"
    )


def test_the_claims_stand_with_the_verdict_of_the_newest_run(study, client_of):
    rows = client_of("CA").get("/api/v1/claims?plan=kyushu").json()
    assert {row["claim"]: row["verdict"] for row in rows}["K1"] == "replicated"
    assert {"marker", "stratum", "reason", "estimate", "ci_low", "ci_high", "n_sites"} <= set(
        rows[0]
    )
    detail = client_of("CA").get("/api/v1/claims/K1").json()
    assert detail["verdicts"][0]["run"] == str(study.pk)


def test_a_laboratory_reads_the_registry_but_no_verdict(study, client_of):
    rows = client_of("LT", "FUK").get("/api/v1/claims").json()
    assert {row["verdict"] for row in rows} == {None}


# --- starting a run


def test_an_analyst_starts_a_run_and_is_told_where_to_poll(study, client_of, silent_broker):
    client = client_of("CA")
    answer = client.post("/api/v1/runs", {"plan": "kyushu"}, format="json")
    assert answer.status_code == 202
    assert answer["Retry-After"] == "2"
    assert client.get(answer["Location"]).json()["state"] == "queued"
    assert silent_broker == [("analysis.execute", answer.json()["id"])]
    again = client.post("/api/v1/runs/", {"plan": "kyushu"}, format="json")
    assert again["Location"].rstrip("/").rpartition("/")[2] == answer.json()["id"]


def test_who_may_not_start_runs_is_told_so(study, client_of, silent_broker):
    answer = client_of("SD", "FUK").post("/api/v1/runs", {"plan": "kyushu"}, format="json")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Your role does not cover this."
    assert not silent_broker
    unknown = client_of("CA").post("/api/v1/runs", {"plan": "nope"}, format="json")
    assert unknown.status_code == 404


@pytest.mark.parametrize("body", [{}, {"plan": "a\0b"}, {"plan": "\ud800"}, {"plan": ["x"]}, [], 7])
def test_a_body_that_names_no_plan_is_refused(study, client_of, silent_broker, body):
    answer = client_of("CA").post("/api/v1/runs", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"


def test_a_session_needs_its_csrf_token_and_a_bearer_token_does_not(study, db, silent_broker):
    analyst = user_with("CA")
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(analyst)
    assert browser.get(at(study)).status_code == 200
    refused = browser.post("/api/v1/runs", {"plan": "kyushu"}, format="json")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    _, key = ApiToken.objects.issue(analyst, "notebook")
    program = APIClient(enforce_csrf_checks=True, HTTP_AUTHORIZATION=f"Bearer {key}")
    assert program.post("/api/v1/runs", {"plan": "kyushu"}, format="json").status_code == 202
