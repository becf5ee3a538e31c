"""Attacks on what is released: thresholds, subtraction over sites and sexes, insiders.

Every attacker has a twin test in which a rule is switched off, and then finds what it looks for.
"""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest

from analysis.services import refusals
from analysis.services.disclosure import (
    hidden_rows,
    released_documents,
    released_tables,
    released_verdicts,
    suppression,
)
from analysis.services.disclosure.whys import WORDS, Why
from tests.analysis.published_study import at

K = 10
RULE = released_documents.RULES["classifier"]
STRATA = ("all", "men", "women")
SEEDS = range(40)
EVERY_SITE_TELLS = 3  # people in an arm from which a site has an effect


# --- random consortia: everybody is men plus women, a pool is the weighted mean of its sites


def a_consortium(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects and pooled effects of 3 features at 3 to 7 sites of very different sizes."""
    rng = np.random.default_rng(seed)
    sites = [f"S{number}" for number in range(rng.integers(3, 8))]
    rows = []
    for site in sites:
        typical = rng.choice([4, 9, 14, 30, 80])
        for feature in ("a", "b", "c"):
            if rng.random() < 0.2:
                continue  # not measured there
            men, women = ([int(n) for n in rng.poisson(typical * share, 2)] for share in (0.7, 0.4))
            rows += _site_rows(site, feature, men, women, rng)
    effects = pd.DataFrame(rows)
    return effects, _pooled(effects)


def _site_rows(site, feature, men, women, rng):
    cells = {}
    for stratum, arms in (("men", men), ("women", women)):
        weight = arms[0] * arms[1] / max(sum(arms), 1)
        cells[stratum] = (arms, weight, rng.normal())
    weight = cells["men"][1] + cells["women"][1]
    mean = sum(w * g for _, w, g in cells.values()) / weight if weight else 0.0
    cells["all"] = ([men[0] + women[0], men[1] + women[1]], weight, mean)
    return [_row(stratum, feature, site, *cells[stratum]) for stratum in STRATA]


def _row(stratum, feature, site, arms, weight, g):
    there = min(arms) >= EVERY_SITE_TELLS and weight > 0
    told = {"stratum": stratum, "feature": feature, "site": site, "reason": ""}
    told |= {"n_case": arms[0], "n_control": arms[1], "df": sum(arms) - 2.0}
    numbers = {"estimate": g, "hedges_g": g, "hedges_g_variance": 1 / weight if weight else np.nan}
    return told | (numbers if there else dict.fromkeys(numbers, np.nan))


def _pooled(effects):
    rows = []
    for (stratum, feature), part in effects.dropna(subset="estimate").groupby(
        ["stratum", "feature"]
    ):
        weight = 1 / part["hedges_g_variance"]
        told = {"stratum": stratum, "feature": feature, "reason": ""}
        told |= {"estimate": np.average(part["hedges_g"], weights=weight)}
        told |= {"se": weight.sum() ** -0.5, "p": 0.1, "q": 0.2, "n_sites": len(part)}
        told |= {name: part[name].sum() for name in ("n_case", "n_control")}
        rows.append(told | {"sites": ";".join(part["site"])})
    return pd.DataFrame(rows)


# --- the attacker


class Attacker:
    """Knows which rows are shown, their exact numbers, every sum, and the rows of ``own``."""

    def __init__(self, effects, pooled, *, own=frozenset(), shown_to=None):
        self.judged = hidden_rows.judge(
            effects, pooled, k=K, own=own if shown_to is None else shown_to
        )
        sites = effects.assign(hidden=self.judged.effects_hidden)
        pools = pooled.assign(hidden=self.judged.pooled_hidden, site="")
        self.cells = pd.concat([sites, pools], ignore_index=True)
        self.known = ~self.cells["hidden"] | self.cells["site"].isin(own)
        self.own = own

    def recovered(self) -> list[tuple[str, str, str]]:
        """Cells on fewer than k people that the released numbers determine."""
        return [found for _, part in self.cells.groupby("feature") for found in self._solve(part)]

    def _solve(self, part):
        place = {(row.stratum, row.site): number for number, row in enumerate(part.itertuples())}
        known = self.known[part.index].to_numpy()
        rows = [np.eye(len(part))[cell] for cell in np.flatnonzero(known)]
        for stratum in STRATA:
            inside = part[(part["stratum"] == stratum) & part["estimate"].notna()]
            if (stratum, "") in place:
                signs = {"": -1.0}
                rows.append(
                    self._sum(place, {(stratum, s): signs.get(s, 1.0) for s in inside["site"]})
                )
        for site in set(part["site"]) - {""}:
            cells = {("all", site): -1.0, ("men", site): 1.0, ("women", site): 1.0}
            if cells.keys() <= place.keys():
                rows.append(self._sum(place, cells))
        matrix = np.array(rows)
        _, scale, vectors = np.linalg.svd(matrix)
        loose = np.abs(vectors[(scale > 1e-9).sum() :]).max(axis=0, initial=0.0) > 1e-9
        few = (part[["n_case", "n_control"]] < K).any(axis=1).to_numpy()
        for cell in np.flatnonzero(~loose & few & ~known):
            row = part.iloc[cell]
            self._check(matrix, part, cell)
            if row["site"] or not self._all_own(row["stratum"], row["feature"]):
                yield row["feature"], row["stratum"], row["site"]

    @staticmethod
    def _sum(place, signs):
        row = np.zeros(len(place))
        for cell, sign in signs.items():
            row[place[cell]] = sign
        return row

    def _all_own(self, stratum, feature):
        return set(self.judged.contributors(stratum, feature)["site"]) <= self.own

    def _check(self, matrix, part, cell):
        """What the solver says it determined is really the number of cases there."""
        n = part["n_case"].to_numpy(dtype=float)
        solved = np.linalg.lstsq(matrix, matrix @ n, rcond=None)[0]
        assert solved[cell] == pytest.approx(n[cell], abs=1e-6)

    def small_sums(self) -> list[tuple[str, str]]:
        """Shown pools whose hidden sites are together fewer than k people in an arm, or one."""
        found = []
        for row in self.cells[(self.cells["site"] == "") & ~self.cells["hidden"]].itertuples():
            inside = self.judged.contributors(row.stratum, row.feature)
            left = inside[inside["hidden"] & ~inside["site"].isin(self.own)]
            few = (left[["n_case", "n_control"]] < K).any(axis=1)
            if few.any() and (left[["n_case", "n_control"]].sum().min() < K or len(left) < 2):
                found.append((row.stratum, row.feature))
        return found


@pytest.mark.parametrize("seed", SEEDS)
def test_no_hidden_cell_is_solved_from_sites_sexes_and_pools(seed):
    attacker = Attacker(*a_consortium(seed))
    assert attacker.recovered() == []
    assert attacker.small_sums() == []


def test_without_complementary_suppression_the_attacker_solves_hidden_cells(monkeypatch):
    monkeypatch.setattr(hidden_rows, "completed", lambda table, hidden, *_, **__: hidden)
    found = [Attacker(*a_consortium(seed)).recovered() for seed in SEEDS]
    assert sum(map(bool, found)) > len(SEEDS) / 3


ARMS_OF = {  # men and women: cases, controls
    "FUK": ([36, 29], [13, 18]),
    "MIL": ([27, 19], [11, 17]),
    "MTL": ([23, 24], [10, 15]),
    "SEL": ([37, 27], [7, 11]),
    "TYO": ([32, 20], [11, 22]),
}


def test_one_site_with_few_women_hides_four_rows_and_no_pool():
    """The site's other sex and both of the smallest other site; all else is told."""
    rng = np.random.default_rng(1)
    rows = [row for site, arms in ARMS_OF.items() for row in _site_rows(site, "a", *arms, rng)]
    effects = pd.DataFrame(rows)
    attacker = Attacker(effects, _pooled(effects))
    hidden = attacker.cells[attacker.cells["hidden"]]
    assert set(zip(hidden["stratum"], hidden["site"], strict=True)) == {
        (sex, site) for sex in ("men", "women") for site in ("MTL", "SEL")
    }
    assert attacker.recovered() == []
    row = {"stratum": "men", "feature": "a", "n_case": 128, "n_control": 100}
    spoken = ["FUK", "MTL", "SEL", "TYO"]  # a verdict without the site of suspect handling
    assert not released_verdicts.verdict_why(attacker.judged, row, spoken, k=K, own=())
    fewer = row | {"n_case": 105, "n_control": 76}
    assert released_verdicts.verdict_why(attacker.judged, fewer, ["FUK", "SEL", "TYO"], k=K, own=())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_row_is_hidden_in_vain(seed):
    """Each row that no rule hides by itself would tell, if it were told, what must be hidden."""
    effects, pooled = a_consortium(seed)
    seen = []

    def watched(table, hidden, guarded, **options):
        given, out = frozenset(hidden), suppression.completed(table, hidden, guarded, **options)
        for cell in out - given:
            again = suppression.completed(table, out - {cell}, guarded, **options)
            seen.append(again != out - {cell})
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden_rows, "completed", watched)
        hidden_rows.judge(effects, pooled, k=K)
    assert all(seen)


