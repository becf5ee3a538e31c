"""Result tables over HTTP: their forms, some of their rows, and polls that cost nothing."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from analysis.models import Run
from analysis.services import runs
from cohorts.models import Feature
from tests.analysis.published_study import DOCUMENTS, TABLES, at

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


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_the_form_in_the_address_goes_before_the_one_that_the_client_accepts(
    study, client_of, accept
):
    answer = client_of("CA").get(at(study, "pooled"), {"format": "parquet"}, HTTP_ACCEPT=accept)
    assert answer.status_code == 200
    assert answer.getvalue()[:4] == b"PAR1"


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
        (
            "effects",
            {"q_below": "0.05"},
            "This is not asked here; choose from class, cursor",
        ),
        ("pooled", {"site": "FUK"}, "This is not asked here; choose from class, cursor"),
        ("claims", {"page": "2"}, "This is not asked here; choose from fields, format, stratum,"),
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


def test_a_class_that_no_feature_is_of_is_refused_with_those_that_there_are(study, client_of):
    Feature.objects.filter(name="ornithine").update(chemical_class="Amino acids")
    answer = client_of("CA").get(at(study, "pooled"), {"class": "amino acid"})
    assert answer.status_code == 400
    (said,) = answer.json()["errors"]
    assert said["pointer"] == "/class"
    assert said["detail"] == "No feature is of the class 'amino acid'; choose from Amino acids."


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
