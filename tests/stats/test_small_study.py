"""A small study is fitted in few calls, and comes out as one that is read in tiles."""

import numpy as np
import pytest

from analysis.stats import adjustment, location_scale
from analysis.stats.combat import fit_combat


def study(seed: int, n_batches: int, m: int = 20):
    rng = np.random.default_rng(seed)
    code = rng.permutation(np.arange(60) % n_batches)
    covariates = rng.normal(40, 9, (60, 2))
    values = rng.normal(8, 1, (60, m)) * rng.uniform(0.5, 2, (n_batches, m))[code]
    return values + covariates[:, :1] / 10, np.array([f"site {c}" for c in code]), covariates


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("n_batches", [2, 7])
@pytest.mark.parametrize(
    "options", [{}, {"mean_only": True}, {"parametric": False}, {"reference_batch": "site 1"}]
)
def test_a_small_study_comes_out_as_a_large_one_would(options, n_batches, beside, monkeypatch):
    values, batch, covariates = study(3, n_batches)
    columns = covariates if beside else None
    small = fit_combat(values, batch, columns, **options).apply(values, batch, columns)
    for module in (location_scale, adjustment):
        monkeypatch.setattr(module, "in_one_tile", lambda _: False)
    large = fit_combat(values, batch, columns, **options).apply(values, batch, columns)
    np.testing.assert_allclose(small, large, rtol=1e-12)


@pytest.mark.parametrize("place", [(slice(None), 4), (0, 4), (1, 4)])
@pytest.mark.parametrize("value", [np.nan, 2.5])
def test_what_is_constant_or_missing_somewhere_is_looked_at_as_in_a_large_study(
    place, value, monkeypatch
):
    values, batch, covariates = study(4, 3)
    rows, feature = np.flatnonzero(batch == "site 0")[place[0]], place[1]
    values[rows, feature] = value
    small = fit_combat(values, batch, covariates)
    monkeypatch.setattr(location_scale, "in_one_tile", lambda _: False)
    large = fit_combat(values, batch, covariates)
    np.testing.assert_array_equal(small.left_alone, large.left_alone)
    np.testing.assert_array_equal(small.seen, large.seen)
    np.testing.assert_allclose(small.delta_star, large.delta_star, rtol=1e-12)
    np.testing.assert_allclose(small.gamma_star, large.gamma_star, rtol=1e-10)
