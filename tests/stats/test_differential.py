"""Language versions of a scale: equal to R's ordinal and MASS, and blind to nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import differential as module
from analysis.stats import ordinal
from analysis.stats.differential import differential_items
from analysis.stats.errors import UnusableData
from analysis.stats.ordinal import _Likelihood, fit_proportional_odds
from tests.stats import r_reference

TABLE = pd.read_csv(r_reference.REFERENCE / "items.csv")
ITEMS = TABLE.drop(columns="language")
R = r_reference.stored("psychometrics")


def columns_of_all():
    score = (ITEMS.sum(axis=1) - ITEMS.sum(axis=1).mean()).to_numpy()[:, None]
    shift = np.column_stack([TABLE.language == "fr", TABLE.language == "ja"]).astype(float)
    return np.hstack([score, shift, score * shift])


@pytest.mark.parametrize("item", ITEMS.columns)
def test_proportional_odds_are_those_of_clm_and_of_polr(item):
    ours, theirs = fit_proportional_odds(ITEMS[item], columns_of_all()), R[item]
    assert ours.converged
    for name in ("coefficients", "se", "thresholds"):
        np.testing.assert_allclose(getattr(ours, name), theirs[name], rtol=1e-8)
    assert ours.log_likelihood == pytest.approx(theirs["log_likelihood"][3], rel=1e-12)
    # polr climbs by BFGS and stops a little below the top.
    np.testing.assert_allclose(ours.coefficients, theirs["polr_coefficients"], rtol=1e-4)
    assert ours.log_likelihood >= theirs["polr_log_likelihood"][0] - 1e-9


@pytest.mark.parametrize(
    "name",
    ["p_uniform", "p_nonuniform", "p_overall", "nagelkerke_uniform", "nagelkerke", "mcfadden"],
)
def test_tests_and_sizes_are_those_of_clm(name):
    ours = getattr(differential_items(ITEMS, TABLE.language), name)
    np.testing.assert_allclose(ours, [R[item][name][0] for item in ITEMS], rtol=1e-8)


def test_the_item_that_a_language_shifts_is_found_and_sized():
    found = differential_items(ITEMS, TABLE.language)
    assert found.languages == ("en", "fr", "ja")
    assert found.item[int(np.argmin(found.p_uniform))] == "item_3"
    assert found.size[2] == "large"
    assert set(found.reason) == {""}


def test_a_score_from_elsewhere_may_match_people_instead():
    total = ITEMS.sum(axis=1)
    given_score = differential_items(ITEMS, TABLE.language, total)
    np.testing.assert_allclose(
        given_score.p_overall, differential_items(ITEMS, TABLE.language).p_overall
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_people_and_names_of_languages_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(ITEMS))
    renamed = TABLE.language.map(dict(zip(["en", "fr", "ja"], rng.permutation(3), strict=True)))
    before = differential_items(ITEMS, TABLE.language)
    after = differential_items(ITEMS.iloc[order], renamed.iloc[order])
    np.testing.assert_allclose(after.p_overall, before.p_overall, rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_derivatives_are_those_of_the_likelihood(seed):
    rng = np.random.default_rng(seed)
    likelihood = _Likelihood(rng.integers(0, 4, 30), 3, rng.normal(size=(30, 2)))
    cuts = np.sort(rng.normal(0, 2, 3)) + np.array([-1, 0, 1])
    here = np.concatenate([cuts, rng.normal(size=2)])
    gradient, hessian = likelihood.derivatives(here)
    for number, step in enumerate(1e-5 * np.eye(5)):
        slope = (likelihood.value(here + step) - likelihood.value(here - step)) / 2e-5
        assert gradient[number] == pytest.approx(slope, rel=1e-4, abs=1e-5)
        up, down = likelihood.derivatives(here + step)[0], likelihood.derivatives(here - step)[0]
        np.testing.assert_allclose(hessian[number], (up - down) / 2e-5, rtol=1e-4, atol=1e-4)
    assert likelihood.value(here[[2, 1, 0, 3, 4]]) == -np.inf


def test_languages_that_answer_alike_are_told_apart_no_more_often_than_said():
    rng = np.random.default_rng(8)
    found = []
    for _ in range(25):
        person = rng.normal(size=(150, 1))
        items = (person + rng.logistic(size=(150, 8)) > 0).astype(int) + (
            person + rng.logistic(size=(150, 8)) > 1
        )
        found.append(differential_items(items, rng.integers(0, 2, 150)).p_overall)
    # Three errors of 0.05 in 200 are 0.046.
    assert (np.array(found) < 0.05).mean() == pytest.approx(0.05, abs=0.046)


def test_an_item_without_a_test_says_why():
    table = pd.DataFrame({"a": [0, 1, 0, 1] * 6, "b": [0, 0, 1, 1] * 6, "c": [2] * 24})
    table["d"] = (table.a + table.b > 1).astype(int)
    found = differential_items(table, ["ja", "en"] * 4 + ["en", "ja"] * 8)
    assert found.reason[2:] == (module.CONSTANT_ITEM, module.SEPARATED)
    assert np.isnan(found.p_overall[2:]).all()
    assert found.size[2:] == ("", "")


def test_a_language_whose_people_share_a_score_has_no_slope():
    items = [[0, 1], [1, 0], [0, 1], [1, 1], [0, 0], [2, 1]]
    found = differential_items(items, ["en"] * 3 + ["ja"] * 3)
    assert found.reason == (module.ALIKE,) * 2


def test_answers_without_columns_have_their_shares_as_thresholds():
    fit = fit_proportional_odds([0, 0, 1, 2], np.empty((4, 0)))
    np.testing.assert_allclose(fit.thresholds, [0.0, np.log(3)], atol=1e-12)
    assert fit.log_likelihood == pytest.approx(2 * np.log(0.5) + 2 * np.log(0.25))


def test_a_start_far_from_the_top_is_climbed_from_by_shorter_steps():
    codes = ITEMS["item_1"].to_numpy()
    likelihood = _Likelihood(codes, codes.max(), columns_of_all())
    near = fit_proportional_odds(codes, columns_of_all())
    start = np.concatenate([np.arange(codes.max()) * 3.0 + 9, np.full(5, 0.5)])
    found, _, converged = ordinal._climbed(likelihood, start)
    assert converged
    np.testing.assert_allclose(found[codes.max() :], near.coefficients, rtol=1e-8)


def test_a_climb_that_is_not_done_in_time_says_so(monkeypatch):
    monkeypatch.setattr(ordinal, "_MOST_STEPS", 1)
    assert not fit_proportional_odds(ITEMS["item_1"], columns_of_all()).converged


def test_perfect_separation_is_no_fit():
    assert not fit_proportional_odds([0, 0, 1, 1], np.array([[1.0], [2.0], [3.0], [4.0]])).converged


@pytest.mark.parametrize(
    ("gain", "size"), [(0.034, "negligible"), (0.05, "moderate"), (0.2, "large")]
)
def test_sizes_are_those_of_jodoin_and_gierl(gain, size):
    assert module._size(gain) == size


@pytest.mark.parametrize(
    ("language", "score", "message"),
    [
        (["ja"] * 4, None, r"used the language \['ja'\]: nothing to compare"),
        (["ja", "en"], None, "2 language labels"),
        (["ja", None, "en", "en"], None, "Row 1 has no language"),
        (["ja", "", "en", "en"], None, "Row 1 has no language"),
        (["ja", "ja", "en", "en"], [1, 2], "needs 4 finite numbers"),
        (["ja", "ja", "en", "en"], [1, 2, 3, np.nan], "needs 4 finite numbers"),
    ],
)
def test_unusable_input_is_refused_with_its_place(language, score, message):
    with pytest.raises(UnusableData, match=message):
        differential_items([[0, 1], [1, 1], [2, 0], [2, 1]], language, score)


def test_one_answer_alone_is_nothing_to_explain():
    with pytest.raises(UnusableData, match="nothing to explain"):
        fit_proportional_odds([1, 1], np.empty((2, 0)))
