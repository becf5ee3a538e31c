"""Settings chosen without the tested site, and leaks that must not pass for biomarkers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from analysis.stats import logistic
from analysis.stats.classify import leave_one_site_out, standardise_by_site
from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.importance import over_sites
from analysis.stats.learners import settings_in_words
from analysis.stats.logistic import ElasticNet
from analysis.stats.nested import nested_leave_one_site_out
from analysis.stats.roc_compare import compare_auc

PLAIN = ({"min_leaf": 5, "max_features": "sqrt"},)
THREE = (*PLAIN, {"min_leaf": 12, "max_features": "sqrt"}, {"min_leaf": 5, "max_features": 0.9})


def study(seed=1, per_site=40, sites="ABCDE", n_features=8, shift=1.2):
    """Values, labels and sites; the first feature is higher in cases by ``shift``."""
    rng = np.random.default_rng(seed)
    site = np.repeat(list(sites), per_site)
    labels = rng.integers(0, 2, len(site))
    values = rng.normal(size=(len(site), n_features))
    values[:, 0] += shift * labels
    return values, labels, site


def run(data, grid=PLAIN, n_trees=15, **options):
    options = {"rng": np.random.default_rng(2), "n_important": 0} | options
    learner = options.pop("learner", RandomForest(n_trees, grid))
    return nested_leave_one_site_out(*data, learner=learner, **options)


# --- the same as a grid search in every outer fold, with fewer fits -------------------------------


def test_scores_and_choices_are_those_of_a_grid_search_in_every_outer_fold():
    values, labels, site = study(shift=0.8, sites="ABCD", per_site=30)
    values[np.random.default_rng(3).random(values.shape) < 0.05] = np.nan
    found = run((values, labels, site), THREE, n_trees=7)
    seed = int(np.random.default_rng(2).integers(2**31 - 1))
    forest = RandomForestClassifier(7, random_state=seed)
    peer = make_pipeline(SimpleImputer(strategy="median"), forest)
    grid = [
        {
            "randomforestclassifier__min_samples_leaf": [settings["min_leaf"]],
            "randomforestclassifier__max_features": [settings["max_features"]],
        }
        for settings in THREE
    ]
    standard = standardise_by_site(values, site)
    for choice in found.choices:
        test, train = site == choice.site, site != choice.site
        search = GridSearchCV(peer, grid, scoring="roc_auc", cv=LeaveOneGroupOut())
        search.fit(standard[train], labels[train], groups=site[train])
        np.testing.assert_allclose(choice.inner_auc, search.cv_results_["mean_test_score"])
        assert choice.settings == THREE[search.best_index_]
        expected = search.predict_proba(standard[test])[:, 1]
        np.testing.assert_allclose(found.scores[test], expected, rtol=1e-12)


def test_five_sites_and_three_settings_take_35_fits():
    assert run(study(per_site=20), THREE, n_trees=2).n_fits == 35
    assert run(study(per_site=20), PLAIN, n_trees=2).n_fits == 5


def test_one_setting_gives_the_plain_forests_area():
    data = study()
    nested = run(data, n_trees=40)
    plain = leave_one_site_out(*data, rng=np.random.default_rng(2), n_trees=40)
    assert nested.auc.auc == pytest.approx(plain.auc.auc, abs=0.05)
    assert nested.choices[0].inner_auc == ()


def test_two_sites_cannot_choose_settings_and_say_so():
    found = run(study(sites="AB"), THREE)
    assert [choice.settings for choice in found.choices] == [THREE[0], THREE[0]]
    assert any("too few sites to choose settings by" in note for note in found.notes)


def test_a_single_tested_site_has_no_interval_for_other_sites():
    values, labels, site = study(sites="AB")
    labels[site == "B"] = np.r_[1, np.zeros(39, dtype=int)]
    values = np.vstack([values, values[:40] + 0.1])
    labels, site = np.r_[labels, np.ones(40, int)], np.r_[site, np.repeat("C", 40)]
    found = run((values, labels, site))
    assert [entry.auc is None for entry in found.by_site] == [False, True, True]
    assert found.site_bootstrap is None
    assert any("one site could be tested" in note for note in found.notes)


# --- nothing of a left-out site reaches the model that judges it ----------------------------------


@pytest.mark.parametrize("scale", ["within_site", "training"])
@pytest.mark.parametrize("learner", [RandomForest(4, THREE), ElasticNet(logistic.GRID[:2])])
def test_a_sites_labels_have_no_part_in_its_own_scores(learner, scale):
    values, labels, site = study()
    before = run((values, labels, site), learner=learner, scale=scale)
    turned = np.where(site == "C", 1 - labels, labels)
    after = run((values, turned, site), learner=learner, scale=scale)
    here = site == "C"
    np.testing.assert_array_equal(after.scores[here], before.scores[here])
    assert after.choices[2].inner_auc == before.choices[2].inner_auc
    assert (after.scores[~here] != before.scores[~here]).any()


def test_on_the_training_scale_a_sites_values_have_no_part_in_its_model():
    values, labels, site = study()
    before = run((values, labels, site), scale="training")
    moved, rows = values.copy(), np.flatnonzero(site == "C")
    moved[rows[1:]] = moved[rows[1:]] * 9 - 40
    after = run((moved, labels, site), scale="training")
    assert after.scores[rows[0]] == before.scores[rows[0]]


def test_a_feature_that_knows_the_sites_share_of_cases_is_caught():
    values, _, site = study(per_site=60, shift=0.0, n_features=2)
    share = pd.Series({"A": 0.9, "B": 0.7, "C": 0.5, "D": 0.3, "E": 0.1})[site].to_numpy()
    labels = (np.random.default_rng(4).random(len(site)) < share).astype(int)
    leaking = np.column_stack([values, 100 * share])
    found = run((leaking, labels, site), scale="training", n_trees=40)
    assert found.auc.ci_low < 0.5 < found.auc.ci_high
    assert found.auc_all_pairs.auc > found.auc.auc + 0.1
    assert any("tells sites apart, not cases" in words for words in found.warnings)
    assert not any("tells sites apart" in words for words in run((leaking, labels, site)).warnings)


def test_a_feature_that_is_the_label_itself_is_named():
    values, labels, site = study(shift=0.0)
    frame = pd.DataFrame(values, columns=[f"m{i}" for i in range(8)])
    frame["arginine"] = np.where(site == "A", -labels, 3.0 * labels)
    frame["m3"] = np.where(site == "D", np.nan, 1.0 * labels)  # not at every site
    found = run((frame, labels, site))
    assert sum("arginine: alone parts cases from controls" in said for said in found.warnings) == 1
    assert not any("m3: alone" in said for said in found.warnings)


def test_noise_stays_noise_however_many_settings_are_tried():
    areas = [
        run(study(seed, shift=0.0, per_site=20), THREE, n_trees=4).auc.auc for seed in range(4)
    ]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.09)


# --- the report ----------------------------------------------------------------------------------


def test_the_report_has_intervals_calibration_and_the_feature_that_counts():
    found = run(study(), THREE, n_trees=30, n_important=3, n_repeats=3)
    assert found.auc.ci_low > 0.6
    assert found.site_bootstrap.ci_low < found.auc.auc < found.site_bootstrap.ci_high
    assert np.nanargmax(found.importance.drop) == 0
    assert found.importance.drop[0] > 0.1
    assert found.importance.spread[0] < 0.2
    assert found.calibration.slope > 0.5
    assert [code for code, _ in found.calibration_by_site] == list("ABCDE")
    assert found.features_left_out == ()


def test_renamed_sites_and_reordered_people_have_the_same_logistic_scores():
    values, labels, site = study()
    order = np.random.default_rng(5).permutation(len(labels))
    named = dict(zip("ABCDE", "QRSTU", strict=True))
    learner = ElasticNet(logistic.GRID[:2])
    before = run((values, labels, site), learner=learner)
    shuffled = (values[order], labels[order], np.array([named[code] for code in site[order]]))
    after = run(shuffled, learner=learner)
    np.testing.assert_allclose(after.scores, before.scores[order], atol=1e-4)


def test_what_age_explains_is_taken_out_inside_each_training_fold():
    values, labels, site = study(shift=0.0)
    age = 30 + 10 * labels + np.random.default_rng(5).normal(0, 5, len(labels))
    values[:, 0] = age
    for scale, at_most in (("within_site", 0.7), ("training", 0.6)):
        plain = run((values, labels, site), scale=scale)
        adjusted = run((values, labels, site), covariates=age, scale=scale)
        assert plain.auc.ci_low > 0.75
        assert adjusted.auc.auc < at_most


def test_the_rounding_left_of_what_age_explains_in_full_is_no_feature():
    _, labels, site = study(shift=0.0, n_features=1)
    age = 30 + 10 * labels + np.random.default_rng(5).normal(0, 5, len(labels))
    found = run((3 * age[:, None] + 7, labels, site), covariates=age, scale="training")
    assert found.auc.auc == 0.5


def test_importance_over_sites_weighs_them_by_pairs_and_leaves_gaps():
    drops = np.array([[0.2, np.nan, np.nan], [0.1, 0.3, np.nan]])
    found = over_sites(drops, np.array([30.0, 10.0]))
    np.testing.assert_allclose(found.drop, [0.175, 0.3, np.nan])
    np.testing.assert_allclose(found.spread, [np.sqrt(0.005), np.nan, np.nan])


# --- the plain rival -----------------------------------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("n_features", [6, 90])
def test_the_elastic_net_is_that_of_sklearn(n_features, l1_ratio):
    values, labels, _ = study(n_features=n_features, sites="AB")
    values = values - values.mean(axis=0)
    settings = {"l1_ratio": l1_ratio, "strength": 0.3}
    found = ElasticNet().fit(values, labels.astype(bool), settings, seed=0)
    steepest = np.abs(values.T @ (labels - labels.mean())).max() / len(labels)
    strength = len(labels) * 0.3 * steepest / l1_ratio
    peer = LogisticRegression(
        l1_ratio=l1_ratio, C=1 / strength, solver="saga", tol=1e-8, max_iter=50_000
    ).fit(values, labels)
    np.testing.assert_allclose(found.slopes, peer.coef_[0], atol=2e-6)
    assert found.intercept[0] == pytest.approx(peer.intercept_[0], abs=2e-5)
    assert found.importance.sum() == pytest.approx(1)


def test_an_empty_model_knows_the_share_of_cases_alone():
    labels = np.resize([True, False, False], 30)
    nothing = ElasticNet().fit(np.zeros((30, 2)), labels, logistic.GRID[0], seed=0)
    np.testing.assert_allclose(nothing.probability(np.ones((4, 2))), 1 / 3)
    values = np.random.default_rng(1).normal(size=(30, 2))
    full = ElasticNet().fit(values, labels, {"l1_ratio": 1.0, "strength": 1.0}, seed=0)
    np.testing.assert_allclose(full.slopes, 0, atol=1e-9)


def test_forest_and_logistic_regression_are_compared_on_the_same_people():
    values, labels, site = study(per_site=60)
    forest = run((values, labels, site))
    linear = run((values, labels, site), learner=ElasticNet(logistic.GRID[:1]))
    pair = compare_auc(labels, linear.scores, forest.scores, site)
    assert pair.first == pytest.approx(linear.auc.auc)
    assert pair.second == pytest.approx(forest.auc.auc)
    assert pair.difference > 0  # one linear feature: the rival's own ground


def test_settings_read_as_words():
    assert settings_in_words(THREE[2]) == "min_leaf 5, max_features 0.9"


# --- refusals ------------------------------------------------------------------------------------


def test_studies_and_learners_that_cannot_be_judged_are_refused():
    values, labels, site = study(per_site=20)
    with pytest.raises(UnusableData, match="its grid is empty"):
        run((values, labels, site), grid=())
    with pytest.raises(UnusableData, match=r"No site can be tested .A: 20 cases and 0 controls"):
        run((values, (site == "A").astype(int), site))


def test_logistic_settings_out_of_range_and_fits_that_do_not_settle_are_refused(monkeypatch):
    values, labels, _ = study()
    with pytest.raises(UnusableData, match=r"l1_ratio 0 and strength 0\.5: both lie"):
        ElasticNet().fit(values, labels == 1, {"l1_ratio": 0.0, "strength": 0.5}, seed=0)
    monkeypatch.setattr(logistic, "MAX_STEPS", 2)
    with pytest.raises(UnusableData, match="did not settle in 2 steps"):
        ElasticNet().fit(values, labels == 1, logistic.GRID[2], seed=0)


def test_a_pair_of_sites_that_leaves_one_group_alone_is_no_inner_fold():
    values, labels, site = study(sites="ABC")
    labels[site == "C"] = 1
    found = run((values, labels, site), THREE)
    assert [choice.inner_auc for choice in found.choices] == [(), ()]
    assert found.n_fits == 2


# --- real data -----------------------------------------------------------------------------------


def test_real_hearts_are_told_apart_at_each_hospital_left_out(real_data):
    people = pd.read_csv(real_data / "heart_four_sites" / "participants.csv")
    table = pd.read_csv(real_data / "heart_four_sites" / "measurements.csv")
    names = ["resting_sbp", "max_heart_rate", "exercise_angina", "st_depression", "chest_pain_code"]
    values = table.set_index("participant_id").loc[people["participant_id"], names]
    data = (values, people["case"].to_numpy(), people["site"].to_numpy(dtype=str))
    forest = run(data, n_trees=40)
    linear = run(data, learner=ElasticNet(logistic.GRID[:1]))
    assert forest.auc.ci_low > 0.7
    assert linear.auc.ci_low > 0.7
    assert len(forest.calibration_by_site) == 4
    assert roc_auc_score(data[1], forest.scores) > 0.7


def colorectal_cohorts(folder, *cohorts):
    """Logarithms of the metabolites that carry an HMDB id in three or more cohorts, and people."""
    overlap = pd.read_csv(folder / "hmdb_overlap.csv")
    tables = []
    for cohort in cohorts:
        column = overlap.dropna(subset=[cohort]).drop_duplicates("hmdb").set_index("hmdb")[cohort]
        table = pd.read_csv(folder / f"measurements_{cohort}.csv", index_col="sample_id")
        table = table[column.to_list()].set_axis(column.index, axis=1)
        if (table >= 0).all(axis=None):  # two cohorts come as logarithms
            detected = table.where(table > 0)
            table = np.log(detected.fillna(detected.min() / 2))
        tables.append(table)
    values = pd.concat(tables)
    people = pd.read_csv(folder / "participants.csv").set_index("sample_id").loc[values.index]
    known = people["case"].notna().to_numpy()
    return values[known], people[known]


def test_real_gut_metabolites_hardly_tell_cancer_at_a_cohort_left_out(real_data):
    values, people = colorectal_cohorts(real_data / "gut_cohorts", "kim", "sinha", "yachida")
    found = run((values, people["case"].astype(int), people["cohort"].astype(str)), n_trees=40)
    assert 0.45 < found.auc.auc < 0.68
    assert found.site_bootstrap.ci_high - found.site_bootstrap.ci_low > 0.08
    assert any("3 sites: too few" in note for note in found.notes)
    assert found.calibration.slope < 0.5  # chances learnt from others' shares of cases mislead
    assert "tested without 9 of 94 features" in found.features_left_out[0]
