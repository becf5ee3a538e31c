"""Runs over HTTP: what is told, to whom, in which form, and when a poll costs nothing."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from analysis.models import Claim, Plan, Run
from analysis.services import freshness, runs
from cohorts.models import ApiToken, Feature, Site
from tests.factories import StudyFactory, assayed_site, user_with

FEATURES = ["decanoylcarnitine", "ornithine", "=cmd|' /C calc'!A0"]
ARMS = ["hikikomori"] * 12 + ["healthy_control"] * 12
PLAN = {
    "case": ["hikikomori"],
    "control": ["healthy_control"],
    "covariates": [],
    "effect_of_interest": 1.5,  # three small sites are to see a large effect
    "n_trees": 10,
    "severity_permutations": 0,
    "strata": ["all", "men", "women"],
}
TABLES = ("effects", "pooled", "claims")
DOCUMENTS = ("harmonisation", "classifier", "severity", "changes")


def a_site(code: str, seed: int) -> Site:
    """12 people in each arm, 6 men and 6 women; decanoylcarnitine is higher in cases."""
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(3, 0.3, (24, len(FEATURES))))
    values[:12, 0] *= 2
    sex = ["male", "female"] * 12
    return assayed_site(code, values, group=ARMS, features=FEATURES, sex=sex)


def published(plan: Plan) -> Run:
    run = runs.request(plan, cause="a test")
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.PUBLISHED, run.failure
    return run


@pytest.fixture(scope="module")
def study(django_db_setup, django_db_blocker):
    """Three sites and a published run, computed once for this module, truly committed."""
    with django_db_blocker.unblock():
        try:
            for seed, code in enumerate(("FUK", "OSA", "TYO")):
                a_site(code, seed)
            plan = Plan.objects.create(study=StudyFactory(), name="kyushu", data=PLAN)
            for code, marker, stratum in (
                ("K1", "decanoylcarnitine", "all"),
                ("K2", "ornithine", "women"),
            ):
                Claim.objects.create(
                    code=code,
                    study=plan.study,
                    kind="feature",
                    marker=marker,
                    markers=[marker],
                    matrix="plasma",
                    stratum=stratum,
                    direction="higher",
                    doi="10.1/x",
                    citation="A paper.",
                )
            yield published(plan)
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def client_of(db):
    def client(role: str, site: str = "") -> APIClient:
        logged_in = APIClient()
        place = Site.objects.get(code=site) if site else None
        logged_in.force_authenticate(user_with(role, place))
        return logged_in

    return client


@pytest.fixture
def silent_broker(monkeypatch):
    rung: list[tuple[str, ...]] = []
    monkeypatch.setattr(freshness, "ring", lambda task, *args, **_: rung.append((task, *args)))
    return rung


def at(run: Run, part: str = "") -> str:
    return f"/api/v1/runs/{run.pk}/{part}".rstrip("/")


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


# --- one table in three forms


@pytest.mark.parametrize("role", ["CD", "CA"])
@pytest.mark.parametrize("table", ["effects", "pooled"])
def test_csv_and_parquet_say_what_json_says(study, client_of, role, table):
    client = client_of(role)
    as_json = pd.DataFrame(client.get(at(study, table)).json())
    sent = client.get(at(study, table), {"format": "csv"})
    assert sent["Content-Type"] == "text/csv; charset=utf-8"
    as_csv = pd.read_csv(io.BytesIO(sent.getvalue()), keep_default_na=False, na_values=[""])
    asked = client.get(at(study, table), HTTP_ACCEPT="application/vnd.apache.parquet")
    as_parquet = pd.read_parquet(io.BytesIO(asked.getvalue()))
    assert list(as_json) == list(as_csv) == list(as_parquet)
    numbers = as_parquet.select_dtypes("number").columns
    assert {"estimate", "se", "p", "n_case"} <= set(numbers)
    for name in numbers:
        left, *others = (
            frame[name].astype(float).to_numpy() for frame in (as_json, as_csv, as_parquet)
        )
        for other in others:
            np.testing.assert_array_equal(left, other)
    for name in set(as_json) - set(numbers):
        read = as_csv[name].astype(object).fillna("").astype(str).str.removeprefix("'")
        assert read.tolist() == (as_json[name].astype(object).fillna("").astype(str).tolist())


def test_no_text_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(study, client_of):
    text = client_of("CD").get(at(study, "effects"), {"format": "csv"}).getvalue().decode()
    assert ",'=cmd|" in text
    assert ",=cmd|" not in text
    estimates = pd.read_csv(io.StringIO(text))["estimate"]
    assert (estimates < 0).any()  # a minus sign made no text of it


def test_a_document_has_no_csv_form_and_an_error_stays_a_problem(study, client_of):
    client = client_of("CD")
    assert client.get(at(study, "classifier"), {"format": "csv"}).status_code == 404
    refused = client.get(at(study, "pooled"), {"q_below": "small", "format": "csv"})
    assert refused.status_code == 400
    assert refused["Content-Type"] == "application/problem+json"
    assert json.loads(refused.content)["errors"][0]["pointer"] == "/q_below"


# --- some rows, some columns


def test_the_columns_that_are_asked_for_are_sent_in_that_order(study, client_of):
    client, asked = client_of("CA"), {"fields": "q, feature", "stratum": "all"}
    rows = client.get(at(study, "pooled"), asked).json()
    assert [list(row) for row in rows] == [["q", "feature"]] * 3
    csv = client.get(at(study, "pooled"), {**asked, "format": "csv"}).getvalue().decode()
    assert csv.startswith("q,feature\n")
    claims = client.get(at(study, "claims"), {"fields": "claim,verdict"}).json()
    assert {"claim": "K1", "verdict": "replicated"} in claims


@pytest.mark.parametrize(
    ("part", "asked", "words"),
    [
        ("effects", {"q_below": "0.05"}, "This is not asked here; choose from feature, class"),
        ("pooled", {"site": "FUK"}, "This is not asked here; choose from feature, class"),
        ("claims", {"page": "2"}, "This is not asked here; choose from stratum, verdict, fields."),
        ("claims", {"verdict": "yes"}, "One of replicated, opposite, undecided, not_testable."),
    ],
)
def test_a_question_that_would_be_left_out_of_account_is_refused(
    study, client_of, part, asked, words
):
    answer = client_of("CA").get(at(study, part), asked)
    assert answer.status_code == 400
    (told,) = answer.json()["errors"]
    assert told["detail"].startswith(words)
    assert client_of("CA").get("/api/v1/claims", {"verdict": "yes"}).status_code == 400


@pytest.mark.parametrize("part", TABLES)
def test_a_column_that_is_not_there_is_refused_by_name(study, client_of, part):
    answer = client_of("CA").get(at(study, part), {"fields": "stratum,code"})
    assert answer.status_code == 400
    (told,) = answer.json()["errors"]
    assert told["pointer"] == "/fields"
    assert told["detail"].startswith("There is no column 'code'; choose from ")


def test_results_are_found_by_chemical_class_and_its_edit_moves_the_etag(study, client_of):
    Feature.objects.filter(name="ornithine").update(chemical_class="Amino acids")
    client, asked = client_of("CA"), {"class": "amino ACIDS", "stratum": "all"}
    first = client.get(at(study, "pooled"), asked)
    assert [row["feature"] for row in first.json()] == ["ornithine"]
    Feature.objects.filter(name="decanoylcarnitine").update(chemical_class="Amino acids")
    again = client.get(at(study, "pooled"), asked, HTTP_IF_NONE_MATCH=first["ETag"])
    assert len(again.json()) == 2


def test_claims_are_found_by_their_verdict(study, client_of):
    rows = client_of("CA").get(at(study, "claims"), {"verdict": "replicated"}).json()
    assert {row["verdict"] for row in rows} == {"replicated"}
    rows = client_of("CA").get(at(study, "claims"), {"verdict": "Opposite"}).json()
    assert "replicated" not in {row["verdict"] for row in rows}


# --- polling


@pytest.mark.parametrize("part", ["", *TABLES, *DOCUMENTS])
def test_an_unchanged_answer_is_not_sent_again(study, client_of, part):
    client = client_of("CA")
    first = client.get(at(study, part))
    again = client.get(at(study, part), HTTP_IF_NONE_MATCH=first["ETag"])
    assert again.status_code == 304
    assert again["ETag"] == first["ETag"]
    assert not again["ETag"].startswith("W/")
    assert not again.content
    for answer in (first, again):
        assert answer["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "Cookie", "Accept"} <= set(answer["Vary"].split(", "))


def test_nothing_is_computed_for_an_unchanged_table(study, client_of, monkeypatch):
    client = client_of("CA")
    etag = client.get(at(study, "effects"))["ETag"]
    monkeypatch.setattr("analysis.services.results.table_for", None)
    assert client.get(at(study, "effects"), HTTP_IF_NONE_MATCH=etag).status_code == 304


def test_forms_views_and_thresholds_have_etags_of_their_own(study, client_of, settings):
    url, analyst = at(study, "effects"), client_of("CA")
    tags = [
        analyst.get(url)["ETag"],
        analyst.get(url, {"format": "csv"})["ETag"],
        analyst.get(url, HTTP_ACCEPT="text/csv")["ETag"],
        analyst.get(url, {"stratum": "men"})["ETag"],
        client_of("CD").get(url)["ETag"],
    ]
    settings.DISCLOSURE_K = 11
    tags.append(analyst.get(url)["ETag"])
    assert len(set(tags)) == len(tags)


def test_the_etag_moves_on_the_day_a_right_may_change(study, client_of, time_machine):
    client = client_of("CA")
    time_machine.move_to("2030-01-01T12:00:00Z")
    first = client.get(at(study))["ETag"]
    time_machine.move_to("2030-01-02T12:00:00Z")
    assert client.get(at(study))["ETag"] != first


def test_the_latest_runs_etag_moves_when_it_is_released(study, client_of):
    client = client_of("CD")
    first = client.get("/api/v1/runs/latest?plan=kyushu")["ETag"]
    Run.objects.filter(pk=study.pk).update(released_at=None, held_because="too few changed")
    assert client.get("/api/v1/runs/latest?plan=kyushu")["ETag"] != first


def test_a_working_run_says_when_to_come_back_and_its_etag_moves(study, client_of):
    client = client_of("CA")
    run = runs.request(study.plan, cause="a test")
    first = client.get(at(run))
    assert first["Retry-After"] == "2"
    assert client.get(at(run), HTTP_IF_NONE_MATCH=first["ETag"])["Retry-After"] == "2"
    Run.objects.filter(pk=run.pk).update(state="running", step="pooling", share_done=0.3)
    later = client.get(at(run), HTTP_IF_NONE_MATCH=first["ETag"])
    assert later.status_code == 200
    assert later.json()["share_done"] == 0.3
    assert "Retry-After" not in client.get(at(study))


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


# --- disclosure


def test_rows_on_few_people_have_no_numbers_for_analysts(study, client_of):
    everything = client_of("CD").get(at(study, "effects"), {"stratum": "men"}).json()
    disclosed = client_of("CA").get(at(study, "effects"), {"stratum": "men"}).json()
    assert {row["n_case"] for row in everything} == {6}
    assert all(row["estimate"] is not None for row in everything)
    assert {row["estimate"] for row in disclosed} == {row["n_case"] for row in disclosed} == {None}
    assert {row["p"] for row in disclosed} == {None}


def test_a_filter_does_not_bring_hidden_rows_back(study, client_of):
    params = {"stratum": "men", "p_below": "1"}
    assert len(client_of("CD").get(at(study, "effects"), params).json()) == 9
    assert client_of("CA").get(at(study, "effects"), params).json() == []


def test_counts_are_rounded_for_those_who_see_results_after_the_check(study, client_of):
    rows = client_of("CA").get(at(study, "effects"), {"stratum": "all"}).json()
    assert {row["n_case"] for row in rows} == {10}
    told = client_of("SC", "FUK").get(at(study)).json()
    assert {site["n_case"] for site in told["sites"]} == {10}


def test_results_not_yet_released_are_only_progress_for_an_analyst(study, client_of):
    Run.objects.filter(pk=study.pk).update(released_at=None, held_because="too few changed")
    analyst = client_of("CA")
    assert analyst.get("/api/v1/runs/latest?plan=kyushu").status_code == 404
    assert analyst.get(at(study, "pooled")).status_code == 404
    assert analyst.get("/api/v1/runs").json()["results"] == []
    assert "sites" not in analyst.get(at(study)).json()
    assert client_of("CD").get(at(study, "pooled")).status_code == 200


def test_an_administrator_sees_no_run_and_reads_no_result(study, client_of):
    administrator = client_of("AD")
    assert administrator.get(at(study)).status_code in (403, 404)
    assert administrator.get(at(study, "effects")).status_code == 403


@pytest.mark.parametrize("key", ["nonsense", "0" * 32, "%00", "9" * 40, "latest2"])
def test_a_run_that_cannot_be_is_not_found(study, client_of, key):
    answer = client_of("CD").get(f"/api/v1/runs/{key}/pooled")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
