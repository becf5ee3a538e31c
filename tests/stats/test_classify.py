"""The classifier at unseen sites, and the area under the ROC curve that judges it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analysis.stats.classify import (
    grow_forest,
    judge_forest,
    leave_one_site_out,
    score_sites,
    standardise_by_site,
)
from analysis.stats.errors import UnusableData
from analysis.stats.roc import Auc, auc, stratified
from analysis.stats.site_folds import read_study
from tests.stats.r_reference import stored

PROC = stored("roc_proc")


def study(seed=1, per_site=60, sites="ABC", n_features=12, shift=0.0):
    """Values, labels and sites; the first feature is higher in cases by ``shift``."""
    rng = np.random.default_rng(seed)
    site = np.repeat(list(sites), per_site)
    labels = rng.integers(0, 2, len(site))
    values = rng.normal(size=(len(site), n_features))
    values[:, 0] += shift * labels
    return values, labels, site


def run(values, labels, site, seed=2, **options):
    options = {"n_trees": 40, "rng": np.random.default_rng(seed)} | options
    return leave_one_site_out(values, labels, site, **options)


# --- the area under the curve --------------------------------------------------------------------


@pytest.mark.parametrize("marker", PROC["markers"])
def test_the_auc_and_its_delong_variance_are_those_of_proc(marker):
    expected = PROC["markers"][marker]
    found = auc(PROC["labels"], expected["scores"])
    assert found.auc == pytest.approx(expected["auc"], rel=1e-12)
    assert found.variance == pytest.approx(expected["variance"], rel=1e-12)
    assert (found.n_case, found.n_control) == (41, 72)


scored_people = st.lists(
    st.tuples(st.booleans(), st.integers(-5, 5)), min_size=4, max_size=40
).filter(lambda people: 2 <= sum(case for case, _ in people) <= len(people) - 2)


@settings(max_examples=80, deadline=None)
@given(people=scored_people)
def test_the_auc_is_the_share_of_pairs_in_order_inside_its_interval(people):
    labels, scores = zip(*people, strict=True)
    found = auc(labels, scores)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores))
    assert 0 <= found.ci_low <= found.auc <= found.ci_high <= 1
    assert found.ci_high > found.ci_low


@settings(max_examples=50, deadline=None)
@given(people=scored_people)
def test_calling_cases_controls_mirrors_the_auc_and_its_interval(people):
    labels, scores = (np.array(part) for part in zip(*people, strict=True))
    found, mirrored = auc(labels, scores), auc(~labels, scores)
    assert mirrored.auc == pytest.approx(1 - found.auc)
    assert mirrored.ci_low == pytest.approx(1 - found.ci_high)


def test_fifteen_people_in_perfect_order_still_leave_room_for_a_fair_auc():
    found = auc([1] * 7 + [0] * 8, range(15, 0, -1))
    assert found.auc == 1
    assert found.ci_low == pytest.approx(0.025 ** (1 / 7))


def test_the_interval_covers_the_true_auc_of_small_studies():
    rng, covered = np.random.default_rng(3), 0
    for _ in range(400):
        found = auc([1] * 15 + [0] * 15, np.r_[rng.normal(1.5, 1, 15), rng.normal(0, 1, 15)])
        covered += found.ci_low <= 0.85557 <= found.ci_high  # Phi(1.5 / sqrt 2)
    assert covered >= 0.92 * 400


def test_only_pairs_of_the_same_site_are_counted():
    high, low = auc([1, 1, 0, 0], [12, 14, 11, 13]), auc([1, 1, 0, 0], [2, 4, 1, 3])
    together = stratified([high, low])
    assert together.auc == pytest.approx((high.auc + low.auc) / 2)
    assert together.variance == pytest.approx((high.variance + low.variance) / 4)
    assert (together.n_case, together.n_control) == (4, 4)


def test_a_site_in_perfect_order_does_not_make_the_pooled_auc_certain():
    perfect = auc([1, 1, 0, 0], [3, 4, 1, 2])
    together = stratified([perfect, perfect])
    assert together.auc == 1
    assert together.ci_low == pytest.approx(0.025 ** (1 / 4))
    assert stratified([perfect, Auc(0.5, 0.01, 0.3, 0.7, 9, 9)]).variance > 0.01 * (81 / 85) ** 2


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 0, 0], [1, 2, 3], "at least 2 cases and 2 controls, got 1 and 2"),
        ([1, 1, 0, 2], [1, 2, 3, 4], "Labels must be one column of 1"),
        ([1, 1, 0, 0], [1, 2, 3, np.nan], "1 scores are not finite"),
        ([1, 1, 0, 0], [1, 2, 3], "4 labels but 3 scores"),
    ],
)
def test_scores_that_cannot_be_judged_are_refused(labels, scores, message):
    with pytest.raises(UnusableData, match=message):
        auc(labels, scores)


# --- sites left out ------------------------------------------------------------------------------


def test_a_real_difference_is_found_at_every_unseen_site():
    found = run(*study(shift=1.5))
    assert found.auc.ci_low > 0.6
    assert all(entry.auc.auc > 0.65 for entry in found.by_site)
    assert np.argmax(found.importance) == 0
    assert found.importance.sum() == pytest.approx(1)
    assert not np.isnan(found.scores).any()


def test_a_forest_grown_without_the_site_says_of_it_what_one_that_left_it_out_says():
    values, labels, site = study(shift=1.0)
    values[site == "C", 3] = np.nan
    away, whole = site == "C", read_study(values, labels, site)
    (told,) = judge_forest(whole, ("C",), n_trees=20, seed=5)
    others = read_study(values[~away], labels[~away], site[~away])
    fitted = grow_forest(others, whole.there("C"), n_trees=20, seed=5)
    scores, importance, left_out = score_sites(fitted, whole.values[away])
    np.testing.assert_array_equal(scores, told.scores)
    np.testing.assert_array_equal(importance, told.importance)
    assert np.flatnonzero(left_out).tolist() == [3]


def test_noise_is_not_called_a_difference():
    areas = [run(*study(seed, n_features=40, per_site=30)).auc.auc for seed in range(12)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.06)


def test_a_feature_that_gives_the_label_away_through_the_site_gains_nothing():
    values, _, site = study(per_site=80)
    rng = np.random.default_rng(4)
    case_share = pd.Series({"A": 0.9, "B": 0.5, "C": 0.1})
    labels = (rng.random(len(site)) < case_share[site].to_numpy()).astype(int)
    platform = case_share[site].to_numpy()[:, None] * 100
    found = run(np.hstack([values + platform, platform]), labels, site)
    assert found.auc.ci_low < 0.5 < found.auc.ci_high
    assert found.importance[-1] == 0


def test_a_feature_missing_in_one_group_alone_gives_nothing_away():
    values, labels, site = study(n_features=4)
    values[labels == 0, 2] = np.nan
    found = run(values, labels, site)
    assert found.importance[2] == 0
    assert any("column 2" in words for words in found.features_left_out)
    assert found.auc.ci_low < 0.5


def test_features_that_few_training_sites_measured_are_left_out_by_name():
    values, labels, site = study(sites="ABCD", per_site=30, n_features=3)
    values[(site == "A") | (site == "B"), 1] = np.nan
    frame = pd.DataFrame(values, columns=["arginine", "citrulline", "ornithine"])
    found = run(frame, labels, site)
    # A and B lack it; where C is left out only D of three training sites has it.
    assert found.features_left_out == (
        "A, B, C, D: tested without 1 of 3 features, not measured there or at under two thirds of "
        "the other sites: citrulline",
    )
    assert found.importance[1] == 0


def test_groups_that_part_completely_raise_a_warning_about_their_collection():
    found = run(*study(shift=12.0))
    assert len(found.warnings) == 3
    assert "collected, stored or assayed apart" in found.warnings[0]


def test_a_site_of_cases_alone_trains_the_others_and_has_a_reason_for_no_auc():
    values, labels, site = study(shift=1.5)
    labels[site == "B"] = 1
    found = run(values, labels, site)
    entry = found.by_site[1]
    assert entry.auc is None
    assert "60 cases and 0 controls" in entry.reason
    assert np.isnan(found.scores[site == "B"]).all()
    assert found.auc.n_case == labels[site != "B"].sum()


def test_a_gain_or_an_offset_of_one_site_changes_nothing():
    values, labels, site = study(shift=1.0)
    moved = np.where((site == "B")[:, None], values * 17.1 + 1000, values)
    np.testing.assert_allclose(run(values, labels, site).scores, run(moved, labels, site).scores)


def test_what_age_alone_explains_does_not_count_once_age_is_a_covariate():
    values, labels, site = study(per_site=100)
    age = 30 + 10 * labels + np.random.default_rng(5).normal(0, 5, len(labels))
    values[:, 0] = age + np.random.default_rng(6).normal(0, 3, len(labels))
    covariates = pd.DataFrame({"age_years": age, "sex": np.where(labels == 1, "female", "male")})
    plain = run(values, labels, site)
    adjusted = run(values, labels, site, covariates=covariates[["age_years"]])
    assert plain.auc.ci_low > 0.75
    assert adjusted.auc.auc < 0.7


def test_a_site_without_ages_is_tested_without_adjustment():
    values, labels, site = study(shift=1.5)
    age = np.where(site == "A", np.nan, 40.0 + labels)
    assert run(values, labels, site, covariates=age).by_site[0].auc is not None


def test_the_same_seed_gives_the_same_scores_and_another_seed_others():
    data = study(shift=1.0, per_site=30)
    np.testing.assert_array_equal(run(*data).scores, run(*data).scores)
    assert (run(*data, seed=2).scores != run(*data, seed=3).scores).any()


def test_a_site_tells_its_own_mean_and_deviation_away_but_keeps_its_gaps():
    values = np.array([[1.0, 5], [3, 5], [np.nan, 5], [10, 1], [30, 3]])
    standard = standardise_by_site(values, ["A", "A", "A", "B", "B"])
    root = np.sqrt(0.5)
    expected = [[-root, 0], [root, 0], [np.nan, 0], [-root, -root], [root, root]]
    np.testing.assert_allclose(standard, expected)


def test_a_study_that_cannot_be_tested_is_refused_with_the_reason_of_each_site():
    values, labels, site = study(per_site=20)
    with pytest.raises(UnusableData, match="at least 2 sites, got 1"):
        run(values[:20], labels[:20], site[:20])
    apart = (site == "A").astype(int)
    with pytest.raises(UnusableData, match=r"No site can be tested .A: 20 cases and 0 controls"):
        run(values, apart, site)
    with pytest.raises(UnusableData, match="60 site labels"):
        run(values, labels[:-1], site)
    with pytest.raises(UnusableData, match="row 0, feature 1 is infinite"):
        run(np.where(values > 2, np.inf, values), labels, site)
    few = (np.arange(60) % 20 < 2).astype(int)
    with pytest.raises(UnusableData, match="the other sites have 4 cases and 36 controls"):
        run(values, few, site)
    apart = np.where((site == "A")[:, None] == (np.arange(12) < 6), values, np.nan)
    with pytest.raises(UnusableData, match="no feature of this site is measured at two thirds"):
        run(apart[site != "C"], labels[site != "C"], site[site != "C"])
    with pytest.raises(UnusableData, match="No site has 2 cases and 2 controls"):
        stratified([])
