"""What analysts are told over HTTP, past the disclosure rules."""

from __future__ import annotations

import pytest

from analysis.models import Run
from tests.analysis.published_study import at


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
