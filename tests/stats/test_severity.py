"""Partial least squares on severity: scikit-learn's numbers, and honesty about unseen people."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from analysis.stats.classify import standardise_by_site
from analysis.stats.errors import UnusableData
from analysis.stats.pls import BLOCK, fit_pls
from analysis.stats.severity import fit_severity
from tests.stats.r_reference import stored

R_PLS = stored("severity_pls")


def study(seed=1, n_samples=60, n_features=20, slope=1.0):
    """Values, an HQ-25-like score that follows the first two features, and three sites."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_samples, n_features)) * rng.uniform(0.1, 10, n_features)
    standard = values / values.std(axis=0)
    score = 50 + 10 * (slope * (standard[:, 0] - standard[:, 1]) + rng.normal(size=n_samples))
    return values, score, np.resize(list("ABC"), n_samples)


@pytest.mark.parametrize("n_components", [1, 2, 5])
@pytest.mark.parametrize("n_features", [6, 200])
def test_the_model_and_its_left_out_predictions_are_those_of_sklearn(n_components, n_features):
    values, score, site = study(n_features=n_features)
    found = fit_severity(values, score, site=site, n_components=n_components)
    sklearn = PLSRegression(n_components)
    predicted = cross_val_predict(sklearn, values, score, groups=site, cv=LeaveOneGroupOut())
    np.testing.assert_allclose(found.predicted_cv, predicted, rtol=1e-8)
    total = ((score - score.mean()) ** 2).sum()
    press = ((score - predicted) ** 2).sum()
    assert found.r2 == pytest.approx(sklearn.fit(values, score).score(values, score))
    assert found.q2 == pytest.approx(1 - press / total)
    assert found.rmsecv == pytest.approx(np.sqrt(press / 60))
    rss = total * (1 - found.r2)
    assert found.rmsee == pytest.approx(np.sqrt(rss / (60 - 1 - n_components)))
    assert found.spearman_rho2 == pytest.approx(stats.spearmanr(score, predicted)[0] ** 2)
    assert found.folds == "leave-one-site-out"


def test_vip_is_the_textbook_sum_over_sklearns_weights():
    values, score, _ = study()
    model = PLSRegression(3).fit(values, score)
    explained = (model.x_scores_**2).sum(axis=0) * model.y_loadings_[0] ** 2
    shares = model.x_weights_**2 / (model.x_weights_**2).sum(axis=0)
    expected = np.sqrt(20 * shares @ explained / explained.sum())
    found = fit_severity(values, score, n_components=3)
    np.testing.assert_allclose(found.vip, expected, rtol=1e-8)
    assert (found.vip**2).mean() == pytest.approx(1)
    assert set(np.argsort(found.vip)[-2:]) == {0, 1}


def test_many_features_fit_noise_but_do_not_predict_it():
    values, score, site = study(n_features=300, slope=0.0)
    rng = np.random.default_rng(2)
    found = fit_severity(values, score, site=site, rng=rng, n_permutations=99)
    assert found.r2 > 0.9
    assert found.q2 < 0.1
    assert found.p_permutation > 0.05


def test_severity_that_blood_follows_has_a_small_p():
    values, score, site = study(slope=2.0)
    rng = np.random.default_rng(2)
    found = fit_severity(values, score, site=site, rng=rng, n_permutations=99)
    assert found.p_permutation == pytest.approx(0.01)
    assert found.spearman_rho > 0.7


def test_without_permutations_there_is_no_p():
    assert fit_severity(*study()[:2]).p_permutation is None


def test_sites_of_unlike_mean_severity_spoil_q2_but_not_q2_within_sites():
    values, score, site = study(slope=2.0)
    before = fit_severity(values, score, site=site)
    moved = score + 100.0 * (site == "B")
    after = fit_severity(values, moved, site=site)
    assert after.q2 < 0 < before.q2
    assert after.q2_within_sites > 0.25
    assert fit_severity(values, score).q2_within_sites is None


def test_two_sites_fall_back_to_ten_folds_and_say_so():
    values, score, site = study()
    two = np.where(site == "C", "B", site)
    assert fit_severity(values, score, site=two).folds == "10-fold"
    assert fit_severity(values, score).folds == "10-fold"


