"""Two scores of the same people, one end of the curve, and sites that are not among these."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analysis.stats.errors import UnusableData
from analysis.stats.roc import auc
from analysis.stats.roc_compare import compare_auc, partial_auc, site_bootstrap
from tests.stats.r_reference import stored

PROC = stored("roc_compare_proc")

people = st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=4, max_size=40).filter(
    lambda rows: 2 <= sum(case for case, _ in rows) <= len(rows) - 2
)


def columns(rows):
    return tuple(np.array(column) for column in zip(*rows, strict=True))


# --- the area itself -----------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(rows=people)
def test_a_monotone_change_of_the_scores_leaves_the_auc_and_its_variance_alone(rows):
    labels, scores = columns(rows)
    before, after = auc(labels, scores), auc(labels, np.exp(scores / 3.0) - 7)
    assert (after.auc, after.variance) == (before.auc, before.variance)


@settings(max_examples=50, deadline=None)
@given(rows=people, seed=st.integers(0, 99))
def test_the_order_of_people_does_not_matter(rows, seed):
    labels, scores = columns(rows)
    order = np.random.default_rng(seed).permutation(len(labels))
    assert auc(labels[order], scores[order]).auc == pytest.approx(auc(labels, scores).auc)


# --- two scores of the same people ---------------------------------------------------------------


@pytest.mark.parametrize(
    "pair", PROC["paired"], ids=lambda pair: f"{pair['first']}-{pair['second']}"
)
def test_the_paired_test_is_that_of_proc(pair):
    scores = PROC["scores"]
    found = compare_auc(PROC["labels"], scores[pair["first"]], scores[pair["second"]])
    assert found.z == pytest.approx(pair["z"], rel=1e-8)
    assert found.p == pytest.approx(pair["p"], rel=1e-8)
    assert found.difference == pytest.approx(found.first - found.second)
    assert found.ci_low < found.difference < found.ci_high


def test_a_score_is_not_better_than_itself_nor_than_its_logarithm():
    scores = np.array(PROC["scores"]["s100b"])
    found = compare_auc(PROC["labels"], scores, np.log(scores))
    assert (found.difference, found.z, found.p) == (0, 0, 1)


def test_perfect_order_beats_perfect_disorder_without_a_variance():
    found = compare_auc([1, 1, 0, 0], [4, 3, 2, 1], [1, 2, 3, 4])
    assert (found.difference, found.se, found.z, found.p) == (1, 0, np.inf, 0)


def test_one_site_is_the_plain_test_and_an_offset_between_sites_changes_nothing():
    labels, scores = PROC["labels"], PROC["scores"]
    plain = compare_auc(labels, scores["s100b"], scores["ndka"])
    assert compare_auc(labels, scores["s100b"], scores["ndka"], ["A"] * 113) == plain
    site = np.resize(list("ABC"), 113)
    before = compare_auc(labels, scores["s100b"], scores["ndka"], site)
    after = compare_auc(labels, scores["s100b"] + 50.0 * (site == "B"), scores["ndka"], site)
    assert after.z == pytest.approx(before.z)


def test_a_site_without_pairs_drops_out_of_the_comparison():
    labels, scores = np.array(PROC["labels"]), PROC["scores"]
    site = np.where(np.arange(113) < 3, "first three, all controls", "rest")
    found = compare_auc(labels, scores["s100b"], scores["ndka"], site)
    assert found.n_case + found.n_control == 110


def test_the_paired_test_finds_a_true_difference_and_keeps_its_level_without_one():
    rng, rejected = np.random.default_rng(1), 0
    labels = np.repeat([1, 0], 60)
    for _ in range(300):
        truth = labels + rng.normal(size=120)
        pair = compare_auc(labels, truth + rng.normal(size=120), truth + rng.normal(size=120))
        rejected += pair.p < 0.05
    assert 0.02 < rejected / 300 < 0.09
    truth = labels * 2 + rng.normal(size=120)
    assert compare_auc(labels, truth, rng.normal(size=120)).p < 1e-4


# --- one end of the curve ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part", PROC["parts"], ids=lambda p: f"{p['marker']}-{p['of']}-{p['between']}"
)
def test_partial_areas_are_those_of_proc(part):
    scores, between = PROC["scores"][part["marker"]], tuple(part["between"])
    plain = partial_auc(PROC["labels"], scores, between=between, of=part["of"], standardised=False)
    mcclish = partial_auc(PROC["labels"], scores, between=between, of=part["of"])
    assert plain == pytest.approx(part["plain"], abs=1e-12)
    assert mcclish == pytest.approx(part["standardised"], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(rows=people, cut=st.floats(0.05, 0.95))
def test_the_parts_of_the_curve_add_up_to_the_whole(rows, cut):
    labels, scores = columns(rows)
    parts = [
        partial_auc(labels, scores, between=between, of=of, standardised=False)
        for of in ("specificity", "sensitivity")
        for between in ((0.0, cut), (cut, 1.0))
    ]
    whole = pytest.approx(roc_auc_score(labels, scores))
    assert parts[0] + parts[1] == whole
    assert parts[2] + parts[3] == whole


@settings(max_examples=40, deadline=None)
@given(rows=people, limit=st.sampled_from([0.3, 0.5, 0.9]))
def test_sklearn_has_the_same_mcclish_area(rows, limit):
    labels, scores = columns(rows)
    expected = roc_auc_score(labels, scores, max_fpr=limit)
    assert partial_auc(labels, scores, between=(1 - limit, 1.0)) == pytest.approx(expected)


# --- sites that are not among these --------------------------------------------------------------


def sites_apart(spread, seed=1, n_sites=8, per_site=60):
    rng = np.random.default_rng(seed)
    site = np.repeat(np.arange(n_sites), per_site)
    labels = np.resize([0, 1], len(site))
    effect = 1 + spread * np.resize([-1, 1], n_sites)[site]
    return labels, labels * effect + rng.normal(size=len(site)), site


def test_the_bootstrap_of_sites_is_wider_where_sites_differ():
    labels, scores, site = sites_apart(spread=0.9)
    unlike = site_bootstrap(labels, scores, site, rng=np.random.default_rng(2))
    labels, scores, site = sites_apart(spread=0.0)
    alike = site_bootstrap(labels, scores, site, rng=np.random.default_rng(2))
    assert unlike.ci_high - unlike.ci_low > 1.5 * (alike.ci_high - alike.ci_low)
    assert (unlike.n_sites, unlike.note) == (8, "")
    assert alike.ci_low < 0.76025 < alike.ci_high  # Phi(1 / sqrt 2)


def test_few_sites_are_said_to_be_few_and_untested_people_are_left_out():
    labels, scores, site = sites_apart(spread=0.2, n_sites=4)
    scores[site == 3] = np.nan
    found = site_bootstrap(labels, scores, site, rng=np.random.default_rng(2), n_draws=300)
    assert found.n_sites == 3
    assert "3 sites: too few" in found.note


def test_each_sites_own_scale_does_not_matter_to_the_bootstrap():
    labels, scores, site = sites_apart(spread=0.3)
    first = site_bootstrap(labels, scores, site, rng=np.random.default_rng(2))
    moved = site_bootstrap(
        labels, np.exp(scores) + 100.0 * site, site, rng=np.random.default_rng(2)
    )
    assert moved == first


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_auc([1, 1, 0, 0], [1, 2, 3], [1, 2, 3, 4]), "4 labels but 3 scores"),
        (lambda: compare_auc([1, 0, 0, 0], range(4), range(4)), "No site has 2 cases and 2 contr"),
        (lambda: compare_auc([1, 1, 0, 0], range(4), range(4), ["A"]), "1 site labels of"),
        (lambda: partial_auc([1, 0], [1, 2], between=(0.9, 0.9)), "range of specificity is 0.9 to"),
        (lambda: partial_auc([1, 1], [1, 2]), "one group is empty"),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused(call, message):
    with pytest.raises(UnusableData, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"site": ["A"] * 8}, "at least 2 sites .*, got 1"),
        ({"n_draws": 0}, "bootstrap: 0 is no count"),
        ({"scores": [1.0]}, "8 labels and scores of the shape"),
    ],
)
def test_a_bootstrap_without_sites_to_draw_is_refused(change, message):
    known = {"labels": [1, 1, 0, 0] * 2, "scores": np.arange(8.0), "site": list("AAAABBBB")}
    with pytest.raises(UnusableData, match=message):
        site_bootstrap(**(known | change), rng=np.random.default_rng(1))
