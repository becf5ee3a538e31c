"""One model for all sites: equal to lme4, and plain about a variance at its bound."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import mixed as module
from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.mixed import fit_mixed_effects
from tests.stats import r_reference

TABLE = pd.read_csv(r_reference.REFERENCE / "mixed_values.csv")
PEOPLE = ["group", "site", "age", "sex"]


def assert_like_lme4(rows, table, method):
    features = [name for name in table.columns if name not in PEOPLE]
    ours = fit_mixed_effects(
        table[features].to_numpy(), table.group, table.site, table[["age", "sex"]], method=method
    )
    theirs = {row["feature"]: row for row in rows if row["method"] == method}
    for name in ("estimate", "se", "residual_sd", "site_sd"):
        expected = [theirs[feature][name] for feature in features]
        # Where the sites do not differ, lme4 stops a little above the bound.
        atol = 1e-4 * ours.residual_sd.max() if name == "site_sd" else 0.0
        np.testing.assert_allclose(getattr(ours, name), expected, rtol=1e-4, atol=atol)
    return ours


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_it_is_the_model_of_lme4(method):
    ours = assert_like_lme4(r_reference.stored("mixed_lme4")["rows"], TABLE, method)
    assert ours.at_bound[0]
    assert ours.site_sd[0] == 0
    assert not ours.at_bound[2:].any()
    assert ours.adjusted_for == ("age", "sex")


def test_four_real_hospitals_are_the_model_of_lme4(real_data, tmp_path):
    _, values, case, people = next(r_reference.real_tables(real_data))
    table = people.rename(columns={"age_years": "age"}).assign(group=case)[PEOPLE]
    for number in (0, 3, 5):
        table[f"f{number}"] = values[:, number]
    table.to_csv(tmp_path / "heart.csv", index=False)
    rows = r_reference.run_again("mixed_lme4.R", "heart.csv", folder=tmp_path)["rows"]
    ours = assert_like_lme4(rows, table, "REML")
    assert (ours.n_sites == 4).all()


def cohorts(seed=0, n=60, m=3, spread=2.0, missing=0.1):
    rng = np.random.default_rng(seed)
    site = rng.permutation(np.arange(n) % 5)
    group = rng.permutation(np.arange(n) % 2)
    values = rng.normal(size=(n, m)) + spread * rng.normal(size=5)[site][:, None] + group[:, None]
    values[rng.random(values.shape) < missing] = np.nan
    return values, group, site


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100))
def test_shift_scale_and_order_change_nothing_but_the_unit(seed, shift, scale):
    values, group, site = cohorts(seed)
    order = np.random.default_rng(seed).permutation(60)
    before = fit_mixed_effects(values, group, site)
    after = fit_mixed_effects(values[order] * scale + shift, group[order], site[order].astype(str))
    np.testing.assert_allclose(after.estimate, before.estimate * scale, rtol=1e-4)
    np.testing.assert_allclose(after.se, before.se * scale, rtol=1e-4)


def test_at_the_bound_it_is_the_model_without_sites():
    values, group, site = cohorts(3, m=30, spread=0.0)
    ours = fit_mixed_effects(values, group, site)
    plain = fit_effects(values, group)
    assert 0.3 < ours.at_bound.mean() < 0.9
    np.testing.assert_allclose(ours.se[ours.at_bound], plain.se[ours.at_bound], rtol=1e-9)


def test_the_level_of_a_site_is_no_effect():
    values, group, site = cohorts()
    moved = fit_mixed_effects(values + 1e4 * (site == 2)[:, None], group, site)
    within = fit_effects(values, group, pd.DataFrame({"site": site.astype(str)}))
    np.testing.assert_allclose(moved.estimate, within.estimate, atol=0.02)


def test_a_feature_without_a_fit_says_why():
    site = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    group = np.array([0, 1] * 4)
    values = np.random.default_rng(0).normal(size=(8, 4))
    values[4:, 0] = values[2:4, 0] = np.nan
    values[[0, 3, 4, 7], 1] = np.nan
    values[:, 2] = 3.0
    values[:, 3] = np.repeat([1.0, 5.0, 2.0, 9.0], 2)
    sites = np.where(np.arange(8) < 2, "a", site)
    ours = fit_mixed_effects(values, group, sites)
    assert ours.reason == (
        "fewer than 2 cases measured (1)",
        module.NO_REPEAT,
        "constant: every measured value is the same",
        module.NO_REST,
    )
    assert np.isnan(ours.p).all()
    assert not ours.at_bound.any()


def test_a_sample_without_a_covariate_is_left_out_with_its_site():
    values, group, site = cohorts()
    age = np.random.default_rng(1).normal(40, 9, (60, 1))
    age[[2, 9]] = np.nan
    ours, kept = fit_mixed_effects(values, group, site, age), ~np.isnan(age[:, 0])
    alone = fit_mixed_effects(values[kept], group[kept], site[kept], age[kept])
    assert ours.n_left_out == 2
    np.testing.assert_allclose(ours.p, alone.p, rtol=1e-9)


def test_a_feature_of_one_site_is_no_matter_of_sites():
    values, group, site = cohorts(missing=0.0)
    values[site != 1, 0] = np.nan
    ours = fit_mixed_effects(values, group, site)
    assert ours.reason == (module.ONE_SITE, "", "")
    assert list(ours.n_sites) == [1, 5, 5]


def test_equations_without_a_solution_are_named(monkeypatch):
    def singular(_):
        raise np.linalg.LinAlgError

    monkeypatch.setattr(np.linalg, "cholesky", singular)
    values, group, site = cohorts(m=2)
    assert fit_mixed_effects(values, group, site).reason == (module.SINGULAR,) * 2


@pytest.mark.parametrize(
    ("site", "method", "message"),
    [
        (["a"] * 4, "REML", r"from the site \['a'\]: a model across sites needs 2"),
        (["a", "b"], "REML", "2 site labels"),
        (["a", "b", None, "b"], "REML", "Row 2 has no site"),
        (["a", "b", "", "b"], "REML", "Row 2 has no site"),
        (["a", "b", float("nan"), "b"], "REML", "Row 2 has no site"),
        (["a", "b", "a", "b"], "reml", 'No method is called "reml"'),
    ],
)
def test_unusable_input_is_refused_with_its_place(site, method, message):
    with pytest.raises(UnusableData, match=message):
        fit_mixed_effects([[1.0], [2.0], [4.0], [3.0]], [0, 1, 0, 1], site, method=method)