def test_something_is_still_shown():
    shown = [Attacker(*a_consortium(seed)).judged for seed in SEEDS]
    enough = [((j.effects[["n_case", "n_control"]] >= K).all(axis=1), j) for j in shown]
    shares = [(~j.effects_hidden)[rows.to_numpy()].mean() for rows, j in enough if rows.any()]
    assert np.mean(shares) > 0.6
    assert np.mean([(~j.pooled_hidden).mean() for j in shown]) > 0.4


@pytest.mark.parametrize("seed", SEEDS)
def test_an_insider_takes_the_own_site_off_and_sees_no_few_others(seed):
    effects, pooled = a_consortium(seed)
    for site in sorted(set(effects["site"])):
        insider = Attacker(effects, pooled, own=frozenset({site}))
        assert insider.recovered() == []
        assert insider.small_sums() == []
        assert few_others(insider, site) == []


def few_others(attacker: Attacker, site: str) -> list[tuple[str, str]]:
    """Pools shown to the site's people that rest on fewer than k others, or on one other site."""
    found = []
    for row in attacker.cells[
        (attacker.cells["site"] == "") & ~attacker.cells["hidden"]
    ].itertuples():
        inside = attacker.judged.contributors(row.stratum, row.feature)
        others = inside[inside["site"] != site]
        few = others[["n_case", "n_control"]].sum().min() < K or len(others) < 2
        if len(others) < len(inside) and few:
            found.append((row.stratum, row.feature))
    return found


