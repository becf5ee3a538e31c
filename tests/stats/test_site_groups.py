"""With many sites, groups of them are left out: each is still judged by what others teach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats import classify
from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.nested import nested_leave_one_site_out
from analysis.stats.severity import fit_severity
from analysis.stats.site_folds import read_study
from analysis.stats.site_groups import deal_sites, leave_out

FEW = {"n_trees": 5, "most_folds": 3}


def rng():
    return np.random.default_rng(7)


def study(n_sites=7, per_site=24, n_features=6):
    drawn = np.random.default_rng(3)
    site = np.repeat([f"S{number:02}" for number in range(n_sites)], per_site)
    labels = np.tile([0, 1], len(site) // 2)
    values = drawn.normal(size=(len(site), n_features))
    values[:, 0] += 1.5 * labels
    return values, labels, site


def sizes(n_sites, spread, seed=1):
    drawn = np.random.default_rng(seed)
    people = np.maximum(2, np.exp(drawn.normal(np.log(40), spread, (n_sites, 1))))
    share = drawn.uniform(0.3, 0.7, (n_sites, 1))
    arms = np.maximum(2, np.hstack([people * share, people * (1 - share)]) * 2).astype(int)
    return {f"S{at:03}": tuple(row) for at, row in enumerate(arms.tolist())}


def held(people, groups):
    """Of each group its cases and controls, as shares of what a group should hold."""
    counts = np.array([np.sum([people[code] for code in group], axis=0) for group in groups])
    return counts / counts.sum(axis=0) * len(groups)


# --- who is left out with whom --------------------------------------------------------------------


def test_up_to_the_bound_each_site_is_left_out_by_itself():
    people = sizes(10, 1.0)
    assert deal_sites(people, 10) == deal_sites(people) == tuple((code,) for code in people)


@pytest.mark.parametrize("n_sites", [11, 50, 200])
def test_groups_hold_like_numbers_of_sites_and_of_people_of_either_label(n_sites):
    people = sizes(n_sites, 0.5)
    groups = deal_sites(people, 10)
    assert sorted(code for group in groups for code in group) == sorted(people)
    assert {len(group) for group in groups} <= {n_sites // 10, -(-n_sites // 10)}
    if n_sites > 11:
        assert held(people, groups).max() < 1.6


def test_large_sites_of_one_group_are_parted():
    """The seeded fault: dealt by their codes alone, the three largest would share a group."""
    people = {f"S{at:02}": (200, 200) if at in (0, 5, 10) else (10, 10) for at in range(15)}
    groups = deal_sites(people, 5)
    large = [[code for code in group if code in ("S00", "S05", "S10")] for group in groups]
    assert max(len(found) for found in large) == 1


@given(st.integers(0, 49), st.integers(0, 10), st.integers(0, 10))
def test_a_batch_that_does_not_double_a_site_leaves_the_groups_as_they_were(at, cases, controls):
    people = {f"S{n:02}": (40, 44) for n in range(50)}
    groups = deal_sites(people, 10)
    code = f"S{at:02}"
    assert deal_sites(people | {code: (40 + cases, 44 + controls)}, 10) == groups


def test_groups_do_not_depend_on_the_order_of_the_sites():
    people = sizes(30, 1.0)
    assert deal_sites(dict(reversed(people.items())), 4) == deal_sites(people, 4)


def test_one_group_is_no_test():
    with pytest.raises(UnusableData, match="1 is no count; give a whole number from 2 up"):
        deal_sites(sizes(3, 0.5), 1)


def test_a_site_without_cases_trains_and_is_in_no_group():
    values, labels, site = study()
    labels[site == "S01"] = 0
    left_out = leave_out(read_study(values, labels, site), 3)
    assert "S01" not in {code for group in left_out.groups for code in group}
    assert "0 cases" in left_out.reasons["S01"]


def test_a_group_that_leaves_too_few_to_train_on_is_not_tested():
    values, labels, site = study(n_sites=4, per_site=6)
    left_out = leave_out(read_study(values, labels, site), 2)
    assert left_out.groups == (("S00", "S02"), ("S01", "S03"))
    values, labels, site = study(n_sites=4, per_site=4)
    left_out = leave_out(read_study(values, labels, site), 2)
    assert not left_out.groups
    assert "training needs at least 5 of each" in left_out.reasons["S00"]


# --- what is judged by whom -----------------------------------------------------------------------


def test_each_site_of_many_has_its_area_and_the_result_says_who_was_left_out_together():
    found = classify.leave_one_site_out(*study(), rng=rng(), **FEW)
    assert found.groups == (("S00", "S03", "S06"), ("S01", "S04"), ("S02", "S05"))
    assert [one.site for one in found.by_site if one.auc is not None] == [
        f"S{n:02}" for n in range(7)
    ]
    assert found.auc.auc > 0.7


def test_with_as_many_sites_as_groups_nothing_changes():
    plain = classify.leave_one_site_out(*study(), rng=rng(), n_trees=5)
    bounded = classify.leave_one_site_out(*study(), rng=rng(), n_trees=5, most_folds=7)
    assert bounded.groups == plain.groups == ()
    assert bounded.auc == plain.auc
    np.testing.assert_array_equal(bounded.scores, plain.scores)


def test_nobody_of_a_group_teaches_the_forest_that_judges_it():
    values, labels, site = study()
    before = classify.leave_one_site_out(values, labels, site, rng=rng(), **FEW)
    turned = np.where(np.isin(site, ["S03", "S06"]), 1 - labels, labels)
    after = classify.leave_one_site_out(values, turned, site, rng=rng(), **FEW)
    here = np.isin(site, ["S00", "S03", "S06"])
    np.testing.assert_array_equal(after.scores[here], before.scores[here])
    assert (after.scores[~here] != before.scores[~here]).any()


def test_a_feature_that_a_site_lacks_serves_the_others_of_its_group():
    values, labels, site = study()
    values[site == "S03", 1] = np.nan
    found = classify.leave_one_site_out(values, labels, site, rng=rng(), **FEW)
    [said] = found.features_left_out
    assert said.startswith("S03: tested without 1 of 6 features")


def test_settings_are_chosen_without_any_site_of_the_group():
    data, grid = (
        study(),
        ({"min_leaf": 5, "max_features": "sqrt"}, {"min_leaf": 12} | {"max_features": 0.9}),
    )
    options = {"learner": RandomForest(4, grid), "n_important": 2, "most_folds": 3}
    found = nested_leave_one_site_out(*data, rng=rng(), **options)
    assert found.groups == (("S00", "S03", "S06"), ("S01", "S04"), ("S02", "S05"))
    assert found.n_fits == 3 + 3 * len(grid)
    values, labels, site = data
    turned = np.where(np.isin(site, ["S03", "S06"]), 1 - labels, labels)
    again = nested_leave_one_site_out(values, turned, site, rng=rng(), **options)
    here = np.isin(site, ["S00", "S03", "S06"])
    np.testing.assert_array_equal(again.scores[here], found.scores[here])


def test_severity_is_predicted_by_sites_outside_the_group():
    values, _, site = study()
    outcome = values[:, 0] + np.random.default_rng(5).normal(size=len(values))
    found = fit_severity(values, outcome, site=site, most_folds=3)
    assert found.groups == (("S00", "S03", "S06"), ("S01", "S04"), ("S02", "S05"))
    other = np.where(np.isin(site, ["S03", "S06"]), -outcome, outcome)
    again = fit_severity(values, other, site=site, most_folds=3)
    here = np.isin(site, ["S00", "S03", "S06"])
    np.testing.assert_array_equal(again.predicted_cv[here], found.predicted_cv[here])
    alone = fit_severity(values, outcome, site=site)
    assert (alone.groups, alone.folds) == ((), found.folds)