def test_gaps_are_filled_with_what_the_training_samples_know():
    values, score, site = study(slope=2.0)
    values[np.random.default_rng(3).random(values.shape) < 0.05] = np.nan
    found = fit_severity(values, score, site=site)
    train, test = site != "A", site == "A"
    medians = np.nanmedian(values[train], axis=0)
    filled = np.where(np.isnan(values), medians, values)
    expected = PLSRegression(2).fit(filled[train], score[train]).predict(filled[test])
    np.testing.assert_allclose(found.predicted_cv[test], expected.ravel(), rtol=1e-8)


def test_people_without_a_score_are_left_out_and_keep_their_place():
    values, score, site = study()
    without = score.copy()
    without[[0, 7]] = np.nan
    found = fit_severity(values, without, site=site)
    kept = ~np.isnan(without)
    alone = fit_severity(values[kept], score[kept], site=site[kept])
    assert (found.n_samples, found.q2) == (58, pytest.approx(alone.q2))
    assert np.isnan(found.predicted_cv[[0, 7]]).all()


def test_a_feature_that_says_nothing_changes_nothing():
    values, score, site = study()
    before = fit_severity(values, score, site=site)
    nothing = np.column_stack([values, np.full(60, 7.3), np.full(60, np.nan)])
    after = fit_severity(nothing, score, site=site)
    assert after.q2 == pytest.approx(before.q2)
    np.testing.assert_allclose(after.vip, [*before.vip, 0, 0])


@settings(max_examples=20, deadline=None)
@given(factor=st.sampled_from([0.01, 17.1, 1000.0]), shift=st.floats(-100, 100))
def test_the_units_of_features_and_score_do_not_matter(factor, shift):
    values, score, site = study()
    before = fit_severity(values, score, site=site)
    after = fit_severity(values * factor + shift, score * factor + shift, site=site)
    assert after.q2 == pytest.approx(before.q2, abs=1e-6)
    assert after.rmsecv == pytest.approx(before.rmsecv * factor, rel=1e-6)
    np.testing.assert_allclose(after.vip, before.vip, rtol=1e-5)


def test_more_components_than_the_data_hold_change_nothing_and_break_nothing():
    values, score, _ = study(n_features=2)
    assert fit_severity(values, score, n_components=5).r2 == pytest.approx(
        fit_severity(values, score, n_components=2).r2
    )


def test_the_same_seed_gives_the_same_folds_and_p():
    values, score, _ = study()
    found = [
        fit_severity(values, score, rng=np.random.default_rng(4), n_permutations=19)
        for _ in range(2)
    ]
    assert found[0].q2 == found[1].q2
    assert found[0].p_permutation == found[1].p_permutation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": np.full(60, 42.0)}, "outcome is 42 for all 60 samples"),
        ({"outcome": np.r_[np.ones(5), np.full(55, np.nan)]}, "at least 10 samples .*, got 5"),
        ({"values": np.ones((60, 3))}, "No feature varies"),
        ({"n_components": 0}, "Components: 0 is no count"),
        ({"n_components": 53}, "53 components for training sets of 54 samples: ask for 1 to 52"),
        ({"n_permutations": 9}, "give rng"),
        ({"outcome": np.arange(59.0)}, "give one row, outcome and site a sample"),
        ({"values": np.full((60, 3), np.inf)}, "row 0, feature 0 is infinite"),
    ],
)
def test_what_cannot_be_modelled_is_refused_with_the_reason(change, message):
    values, score, _ = study()
    with pytest.raises(UnusableData, match=message):
        fit_severity(**({"values": values, "outcome": score} | change))


# --- the same numbers as other programs, and as itself ------------------------------------------


@pytest.mark.parametrize("model", R_PLS["models"], ids=lambda model: str(model["n_components"]))
def test_the_model_is_that_of_rs_pls(model):
    found = fit_severity(
        model["values"], model["outcome"], site=R_PLS["site"], n_components=model["n_components"]
    )
    assert found.q2_within_sites == pytest.approx(model["q2_within"], rel=1e-8)
    for name in ("r2", "q2", "rmsee", "rmsecv", "spearman_rho2", "vip", "predicted_cv"):
        np.testing.assert_allclose(getattr(found, name), model[name], rtol=1e-8, err_msg=name)


@pytest.mark.parametrize("n_features", [15, 90])
def test_an_outcome_among_many_has_the_model_that_it_has_alone(n_features):
    rng = np.random.default_rng(5)
    x, outcomes = rng.normal(size=(40, n_features)), rng.normal(size=(40, BLOCK + 30))
    x -= x.mean(axis=0)
    together = fit_pls(x, outcomes, 4)
    for column in (0, 7, BLOCK, BLOCK + 29):
        alone = fit_pls(x, outcomes[:, [column]], 4)
        np.testing.assert_allclose(
            together.coefficients[:, column], alone.coefficients[:, 0], rtol=1e-8, atol=1e-12
        )
    np.testing.assert_allclose(together.weights, fit_pls(x, outcomes[:, :1], 4).weights, atol=1e-9)


