"""Over many simulated studies: few false discoveries, and a harmonisation that keeps the group.

The long form is `python -m tests.stats.monte_carlo_features`.
"""

import numpy as np
import pytest

from tests.stats.monte_carlo_features import LEVEL, PLANTED_EFFECT, discoveries, harmonised


def rng() -> np.random.Generator:
    return np.random.default_rng(20220313)


@pytest.mark.parametrize("planted", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("n_sites", [5, 10])
def test_false_discoveries_keep_to_their_rate_with_planted_effects_and_without(n_sites, planted):
    false, _ = discoveries(rng(), 100, n_sites, planted)
    # Three standard errors of a hundred studies, in which at most one in twenty is called.
    assert false <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 100)


def test_large_planted_effects_are_discovered():
    assert discoveries(rng(), 20, 10, 0.3)[1] > 0.9


def test_p_values_that_were_not_adjusted_are_seen_to_call_too_much():
    assert discoveries(rng(), 20, 10, 0.1, adjusted=False)[0] > 0.2


@pytest.mark.parametrize("n_sites", [3, 5, 10])
def test_combat_takes_the_planted_site_effect_and_leaves_the_planted_group_effect(n_sites):
    before, after, effect = harmonised(rng(), 15, n_sites)
    assert before > 0.2
    assert abs(after) < 0.03
    assert effect == pytest.approx(PLANTED_EFFECT, abs=0.03)


def test_combat_that_is_not_told_of_the_group_is_seen_to_take_some_of_its_effect():
    assert harmonised(rng(), 15, 3, keep_group=False)[2] < 0.9 * PLANTED_EFFECT