def test_an_insider_who_is_shown_what_analysts_see_finds_a_few_others():
    found = 0
    for seed in SEEDS[:10]:
        effects, pooled = a_consortium(seed)
        for site in sorted(set(effects["site"])):
            naive = Attacker(effects, pooled, own=frozenset({site}), shown_to=frozenset())
            found += bool(naive.recovered() or naive.small_sums() or few_others(naive, site))
    assert found > 5


def test_the_estimate_of_one_hidden_site_follows_from_the_pool_by_inverse_variances(monkeypatch):
    """Why the sums of counts stand for the estimates too: the released digits are enough."""
    effects = pd.DataFrame(
        [
            _row("all", "a", "S0", [40, 40], 20.0, 0.4),
            _row("all", "a", "S1", [35, 30], 16.0, -0.2),
            _row("all", "a", "S2", [8, 9], 4.2, 1.3),
        ]
    )
    pooled = _pooled(effects)

    def guess():
        judged = hidden_rows.judge(effects, pooled, k=K)
        sites = released_tables.effects_shown(judged, K).dropna(subset="hedges_g")
        pool = released_tables.pooled_shown(judged).iloc[0]
        weight = 1 / sites["hedges_g_variance"]
        left = pool["se"] ** -2 - weight.sum()
        return (pool["estimate"] * pool["se"] ** -2 - (weight * sites["hedges_g"]).sum()) / left

    monkeypatch.setattr(hidden_rows, "dominated", lambda *_: False)
    assert not abs(guess() - 1.3) < 0.3
    monkeypatch.setattr(hidden_rows, "completed", lambda table, hidden, *_, **__: hidden)
    assert guess() == pytest.approx(1.3, abs=0.3)


# --- the classifier is a sum over sites too


def areas(*sizes):
    return {
        "refused": "",
        "auc": 0.71234,
        "ci_low": 0.6,
        "ci_high": 0.8,
        "warnings": [f"S{site}: tested without 3 features." for site in range(len(sizes))],
        "importance": {"a": 0.123456},
        "by_site": [
            {"site": f"S{site}", "n_case": n, "n_control": n, "reason": ""}
            | {"auc": 0.7, "ci_low": 0.5, "ci_high": 0.9}
            for site, n in enumerate(sizes)
        ],
    }