def test_permuted_outcomes_are_judged_by_sklearns_predictions_of_them():
    values, score, site = study(n_samples=45)
    found = fit_severity(
        values, score, site=site, rng=np.random.default_rng(6), n_permutations=30, n_components=3
    )
    rng, permuted = np.random.default_rng(6), np.repeat(score[:, None], 31, axis=1)
    for code in "ABC":
        permuted[site == code, 1:] = rng.permuted(permuted[site == code, 1:], axis=0)
    press = []
    for column in permuted.T:
        predicted = cross_val_predict(
            PLSRegression(3), values, column, groups=site, cv=LeaveOneGroupOut()
        )
        press.append(((column - predicted) ** 2).sum())
    assert found.p_permutation == pytest.approx(np.mean(np.array(press) <= press[0] + 1e-9))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_order_of_people_features_and_site_names_does_not_matter(seed):
    values, score, site = study()
    rng = np.random.default_rng(seed)
    rows, order = rng.permutation(60), rng.permutation(20)
    named = dict(zip("ABC", rng.permutation(list("XYZ")), strict=True))
    before = fit_severity(values, score, site=site, n_components=3)
    after = fit_severity(
        values[np.ix_(rows, order)],
        score[rows],
        site=[named[code] for code in site[rows]],
        n_components=3,
    )
    np.testing.assert_allclose(after.predicted_cv, before.predicted_cv[rows], rtol=1e-8)
    np.testing.assert_allclose(after.vip, before.vip[order], rtol=1e-8)


def test_a_left_out_sites_values_teach_its_model_nothing():
    values, score, site = study(slope=2.0)
    before = fit_severity(values, score, site=site)
    moved, rows = values.copy(), np.flatnonzero(site == "B")
    moved[rows[1:]] *= 50  # all of site B but one person
    after = fit_severity(moved, score + 9.0 * np.isin(np.arange(60), rows[1:]), site=site)
    assert after.predicted_cv[rows[0]] == pytest.approx(before.predicted_cv[rows[0]], rel=1e-9)


def test_real_hearts_disease_grade_is_predicted_at_hospitals_left_out(real_data):
    people = pd.read_csv(real_data / "heart_four_sites" / "participants.csv")
    table = pd.read_csv(real_data / "heart_four_sites" / "measurements.csv").set_index(
        "participant_id"
    )
    values = table.loc[
        people["participant_id"], ["max_heart_rate", "exercise_angina", "st_depression"]
    ]
    site = people["site"].to_numpy(dtype=str)
    found = fit_severity(
        standardise_by_site(values.to_numpy(), site),
        people["severity_0_4"].to_numpy(dtype=float),
        site=site,
        n_components=2,
        rng=np.random.default_rng(7),
        n_permutations=99,
    )
    assert found.folds == "leave-one-site-out"
    assert found.q2_within_sites > 0.1
    assert found.p_permutation == pytest.approx(0.01)


def test_a_model_that_finds_nothing_predicts_the_mean_and_orders_nobody():
    score = np.resize([1.0, 2.0], 36)
    values = np.resize([1.0, 1.0, -1.0, -1.0], 36)[:, None]
    found = fit_severity(values, score, site=np.repeat(list("ABC"), 12), n_components=1)
    assert (found.spearman_rho, found.r2) == (0, pytest.approx(0))


@pytest.mark.parametrize("odd", ["nothing", "a constant", "a feature of one site", "gaps"])
def test_products_that_folds_share_change_no_prediction(odd):
    values, score, site = study(n_samples=90)
    if odd == "a constant":
        values[:, 4] = 7.3
    if odd == "a feature of one site":
        values[:, 5] = np.where(site == "B", 1e6 * values[:, 5], 3.0 + 1e-6 * values[:, 6])
    if odd == "gaps":
        values[3, 2] = np.nan
    alone = fit_severity(values, score, site=site, n_components=4)
    rng = np.random.default_rng(8)
    among = fit_severity(values, score, site=site, n_components=4, rng=rng, n_permutations=40)
    np.testing.assert_allclose(among.predicted_cv, alone.predicted_cv, rtol=1e-8)
