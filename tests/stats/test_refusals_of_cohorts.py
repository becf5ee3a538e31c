"""Whatever cohorts send to be pooled is refused in words, or a missing number has its reason."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.stats.heterogeneity import heterogeneity
from analysis.stats.influence import egger_test, leave_one_out
from analysis.stats.meta import pool_effects
from analysis.stats.moderators import meta_regression, subgroup_difference
from analysis.stats.sequential import confidence_sequence
from tests.stats.refusing import answered, refusal

NAN = float("nan")

OF_COHORTS: dict[str, Callable[[Any, Any], Any]] = {
    "pool_effects": pool_effects,
    **{
        f"pool_effects {tau2}": lambda y, v, tau2=tau2: pool_effects(y, v, tau2=tau2)
        for tau2 in ("DL", "PM", "ML", "HE", "HS", "SJ", "EB", "FE")
    },
    "heterogeneity": heterogeneity,
    "leave_one_out": leave_one_out,
    "egger_test": egger_test,
    "meta_regression": lambda y, v: meta_regression(y, v, np.arange(len(y))),
    "subgroup_difference": lambda y, v: subgroup_difference(y, v, ["a", "b", "c", "d"][: len(y)]),
    "confidence_sequence": confidence_sequence,
}


def cohorts() -> tuple[np.ndarray, np.ndarray]:
    """Effects of 3 features in 4 cohorts, and their variances."""
    drawn = np.random.default_rng(20220313)
    return drawn.normal(size=(4, 3)), drawn.uniform(0.1, 0.4, size=(4, 3))


# What is wrong with one of the two by itself is tried in test_every_function.py.
REFUSED_COHORTS = {
    "an effect without its variance": lambda y, v: (y, np.where(v == v[1, 1], NAN, v)),
    "a variance without its effect": lambda y, v: (np.where(y == y[1, 1], NAN, y), v),
    "no cohort": lambda y, v: (y[:0], v[:0]),
    "no feature": lambda y, v: (y[:, :0], v[:, :0]),
    "one dimension": lambda y, v: (y[:, 0], v[:, 0]),
}


@pytest.mark.parametrize("fault", REFUSED_COHORTS)
@pytest.mark.parametrize("name", OF_COHORTS)
def test_effects_without_their_own_positive_variance_are_refused(name, fault):
    refusal(lambda: OF_COHORTS[name](*REFUSED_COHORTS[fault](*cohorts())))


POOR_COHORTS = {
    "one cohort": lambda y, v: (y[:1], v[:1]),
    "two cohorts": lambda y, v: (y[:2], v[:2]),
    "all missing": lambda y, v: (y * NAN, v * NAN),
    "one feature missing": lambda y, v: (
        np.where(np.arange(3) == 1, NAN, y),
        np.where(np.arange(3) == 1, NAN, v),
    ),
    "one effect in all": lambda y, v: (np.ones_like(y), np.ones_like(v)),
    "one of a million": lambda y, v: (y * 1e6, v),
    "tiny variances": lambda y, v: (y, v * 1e-300),
    "huge variances": lambda y, v: (y, v * 1e300),
    "huge effects": lambda y, v: (y * 1e300, v),
}


@pytest.mark.parametrize("fault", POOR_COHORTS)
@pytest.mark.parametrize("name", OF_COHORTS)
def test_cohorts_that_say_too_little_are_refused_or_answered_with_a_reason(name, fault):
    answered(lambda: OF_COHORTS[name](*POOR_COHORTS[fault](*cohorts())))