def test_the_area_of_one_small_site_is_not_the_whole_less_the_others():
    grouped = areas(30, 20, 6, 25) | {"n_groups": 2, "left_out_together": [["A", "C"], ["B", "D"]]}
    told = released_documents.shown(RULE, grouped, {}, K, ())
    assert "left_out_together" not in told
    assert told["n_groups"] == 2
    assert told["auc"] == 0.712
    hidden = [entry["site"] for entry in told["by_site"] if entry["auc"] is None]
    assert hidden == ["S1", "S2"]
    assert not any(word.startswith(("S1", "S2")) for word in told["warnings"])


def test_an_insider_of_the_hidden_pair_is_not_told_the_area_of_all():
    for site, told in (("S0", 0.712), ("S1", None), ("S2", 0.712)):
        shown = released_documents.shown(RULE, areas(30, 20, 6, 25), {}, K, {site})
        assert shown["auc"] == (None if site == "S2" else told), site


# --- thresholds over HTTP


def queries(n: int) -> list[tuple[str, dict[str, str]]]:
    draw = random.Random(20)
    values = {
        "feature": ["decanoylcarnitine", "ornithine", "=cmd|' /C calc'!A0"],
        "stratum": ["all", "men", "women"],
        "site": ["FUK", "OSA", "TYO"],
        "p_below": ["0.05", "0.5", "1"],
        "q_below": ["0.2", "1"],
    }
    refused = {"effects": "q_below", "pooled": "site"}  # not asked there
    found = []
    for _ in range(n):
        table = draw.choice(["effects", "pooled"])
        names = draw.sample(sorted(values.keys() - {refused[table]}), draw.randint(0, 4))
        found.append((table, {name: draw.choice(values[name]) for name in names}))
    return found


def numbers_on_few(run, client, truth, n=80):
    found = []
    for table, asked in queries(n):
        answer = client.get(at(run, table), asked)
        assert answer.status_code == 200
        for row in answer.json():
            here = truth[table, row["stratum"], row["feature"], row.get("site", "")]
            told = [row[name] for name in ("estimate", "p", "n_case", "n_control")]
            if here < K and any(number is not None for number in told):
                found.append(row)
            assert all(n is None or n % 5 == 0 for n in told[2:])
    return found


@pytest.fixture
def truth(study, client_of):
    manager = client_of("CD")
    return {
        (table, row["stratum"], row["feature"], row.get("site", "")): min(
            row["n_case"], row["n_control"]
        )
        for table in ("effects", "pooled")
        for row in manager.get(at(study, table)).json()
    }


@pytest.mark.parametrize(("role", "site"), [("CA", ""), ("SC", "FUK")])
def test_no_allowed_query_returns_a_number_on_few(
    study,
    client_of,
    truth,
    role,
    site,
    monkeypatch,
):
    monkeypatch.setattr(refusals, "A_DAY", 10_000)
    assert numbers_on_few(study, client_of(role, site), truth) == []


def test_without_the_threshold_random_queries_find_numbers_on_few(
    study,
    client_of,
    truth,
    monkeypatch,
):
    monkeypatch.setattr(refusals, "A_DAY", 10_000)
    monkeypatch.setattr(
        hidden_rows, "few_in_an_arm", lambda frame, k: np.zeros(len(frame), dtype=bool)
    )
    assert numbers_on_few(study, client_of("CA"), truth, n=30)


def test_a_site_sees_a_pool_only_while_the_others_are_enough_without_it(study, client_of, settings):
    asked = {"feature": "ornithine", "stratum": "men"}  # 6 and 6 men at each of three sites
    analyst, insider = client_of("CA"), client_of("SC", "FUK")
    for k, told in ((10, True), (13, False)):
        settings.DISCLOSURE_K = k
        (row,) = insider.get(at(study, "pooled"), asked).json()
        assert (row["estimate"] is not None) is told
        assert row["reason"] == ("" if told else WORDS[Why.INSIDER])
        assert analyst.get(at(study, "pooled"), asked).json()[0]["estimate"] is not None
