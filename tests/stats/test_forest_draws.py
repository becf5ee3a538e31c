"""A forest of a very large study draws at most so many people a tree, and loses little by it."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from analysis.stats import forest
from analysis.stats.roc import auc


def study(n, seed):
    rng = np.random.default_rng(seed)
    is_case = rng.random(n) < 0.5
    return rng.normal(size=(n, 6)) + np.outer(is_case, [0.8, 0.4, 0, 0, 0, 0]), is_case


def fitted(n_trees=60):
    learner = forest.RandomForest(n_trees=n_trees)
    return learner.fit(*study(800, 1), learner.grid[0], seed=3)


def test_a_tree_draws_no_more_than_the_most(monkeypatch):
    monkeypatch.setattr(forest, "MOST_DRAWN", 40)
    model = fitted()
    n_nodes = np.diff([*model.first, len(model.feature)])
    assert n_nodes.max() <= 2 * 40 // forest.MIN_LEAF - 1


def test_a_study_below_it_draws_as_many_as_there_are(monkeypatch):
    plain = fitted()
    monkeypatch.setattr(forest, "MOST_DRAWN", 800)
    assert np.array_equal(fitted().threshold, plain.threshold)
    assert np.diff([*plain.first, len(plain.feature)]).max() > 2 * 40 // forest.MIN_LEAF - 1


def test_a_fifth_of_the_people_a_tree_costs_little_of_the_area(monkeypatch):
    values, is_case = study(2000, 2)
    whole = auc(is_case, fitted(200).probability(values)).auc
    monkeypatch.setattr(forest, "MOST_DRAWN", 160)
    assert auc(is_case, fitted(200).probability(values)).auc == pytest.approx(whole, abs=0.015)


@pytest.mark.parametrize("walkers", [1, 1700, 10**6])
def test_however_many_walk_at_once_the_votes_are_those_of_the_trees(monkeypatch, walkers):
    values, is_case = study(800, 1)
    monkeypatch.setattr(forest, "_WALKERS", walkers)
    peer = RandomForestClassifier(60, min_samples_leaf=forest.MIN_LEAF, random_state=3)
    peer.fit(values.astype(np.float32), is_case)
    expected = peer.predict_proba(values.astype(np.float32))[:, 1]
    np.testing.assert_allclose(fitted().probability(values), expected, rtol=1e-12)
    assert fitted().probability(values[:0]).shape == (0,)
