"""Effects of the sites, pooled by stratum."""

import numpy as np
import pandas as pd
import pytest

from analysis.plans import AnalysisPlan
from analysis.stats.errors import UnusableData
from analysis.steps.pieces import Anew
from analysis.steps.pooling import pool
from analysis.steps.site_effects import EFFECT_COLUMNS

PLAN = AnalysisPlan(case=("hikikomori",), control=("healthy_control",))


def effects(g, stratum="all", feature="ornithine"):
    rows = pd.DataFrame(
        {
            "stratum": stratum,
            "feature": feature,
            "site": [f"S{n}" for n in range(len(g))],
            "hedges_g": g,
            "hedges_g_variance": [np.nan if np.isnan(value) else 0.04 for value in g],
            "n_case": 30,
            "n_control": 30,
            "matrix": "plasma",
            "source_name": "Orn",
            "hmdb": "HMDB0000214",
        }
    )
    return rows.reindex(columns=EFFECT_COLUMNS)


def pooled_of(table):
    return pool({"all": [table]}, PLAN, Anew())


def test_sites_without_an_effect_take_no_part_and_are_not_counted():
    pooled = pooled_of(effects([0.5, 0.3, np.nan]))
    row = pooled.iloc[0]
    assert (row["n_sites"], row["n_case"], row["sites"]) == (2, 60, "S0;S1")
    assert row["estimate"] == pytest.approx(0.4)


def test_a_feature_of_one_site_is_no_test():
    table = pd.concat([effects([0.5, 0.3]), effects([2.0], feature="citrulline")])
    pooled = pooled_of(table).set_index("feature")
    assert np.isnan(pooled.at["citrulline", "q"])
    assert pooled.at["ornithine", "q"] == pooled.at["ornithine", "p"]
    assert pooled.at["citrulline", "reason"] == "one cohort: nothing to pool"


def test_a_stratum_in_which_nobody_is_measured_has_no_rows():
    assert set(pooled_of(effects([0.5, 0.3]))["stratum"]) == {"all"}


def test_a_study_without_any_effect_says_so():
    with pytest.raises(UnusableData, match="No site has a feature that was detected in enough"):
        pooled_of(pd.DataFrame(columns=EFFECT_COLUMNS))


def test_an_effect_that_cannot_be_pooled_is_refused_by_its_site_and_feature():
    table = pd.concat([effects([0.5, 0.3]), effects([0.2, 0.1], feature="citrulline")])
    table.loc[(table["feature"] == "ornithine") & (table["site"] == "S1"), "hedges_g"] = 1e60
    words = (
        "Stratum all: the effect of ornithine at S1 has an effect above 1e50.* leave the feature"
    )
    with pytest.raises(UnusableData, match=words):
        pooled_of(table)
