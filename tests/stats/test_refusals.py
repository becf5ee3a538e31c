"""Whatever is sent, a function of the core refuses it in words or says why it has no number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.stats.calibration import calibrate, recalibrate
from analysis.stats.censored import fit_qrilc, fit_tobit
from analysis.stats.classify import leave_one_site_out
from analysis.stats.combat import fit_combat
from analysis.stats.diagnostics import (
    diagnose,
    principal_components,
    silhouette,
    variance_explained,
)
from analysis.stats.differential import differential_items
from analysis.stats.duplicates import find_repeats
from analysis.stats.effects import fit_effects
from analysis.stats.handling import arginine_ratio, judge_handling
from analysis.stats.handling_records import judge_records
from analysis.stats.harmonise import METHODS, harmoniser
from analysis.stats.impute import impute
from analysis.stats.logistic import ElasticNet
from analysis.stats.mixed import fit_mixed_effects
from analysis.stats.moderated import fit_moderated_effects
from analysis.stats.multiplicity import adjust_p
from analysis.stats.nested import nested_leave_one_site_out
from analysis.stats.permutation import permute_effects
from analysis.stats.psychometrics import cronbach_alpha, item_statistics
from analysis.stats.qc import fit_qc, left_out_rsd_percent, qc_rsd_percent
from analysis.stats.robust import fit_robust_effects
from analysis.stats.roc import auc
from analysis.stats.roc_compare import compare_auc, partial_auc, site_bootstrap
from analysis.stats.sensitivity import sensitivity_grid
from analysis.stats.severity import fit_severity
from analysis.stats.site_folds import standardise_by_site
from analysis.stats.transport import freeze
from tests.stats.refusing import answered, refusal

N_OF_SITE, SITES = 16, ("Fukuoka", "Osaka", "Turin")
N = N_OF_SITE * len(SITES)
NAN = float("nan")


def rng() -> np.random.Generator:
    return np.random.default_rng(20220313)


def study() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positive values of 6 features, labels and sites of 48 people."""
    values = np.exp(rng().normal(size=(N, 6)))
    return values, np.arange(N) % 2, np.repeat(SITES, N_OF_SITE)


def marks(values: Any) -> np.ndarray:
    return np.arange(len(values)) % 4 == 0


def like(values: Any, kind: type) -> np.ndarray:
    """Zeros of the shape of a table, be it ragged."""
    return np.zeros((len(values), *np.shape(values[:1])[1:]), dtype=kind)


Call = Callable[[Any, Any, Any], Any]

# Each takes values, labels and sites; what a function does not read it cannot refuse.
VALUES_AND_LABELS: dict[str, Call] = {
    "fit_effects": lambda v, y, s: fit_effects(v, y),
    "fit_moderated_effects": lambda v, y, s: fit_moderated_effects(v, y),
    "fit_robust_effects": lambda v, y, s: fit_robust_effects(v, y),
    "permute_effects": lambda v, y, s: permute_effects(v, y, n_permutations=9, rng=rng()),
}
VALUES_LABELS_AND_SITES: dict[str, Call] = {
    "fit_mixed_effects": fit_mixed_effects,
    "permute_effects in blocks": lambda v, y, s: permute_effects(
        v, y, n_permutations=9, rng=rng(), blocks=s
    ),
    "leave_one_site_out": lambda v, y, s: leave_one_site_out(v, y, s, rng=rng(), n_trees=3),
    "nested_leave_one_site_out": lambda v, y, s: nested_leave_one_site_out(
        v, y, s, learner=ElasticNet(), rng=rng(), n_repeats=1
    ),
    "freeze": lambda v, y, s: freeze(
        v, y, s, learner=ElasticNet(), settings=ElasticNet().grid[0], rng=rng()
    ),
}
VALUES_AND_SITES: dict[str, Call] = {
    "fit_combat": lambda v, y, s: fit_combat(v, s),
    **{
        f"harmoniser {name}": lambda v, y, s, name=name: harmoniser(name).fit(v, s).apply(v, s)
        for name in METHODS
    },
    "diagnose": lambda v, y, s: diagnose(v, s),
    "variance_explained": lambda v, y, s: variance_explained(v, s),
    "silhouette": lambda v, y, s: silhouette(v, s),
    "standardise_by_site": lambda v, y, s: standardise_by_site(v, s),
    "fit_severity by site": lambda v, y, s: fit_severity(v, np.arange(len(v)), site=s),
    "fit_qc": lambda v, y, s: fit_qc(v, marks(v), s, np.arange(len(v)), min_qc=3),
    "left_out_rsd_percent": lambda v, y, s: left_out_rsd_percent(
        v, marks(v), s, np.arange(len(v)), min_qc=3
    ),
    "differential_items": lambda v, y, s: differential_items(v, s),
}
VALUES: dict[str, Call] = {
    "principal_components": lambda v, y, s: principal_components(v),
    "find_repeats": lambda v, y, s: find_repeats(v),
    "fit_severity": lambda v, y, s: fit_severity(v, np.arange(len(v))),
    "qc_rsd_percent": lambda v, y, s: qc_rsd_percent(v, marks(v)),
    "impute": lambda v, y, s: impute(v, like(v, int)),
    "fit_tobit": lambda v, y, s: fit_tobit(v, like(v, bool), like(v, float)),
    "fit_qrilc": lambda v, y, s: fit_qrilc(v, like(v, bool)),
    "cronbach_alpha": lambda v, y, s: cronbach_alpha(v),
    "item_statistics": lambda v, y, s: item_statistics(v),
}
OF_VALUES = VALUES_AND_LABELS | VALUES_LABELS_AND_SITES | VALUES_AND_SITES | VALUES
OF_LABELS = VALUES_AND_LABELS | VALUES_LABELS_AND_SITES
OF_SITES = VALUES_LABELS_AND_SITES | VALUES_AND_SITES

