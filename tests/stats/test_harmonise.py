"""A plan names a method; whatever its name, it learns from training rows and refuses alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats.classify import standardise_by_site
from analysis.stats.combat import fit_combat
from analysis.stats.diagnostics import variance_explained
from analysis.stats.errors import UnusableData
from analysis.stats.harmonise import METHODS, harmoniser
from tests.stats.r_reference import stored

NAN = np.nan

QUANTILE = stored("preparation_r")["quantile"]
COMBAT = ["combat", "combat_mean_only", "combat_nonparametric"]
BY_SITE = [*COMBAT, "site_z", "pareto"]
ADJUSTING = [*BY_SITE, "quantile"]


def study(seed: int = 0, *, sizes: tuple[int, ...] = (24, 18, 30), m: int = 20, effect: float = 0):
    """Log values with a shift and a scale of each site, and a group that is at every site."""
    rng = np.random.default_rng(seed)
    site = np.repeat([f"S{number}" for number in range(len(sizes))], sizes)
    group = np.arange(len(site)) % 2
    values = rng.normal(8, 1, (len(site), m)) + effect * group[:, None]
    for name in np.unique(site):
        rows = site == name
        values[rows] = values[rows] * rng.uniform(0.7, 1.4, m) + rng.normal(0, 2, m)
    return values, site, pd.DataFrame({"group": np.where(group, "case", "control")})


def adjust(name, values, site, covariates=None, **options):
    return harmoniser(name, **options).fit(values, site, covariates).apply(values, site, covariates)


def test_the_names_that_a_plan_may_write_are_these():
    assert (*COMBAT, "site_z", "pareto", "quantile", "none") == METHODS
    for name in METHODS:
        assert harmoniser(name).name == name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("combat", {}),
        ("combat_mean_only", {"mean_only": True}),
        ("combat_nonparametric", {"parametric": False}),
    ],
)
def test_combat_by_name_is_fit_combat(name, options):
    values, site, group = study()
    expected = fit_combat(values, site, group, **options).apply(values, site, group)
    np.testing.assert_array_equal(adjust(name, values, site, group), expected)


def test_site_z_is_the_standardisation_of_the_classifier():
    values, site, _ = study()
    values[3:9, 2] = NAN
    values[site == "S1", 4] = 0.1
    values[site == "S2", 5] = NAN
    np.testing.assert_allclose(
        adjust("site_z", values, site), standardise_by_site(values, site), atol=1e-12
    )


def test_pareto_divides_by_the_root_of_the_sd_of_the_site():
    values, site, _ = study()
    adjusted = adjust("pareto", values, site)
    for name in np.unique(site):
        rows = site == name
        sd = values[rows].std(axis=0, ddof=1)
        np.testing.assert_allclose(adjusted[rows].mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(adjusted[rows].std(axis=0, ddof=1), np.sqrt(sd))


@pytest.mark.parametrize("kind", ["complete", "tied", "gaps"])
def test_quantiles_equal_those_of_limma(kind):
    values = np.array(QUANTILE[kind], dtype=float)
    adjusted = adjust("quantile", values, ["A"] * 12 + ["B"] * 12)
    expected = np.array(QUANTILE[f"{kind}_normalised"], dtype=float)
    np.testing.assert_allclose(adjusted, expected, rtol=0, atol=1e-10)


def test_none_returns_a_copy_of_the_values_whatever_they_are():
    values, site, _ = study()
    values[:, 0] = 1.0
    confounded = pd.DataFrame({"group": site})
    adjusted = adjust("none", values, site, confounded, min_samples=50)
    np.testing.assert_array_equal(adjusted, values)
    assert adjusted is not values


@pytest.mark.parametrize("name", METHODS)
def test_new_rows_are_adjusted_by_what_the_training_rows_taught(name):
    values, site, group = study()
    model = harmoniser(name).fit(values, site, group)
    whole = model.apply(values, site, group)
    few = [1, 30, 60]
    part = model.apply(values[few], site[few], group.iloc[few])
    np.testing.assert_allclose(part, whole[few], rtol=1e-10)
    assert model.sites == ("S0", "S1", "S2")
    assert model.n_samples == (24, 18, 30)


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_learnt_from_rows_that_are_only_adjusted(name):
    values, site, group = study()
    method = harmoniser(name)
    model = method.fit(values, site, group)
    before = model.apply(values, site, group)
    other = study(9)[0] * 3
    model.apply(other, site, group)
    method.fit(other, site, group)
    np.testing.assert_array_equal(model.apply(values, site, group), before)
    assert not hasattr(model, "fit")
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.adjustment = None


@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("name", METHODS)
@given(seed=st.integers(0, 999))
def test_the_order_of_samples_and_of_features_does_not_matter(name, seed):
    values, site, group = study(seed)
    values[np.random.default_rng(seed).random(values.shape) < 0.03] = NAN
    before = adjust(name, values, site, group)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(site)), rng.permutation(values.shape[1])
    after = adjust(name, values[rows][:, columns], site[rows], group.iloc[rows])
    np.testing.assert_allclose(after, before[rows][:, columns], rtol=1e-7, atol=1e-9)


@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("name", METHODS)
@given(seed=st.integers(0, 999))
def test_the_names_of_sites_do_not_matter(name, seed):
    values, site, group = study(seed)
    renamed = pd.Series(site).map({"S0": "福岡", "S1": "Barcelona", "S2": "A 1"}).to_numpy()
    np.testing.assert_allclose(
        adjust(name, values, renamed, group), adjust(name, values, site, group), rtol=1e-8
    )


@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("name", BY_SITE)
@given(seed=st.integers(0, 999), shift=st.floats(-50, 50), scale=st.floats(0.1, 10))
def test_a_shift_and_a_scale_of_all_values_change_the_unit_alone(name, seed, shift, scale):
    values, site, group = study(seed)
    before = adjust(name, values, site, group)
    after = adjust(name, values * scale + shift, site, group)
    expected = {"site_z": before, "pareto": before * np.sqrt(scale)}
    np.testing.assert_allclose(
        after, expected.get(name, before * scale + shift), rtol=1e-6, atol=1e-6
    )


@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("name", ["site_z", "combat", "combat_nonparametric"])
@given(seed=st.integers(0, 999), shift=st.floats(-20, 20))
def test_a_further_shift_of_one_site_in_all_features_is_gone_after_adjustment(name, seed, shift):
    values, site, group = study(seed)
    moved = values + np.where(site == "S1", shift, 0.0)[:, None]
    gaps = []
    for data in (values, moved):
        adjusted = adjust(name, data, site, group)
        gaps.append(adjusted[site == "S1"].mean() - adjusted[site != "S1"].mean())
    # The non-parametric prior is made of the features themselves, which the shift has moved.
    slack = 0.3 if name == "combat_nonparametric" else 1e-9
    assert abs(gaps[1] - gaps[0]) < slack + 0.02 * abs(shift)


def test_ten_studies_lose_their_site_effects_and_keep_their_group_effect():
    """Sites differ by 2 SD, groups by 0.8; the groups are not balanced over the sites."""
    rng = np.random.default_rng(20220601)
    left, kept = {name: [] for name in BY_SITE}, {name: [] for name in BY_SITE}
    for _ in range(10):
        site = np.repeat(["A", "B", "C"], 60)
        case = rng.random(180) < np.repeat([0.35, 0.5, 0.65], 60)
        shift = rng.normal(0, 2, (3, 25))[np.repeat([0, 1, 2], 60)]
        values = rng.normal(0, 1, (180, 25)) + shift + 0.8 * case[:, None]
        assert np.median(variance_explained(values, site).adjusted) > 0.5
        for name in BY_SITE:
            adjusted = adjust(name, values, site, pd.DataFrame({"group": case}))
            left[name].append(np.median(variance_explained(adjusted, site).adjusted))
            kept[name].append(np.mean(adjusted[case] - adjusted[~case].mean(axis=0)))
    for name in COMBAT:
        assert np.mean(kept[name]) == pytest.approx(0.8, abs=0.03)
    assert abs(np.mean(left["combat"])) < 0.01
    assert abs(np.mean(left["combat_nonparametric"])) < 0.02
    # As in sva, the mean of a site weighs as one observation against the prior: a fifth of a
    # shift of 2 SD stays, however many samples the site has.
    assert np.mean(left["combat_mean_only"]) == pytest.approx(0.105, abs=0.03)
    for name in ("site_z", "pareto"):
        assert np.mean(left[name]) < 0
        # Centring a site takes with it what its share of cases makes of its mean.
        assert 0.65 < np.mean(kept[name]) < 0.77


def test_quantiles_take_out_a_shift_that_all_features_of_a_sample_share():
    rng = np.random.default_rng(5)
    site = np.repeat(["A", "B"], 40)
    values = rng.normal(0, 1, (80, 60)) + np.where(site == "B", 3.0, 0.0)[:, None]
    adjusted = adjust("quantile", values, site)
    assert np.median(variance_explained(values, site).eta_squared) > 0.6
    assert np.median(variance_explained(adjusted, site).eta_squared) < 0.02


@pytest.mark.parametrize("name", ["site_z", "pareto"])
def test_a_site_of_one_group_is_named_by_methods_that_centre_it(name):
    values, site, group = study()
    group.loc[site == "S0", "group"] = "case"
    model = harmoniser(name).fit(values, site, group)
    assert model.notes == (
        f"S0: all have group case, and {name} takes out with the site what that value does there.",
    )
    assert harmoniser("combat").fit(values, site, group).notes == ()


@pytest.mark.parametrize("name", ADJUSTING)
class TestRefusals:
    """What no method that adjusts may accept."""

    def test_a_group_that_the_sites_determine_is_refused_with_the_numbers(self, name):
        values, site, _ = study()
        group = pd.DataFrame({"group": np.where(site == "S0", "case", "control")})
        message = (
            r"Confounded with site: group \(group at S0: 24 case; group at S1: 18 control; "
            r"group at S2: 30 control\)"
        )
        with pytest.raises(UnusableData, match=message):
            harmoniser(name).fit(values, site, group)

    def test_a_number_that_the_sites_determine_is_refused_too(self, name):
        values, site, _ = study()
        latitude = np.array([33.6, 41.4, 33.7])[np.searchsorted(["S0", "S1", "S2"], site)]
        with pytest.raises(UnusableData, match=r"latitude at S1: 18 41\.4"):
            harmoniser(name).fit(values, site, pd.DataFrame({"latitude": latitude}))

    def test_small_sites_are_refused_all_at_once(self, name):
        values, site, group = study(sizes=(24, 4, 2))
        message = r"fewer than 5 samples: S1 \(4 samples\), S2 \(2 samples\)\. Leave them out"
        with pytest.raises(UnusableData, match=message):
            harmoniser(name, min_samples=5).fit(values, site, group)

    def test_one_sample_is_refused(self, name):
        with pytest.raises(UnusableData, match=r"fewer than 3 samples: A \(1 samples\)"):
            harmoniser(name).fit([[1.0, 2.0]], ["A"])

    def test_sites_without_values_and_without_variation_are_refused(self, name):
        values, site, group = study()
        values[site == "S0"] = NAN
        values[site == "S1"] = 4.5
        message = r"no measured value: S0 \(24 .*none of 20 features varies: S1 \(18 samples\)"
        with pytest.raises(UnusableData, match=message):
            harmoniser(name).fit(values, site, group)

    def test_a_table_without_any_value_is_refused(self, name):
        values, site, _ = study()
        with pytest.raises(UnusableData, match=r"no measured value: S0 .* S1 .* S2"):
            harmoniser(name).fit(values * NAN, site)


@pytest.mark.parametrize("name", METHODS)
class TestRefusalsOfAll:
    """What even "none" may not accept."""

    @pytest.mark.parametrize("other", ["S1 ", "s1", " S1", "Ｓ1"])
    def test_names_that_are_one_site_to_a_reader_are_refused(self, name, other):
        values, site, _ = study()
        typed = site.astype(object)
        typed[-4:] = other
        with pytest.raises(UnusableData, match=r'"S1" \(18 samples\)') as refusal:
            harmoniser(name).fit(values, typed)
        assert f'"{other}" (4 samples)' in str(refusal.value)

    def test_an_unseen_site_is_refused_by_name(self, name):
        values, site, group = study()
        model = harmoniser(name).fit(values, site, group)
        with pytest.raises(UnusableData, match=r"Sites \['S9'\] are unknown .*'S0', 'S1', 'S2'"):
            model.apply(values[:2], ["S0", "S9"], group[:2])

    def test_other_features_are_refused(self, name):
        values, site, group = study()
        model = harmoniser(name).fit(values, site, group)
        with pytest.raises(UnusableData, match="20 features and the values 19"):
            model.apply(values[:, 1:], site, group)

    @pytest.mark.parametrize(
        ("values", "site", "message"),
        [
            (np.empty((0, 4)), [], r"shape \(0, 4\)"),
            (np.empty((4, 0)), ["A"] * 4, r"shape \(4, 0\)"),
            ([1.0, 2.0], ["A", "A"], r"shape \(2,\)"),
            ([[1.0, np.inf], [1.0, 2.0]], ["A", "A"], "row 0, feature 1 is infinite"),
            ([[-np.inf, np.inf], [1.0, 2.0]], ["A", "A"], "row 0, feature 0 is infinite"),
            ([[1.0, 2.0], [1.0, 9e200]], ["A", "A"], r"row 1, feature 1 is 9e\+200"),
            ([[1.0, 3.0], [1.0, 2.0]], ["A"], r"shape \(1,\) for 2 samples"),
            ([[1.0, 3.0], [1.0, 2.0]], [["A"], ["A"]], r"shape \(2, 1\) for 2 samples"),
            ([[1.0, 3.0], [1.0, 2.0]], ["A", " "], "Row 1 has no site"),
            ([[1.0, 3.0], [1.0, 2.0]], ["A", None], "Row 1 has no site"),
        ],
    )
    def test_misshaped_input_is_refused(self, name, values, site, message):
        with pytest.raises(UnusableData, match=message):
            harmoniser(name).fit(values, site)


def test_a_feature_that_a_site_had_not_measured_is_refused_later():
    values, site, _ = study()
    values[site == "S2", 7] = NAN
    model = harmoniser("site_z").fit(values, site)
    values[-1, 7] = 3.0
    with pytest.raises(UnusableData, match="Feature 7 was not measured at site S2"):
        model.apply(values, site)


def test_a_sample_of_one_value_has_no_distribution():
    values, site, _ = study()
    values[5, 1:] = NAN
    with pytest.raises(UnusableData, match=r"1 samples have fewer than 2 .* row 5"):
        harmoniser("quantile").fit(values, site)


def test_an_unknown_method_and_a_useless_minimum_are_refused():
    with pytest.raises(UnusableData, match='No harmonisation is called "magic": use one of'):
        harmoniser("magic")
    with pytest.raises(UnusableData, match="1 is no count; give a whole number from 2 up"):
        harmoniser("combat", min_samples=1)


def test_covariates_with_gaps_are_looked_at_where_they_are_known():
    values, site, group = study()
    group.loc[[0, 30], "group"] = None
    ages = pd.DataFrame({"group": group.group, "age": np.linspace(20, 60, len(site))})
    assert harmoniser("site_z").fit(values, site, ages).notes == ()
    with pytest.raises(UnusableData, match="2 samples lack a covariate"):
        harmoniser("combat").fit(values, site, ages)


def test_a_confounded_covariate_with_many_values_is_told_in_short():
    values, site, _ = study(sizes=(24, 18))
    clinic = pd.DataFrame({"clinic": [f"{s}-{i % 5}" for i, s in enumerate(site)]})
    with pytest.raises(UnusableData, match=r"clinic at S0: 5 S0-0, .* and others; clinic at S1"):
        harmoniser("site_z").fit(values, site, clinic)
