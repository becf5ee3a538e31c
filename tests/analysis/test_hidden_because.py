"""Why a row is hidden: true words, and none that tell a row on few people from those around it."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.services.disclosure.hidden_rows import judge
from analysis.services.disclosure.rules import few_in_an_arm
from analysis.services.disclosure.whys import HIDDEN, WORDS, Why, words_of
from tests.analysis.test_disclosure_attack import a_consortium

K = 10
SEEDS = (13, 23, 26)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_row_on_few_people_reads_like_those_from_which_it_could_be_worked_out(seed):
    effects, pooled = a_consortium(seed)
    judged = judge(effects, pooled, k=K)
    few = few_in_an_arm(effects, K)
    assert set(words_of(judged.effects_why[judged.effects_hidden])) == {WORDS[Why.FEW]}
    assert (judged.effects_hidden & ~few).any()
    assert not judged.effects_why[~judged.effects_hidden].any()


def test_a_pool_that_one_or_two_sites_are_says_so():
    effects, pooled = a_consortium(5)
    large = effects["site"] == "S0"
    effects.loc[large, ["n_case", "n_control"]] = 4_000
    effects.loc[large, "df"] = 7_998.0
    effects.loc[~large, ["n_case", "n_control"]] = 20
    effects.loc[~large, "df"] = 38.0
    pooled = pooled.assign(n_case=4_100, n_control=4_100)
    judged = judge(effects, pooled, k=K)
    with_it = (pooled["sites"].str.contains("S0") & (pooled["n_sites"] > 2)).to_numpy()
    assert with_it.any()
    assert set(judged.pooled_why[with_it]) == {Why.DOMINATED}


def test_an_earlier_release_is_the_reason_of_what_it_alone_hides():
    effects, pooled = a_consortium(26)
    alone = judge(effects, pooled, k=K)
    told = int(np.flatnonzero(~alone.effects_hidden)[0])
    withheld = np.zeros(len(effects), dtype=bool), np.zeros(len(pooled), dtype=bool)
    withheld[0][told] = True
    judged = judge(effects, pooled, k=K, withheld=withheld)
    assert judged.effects_why[told] == Why.EARLIER
    both = alone.effects_hidden & judged.effects_hidden
    assert (judged.effects_why[both] == alone.effects_why[both]).all()
    new = judged.effects_hidden & ~alone.effects_hidden
    assert set(judged.effects_why[new]) == {Why.EARLIER}


def test_somebody_of_a_site_is_told_what_is_hidden_because_of_that():
    effects, pooled = a_consortium(13)
    everybody, insider = (judge(effects, pooled, k=K, own=own) for own in ((), ("S1",)))
    more = insider.pooled_hidden & ~everybody.pooled_hidden
    assert more.any()
    assert set(insider.pooled_why[more]) == {Why.INSIDER}


def test_every_reason_has_words_of_its_own_without_a_number_of_people():
    assert len(HIDDEN) == len(Why) - 1
    assert all(words.startswith("hidden") for words in HIDDEN)
    assert not any(letter.isdigit() for words in HIDDEN for letter in words)