OF_SCORES: dict[str, Callable[[Any, Any], Any]] = {
    "auc": auc,
    "compare_auc": lambda y, score: compare_auc(y, score, np.arange(len(y))),
    "partial_auc": partial_auc,
    "calibrate": calibrate,
    "site_bootstrap": lambda y, score: site_bootstrap(
        y, score, np.repeat(SITES, len(y) // 3), rng=rng(), n_draws=5
    ),
}

REFUSED_VALUES = {
    "no sample": lambda v: v[:0],
    "no feature": lambda v: v[:, :0],
    "infinite": lambda v: np.where(np.arange(6) == 4, np.inf, v),
    "minus infinite": lambda v: np.where(np.arange(6) == 4, -np.inf, v),
    "wider than floats": lambda v: [[10**400, *row[1:]] for row in v.tolist()],
    "an overflown integer": lambda v: np.full(v.shape, np.iinfo(np.int64).max),
    "text": lambda v: v.astype(str),
    "words": lambda v: [["low", *row[1:]] for row in v.tolist()],
    "complex": lambda v: v + 1j,
    "times": lambda v: v.astype("datetime64[s]"),
    "one dimension": lambda v: v[:, 0],
    "three dimensions": lambda v: v[:, :, None],
    "ragged": lambda v: [row[: 1 + n % 2] for n, row in enumerate(v.tolist())],
}


# A stratum in which a site has nobody: its effects are rows with a reason, not an error.
REASONS_FOR_NOBODY = {
    "fit_effects",
    "fit_robust_effects",
    "permute_effects",
    "permute_effects in blocks",
}


@pytest.mark.parametrize("fault", REFUSED_VALUES)
@pytest.mark.parametrize("name", OF_VALUES)
def test_values_that_are_no_table_of_finite_numbers_are_refused(name, fault):
    values, labels, sites = study()
    bad = REFUSED_VALUES[fault](values)
    n = len(bad)
    if fault == "no sample" and name in REASONS_FOR_NOBODY:
        assert set(OF_VALUES[name](bad, labels[:n], sites[:n]).reason) == {
            "fewer than 2 cases measured (0)"
        }
        return
    refusal(lambda: OF_VALUES[name](bad, labels[:n], sites[:n]))


POOR_VALUES = {
    "one sample": (lambda v: v[:1]),
    "two samples": (lambda v: v[:2]),
    "one feature": (lambda v: v[:, :1]),
    "all missing": (lambda v: v * NAN),
    "one feature all missing": (lambda v: np.where(np.arange(6) == 2, NAN, v)),
    "constant": (np.ones_like),
    "one feature constant": (lambda v: np.where(np.arange(6) == 2, 1.0, v)),
    "huge": (lambda v: v * 1e300),
    "tiny": (lambda v: v * 1e-300),
    "negative": (lambda v: -v),
}


@pytest.mark.parametrize("fault", POOR_VALUES)
@pytest.mark.parametrize("name", OF_VALUES)
def test_values_that_say_too_little_are_refused_or_answered_with_a_reason(name, fault):
    values, labels, sites = study()
    poor = POOR_VALUES[fault](values)
    answered(lambda: OF_VALUES[name](poor, labels[: len(poor)], sites[: len(poor)]))


REFUSED_LABELS = {
    "a third group": lambda y: np.where(np.arange(N) == 5, 2, y),
    "a gap": lambda y: np.where(np.arange(N) == 5, NAN, y),
    "words": lambda y: np.where(y == 1, "case", "control"),
    "wider than floats": lambda y: [10**400, *y[1:].tolist()],
    "wrapped around": lambda y: (y - 1).astype(np.uint8),
    "too few": lambda y: y[:-1],
    "a column too many": lambda y: np.column_stack([y, y]),
}


@pytest.mark.parametrize("fault", REFUSED_LABELS)
@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_other_than_one_case_or_control_a_sample_are_refused(name, fault):
    values, labels, sites = study()
    refusal(lambda: OF_LABELS[name](values, REFUSED_LABELS[fault](labels), sites))


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("name", OF_LABELS)
def test_one_group_alone_is_refused_or_answered_with_a_reason(name, label):
    values, labels, sites = study()
    answered(lambda: OF_LABELS[name](values, np.full_like(labels, label), sites))


@pytest.mark.parametrize("name", OF_LABELS | OF_SITES)
def test_fewer_rows_of_values_than_labels_or_sites_are_refused(name):
    values, labels, sites = study()
    refusal(lambda: OF_VALUES[name](values[:-1], labels, sites))


REFUSED_SITES = {
    "a space after it": lambda s: ["Fukuoka ", *s[1:]],
    "another case": lambda s: ["fukuoka", *s[1:]],
    "full-width letters": lambda s: ["Ｆｕｋｕｏｋａ", *s[1:]],
    "no name": lambda s: [None, *s[1:]],
    "a gap": lambda s: [NAN, *s[1:]],
    "blanks": lambda s: [" ", *s[1:]],
    "too few": lambda s: s[:-1],
    "a column too many": lambda s: np.column_stack([s, s]),
}


@pytest.mark.parametrize("fault", REFUSED_SITES)
@pytest.mark.parametrize("name", OF_SITES)
def test_sites_without_one_clear_name_a_sample_are_refused(name, fault):
    values, labels, sites = study()
    refusal(lambda: OF_SITES[name](values, labels, REFUSED_SITES[fault](sites)))


@pytest.mark.parametrize("name", OF_SITES)
def test_one_site_alone_is_refused_or_answered_with_a_reason(name):
    values, labels, sites = study()
    answered(lambda: OF_SITES[name](values, labels, np.full_like(sites, "Fukuoka")))


REFUSED_SCORES = {
    "no sample": lambda score: score[:0],
    "infinite": lambda score: np.where(np.arange(N) == 4, np.inf, score),
    "wider than floats": lambda score: [10**400, *score[1:].tolist()],
    "an overflown integer": lambda score: np.full(N, np.iinfo(np.int64).max),
    "words": lambda score: ["high"] * N,
    "too few": lambda score: score[:-1],
    "a column too many": lambda score: score[:, None],
}


@pytest.mark.parametrize("fault", REFUSED_SCORES)
@pytest.mark.parametrize("name", OF_SCORES)
def test_scores_other_than_one_finite_number_a_person_are_refused(name, fault):
    labels, scores = np.arange(N) % 2, rng().uniform(size=N)
    refusal(lambda: OF_SCORES[name](labels, REFUSED_SCORES[fault](scores)))


@pytest.mark.parametrize("fault", REFUSED_LABELS)
@pytest.mark.parametrize("name", OF_SCORES)
def test_scores_of_people_who_are_neither_case_nor_control_are_refused(name, fault):
    labels, scores = np.arange(N) % 2, rng().uniform(size=N)
    refusal(lambda: OF_SCORES[name](REFUSED_LABELS[fault](labels), scores))


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("name", OF_SCORES)
def test_scores_of_one_group_alone_are_refused(name, label):
    refusal(lambda: OF_SCORES[name](np.full(N, label), rng().uniform(size=N)))


@pytest.mark.parametrize("fault", REFUSED_LABELS)
def test_a_grid_of_unfit_labels_is_refused(fault):
    values, labels, _ = study()
    people = pd.DataFrame(index=range(N))
    refusal(lambda: sensitivity_grid(pd.DataFrame(values), REFUSED_LABELS[fault](labels), people))


@pytest.mark.parametrize("fault", ["infinite", "an overflown integer", "complex"])
def test_a_grid_says_in_every_cell_why_it_has_no_number(fault):
    values, labels, _ = study()
    table = pd.DataFrame(REFUSED_VALUES[fault](values))
    grid = sensitivity_grid(table, labels, pd.DataFrame(index=range(N)), changes=())
    assert grid["estimate"].isna().all()
    assert (grid["reason"].str.split().str.len() >= 6).all()


ONE_BY_ONE: dict[str, Callable[[], Any]] = {
    "a p value above 1": lambda: adjust_p([0.1, 1.1]),
    "an infinite p value": lambda: adjust_p([0.1, np.inf]),
    "a p value wider than floats": lambda: adjust_p([0.1, 10**400]),
    "a p value in words": lambda: adjust_p(["small"]),
    "a chance above 1": lambda: recalibrate([0.5, 1.5], 0.1),
    "a chance without number": lambda: recalibrate([0.5, NAN], 0.1),
    "an infinite shift": lambda: recalibrate([0.5], np.inf),
    "a slope without number": lambda: recalibrate([0.5], 0.0, NAN),
    "negative ornithine": lambda: arginine_ratio([80.0], [-1.0]),
    "infinite arginine": lambda: arginine_ratio([np.inf], [20.0]),
    "ornithine wider than floats": lambda: arginine_ratio([80.0], [10**400]),
    "arginine in words": lambda: judge_handling(["much"], [20.0]),
    "a negative delay": lambda: judge_handling(delay_hours=[-1.0]),
    "an infinite delay": lambda: judge_handling(delay_hours=[np.inf]),
    "a grid of no sample": lambda: sensitivity_grid(
        pd.DataFrame(columns=["a"]), [], pd.DataFrame()
    ),
    "a grid of no feature": lambda: sensitivity_grid(
        pd.DataFrame(index=[0]), [1], pd.DataFrame(index=[0])
    ),
    "no sample's records": lambda: judge_records(pd.DataFrame({"delay_hours": []})),
    "records' infinite delay": lambda: judge_records(pd.DataFrame({"delay_hours": [np.inf]})),
    "records in words": lambda: judge_records(pd.DataFrame({"delay_hours": ["long"]})),
    "an unknown flag": lambda: impute([[1.0]], [[7]]),
    "a flag that wraps around to one": lambda: impute([[1.0]], [[257]]),
    "a flag without number": lambda: impute([[1.0]], [[NAN]]),
    "a flag in words": lambda: impute([[1.0]], [["below"]]),
    "a limit in words": lambda: impute([[1.0]], [[1]], ["low"]),
    "an infinite limit": lambda: impute([[1.0]], [[1]], [np.inf]),
    "an infinite score": lambda: differential_items(
        np.eye(4), ["ja", "ja", "it", "it"], [1.0, 2.0, 3.0, np.inf]
    ),
    "a limit of repeats without number": lambda: find_repeats(np.eye(4), max_chance=NAN),
}


@pytest.mark.parametrize("fault", ONE_BY_ONE)
def test_what_only_one_function_reads_is_refused_too(fault):
    refusal(ONE_BY_ONE[fault])


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.float32, bool, object])
@pytest.mark.parametrize("name", OF_VALUES)
def test_small_numbers_are_not_computed_with_in_their_own_kind(name, kind):
    # 120 + 20 is 140 in no int8, and 20 - 120 is not negative in uint8.
    values, labels, sites = study()
    whole = rng().integers(1, 121, size=values.shape).astype(kind)
    as_floats = answered(lambda: OF_VALUES[name](whole.astype(np.float64), labels, sites))
    assert repr(answered(lambda: OF_VALUES[name](whole, labels, sites))) == repr(as_floats)
