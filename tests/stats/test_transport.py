"""A frozen classifier keeps no person and is judged where it has not been."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.logistic import ElasticNet
from analysis.stats.site_folds import standardise_by_site
from analysis.stats.transport import freeze, thaw, transport

FOREST = {"min_leaf": 5, "max_features": "sqrt"}
NET = {"l1_ratio": 0.5, "strength": 0.1}


def study(seed=1, per_site=60, sites="ABC", shift=1.5):
    rng = np.random.default_rng(seed)
    site = np.repeat(list(sites), per_site)
    labels = rng.integers(0, 2, len(site))
    values = rng.normal(size=(len(site), 6))
    values[:, 0] += shift * labels
    return pd.DataFrame(values, columns=[f"m{i}" for i in range(6)]), labels, site


def frozen(data=None, learner=None, settings=FOREST, **options):
    return freeze(
        *(data or study()),
        learner=learner or RandomForest(n_trees=30),
        settings=settings,
        rng=np.random.default_rng(2),
        **options,
    )


@pytest.fixture(params=["forest", "logistic"])
def model(request):
    return frozen() if request.param == "forest" else frozen(learner=ElasticNet(), settings=NET)


def test_the_kept_trees_vote_as_sklearns_forest_did():
    values, labels, site = study()
    seed = int(np.random.default_rng(2).integers(2**31 - 1))
    peer = RandomForestClassifier(30, min_samples_leaf=5, random_state=seed)
    peer.fit(standardise_by_site(values, site).astype(np.float32), labels)
    new = study(seed=9, sites="N")[0]
    expected = peer.predict_proba(standardise_by_site(new, ["N"] * 60).astype(np.float32))[:, 1]
    # Its shares are counted by class, ours by a sum of labels: the last bit may differ.
    np.testing.assert_allclose(frozen().scores(new), expected, rtol=1e-14)


def test_what_is_written_and_read_again_scores_the_same(model):
    new = study(seed=9, sites="N")[0]
    again = thaw(model.to_json(), model.to_npz())
    np.testing.assert_array_equal(again.scores(new), model.scores(new))
    assert again.to_json() == model.to_json()


def test_what_is_kept_holds_no_row_and_needs_no_pickle(model, tmp_path):
    (tmp_path / "model.npz").write_bytes(model.to_npz())
    values, _, site = study()
    rows = standardise_by_site(values, site)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as stored:
        arrays = [stored[name] for name in stored.files]
    assert not any(array.shape[:1] == (len(rows),) for array in arrays)
    everything = np.concatenate([array.ravel() for array in arrays])
    assert not np.isin(rows, everything).any(axis=1).any()
    about = json.loads(model.to_json())
    assert "no row or label is kept" in about["kept"]
    assert about["sites"] == ["A", "B", "C"]


def test_a_new_site_is_judged_with_its_level_set_right(model):
    values, labels, _ = study(seed=9, sites="N", per_site=150)
    rare = (labels == 0) | (np.arange(150) % 4 == 0)  # a third as many cases as in training
    found = transport(model, values[rare], labels[rare], site="NGO")
    assert found.auc.ci_low > 0.65
    assert found.shift < 0
    assert found.recalibrated.in_the_large == pytest.approx(0, abs=0.05)
    assert found.recalibrated.brier < found.calibration.brier
    assert found.features_missing == ()


def test_a_site_with_another_unit_is_standardised_by_itself_or_not_at_all():
    new = study(seed=9, sites="N")[0]
    by_itself, by_training = frozen(), frozen(scale="training")
    np.testing.assert_allclose(by_itself.scores(new * 17.1 + 4), by_itself.scores(new))
    assert (by_training.scores(new * 17.1 + 4) != by_training.scores(new)).any()
    one = by_training.scores(new.iloc[[5]])
    assert one[0] == by_training.scores(new)[5]


def test_a_feature_that_the_new_site_lacks_is_named_and_filled():
    values, labels, _ = study(seed=9, sites="N")
    found = transport(frozen(), values.drop(columns="m3"), labels, site="NGO")
    assert found.features_missing == ("m3",)
    assert found.warnings == (
        "NGO: m3 not measured, training medians taken",
        "NGO: 60 people; slope and level of calibration are rough",
    )


@pytest.mark.parametrize(("n", "told"), [(99, 1), (100, 0)])
def test_calibration_is_called_rough_below_a_hundred_people(n, told):
    values, labels, _ = study(seed=9, sites="N", per_site=n)
    assert len(transport(frozen(), values, labels, site="NGO").warnings) == told


def test_a_feature_of_one_site_alone_is_not_in_the_model():
    values, labels, site = study()
    values.loc[site != "A", "m5"] = np.nan
    assert frozen((values, labels, site)).names == ("m0", "m1", "m2", "m3", "m4")


def test_a_model_is_not_judged_at_a_site_that_trained_it():
    values, labels, site = study()
    with pytest.raises(UnusableData, match="B is one of the sites that trained the model"):
        transport(frozen(), values[site == "B"], labels[site == "B"], site="B")


def test_unfit_values_and_altered_files_are_refused():
    model, new = frozen(), study(seed=9, sites="N")[0]
    with pytest.raises(UnusableData, match="3 of the model's 6 features are missing, such as m0"):
        model.scores(new[["m3", "m4", "m5"]])
    with pytest.raises(UnusableData, match="finds its features by name"):
        model.missing(np.ones((3, 2)))
    with pytest.raises(UnusableData, match="row 0, feature 0 is infinite"):
        model.scores(new.replace(new.iloc[0, 0], np.inf))
    with pytest.raises(UnusableData, match="their digests differ"):
        thaw(model.to_json(), frozen(study(seed=3)).to_npz())
    with pytest.raises(UnusableData, match="format is 'else'"):
        thaw('{"format": "else"}', b"")


def test_a_study_that_teaches_nothing_is_not_frozen():
    values, labels, site = study()
    with pytest.raises(UnusableData, match="180 cases of 180 people and 6 features"):
        frozen((values, np.ones_like(labels), site))
    with pytest.raises(UnusableData, match="0 features at two thirds of the sites"):
        frozen((values * np.nan, labels, site))


def test_real_hearts_of_three_hospitals_foretell_the_fourth(real_data):
    people = pd.read_csv(real_data / "heart_four_sites" / "participants.csv")
    table = pd.read_csv(real_data / "heart_four_sites" / "measurements.csv")
    names = ["max_heart_rate", "exercise_angina", "st_depression", "chest_pain_code"]
    values = table.set_index("participant_id").loc[people["participant_id"], names]
    case, new = people["case"].to_numpy(), (people["site"] == "hungarian").to_numpy()
    assert new.sum() > 200
    model = frozen((values[~new], case[~new], people["site"][~new].to_numpy(dtype=str)))
    found = transport(model, values[new], case[new], site="hungarian")
    assert found.auc.ci_low > 0.75
    assert found.calibration.expected_to_observed > 1.1  # fewer of its people were ill
    assert found.recalibrated.brier <= found.calibration.brier + 0.01
