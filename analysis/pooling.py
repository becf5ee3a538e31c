"""Effects of the sites, pooled: a random-effects meta-analysis of every feature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.plans import AnalysisPlan
from analysis.stats.errors import UnusableData
from analysis.stats.meta import pool_effects
from analysis.stats.multiplicity import adjust_p


def pool(effects: pd.DataFrame, plan: AnalysisPlan) -> pd.DataFrame:
    """Random-effects pooling of Hedges g, by stratum and feature; q within the stratum.

    Only effects of at least two sites are tests; one site passes through with the reason.
    """
    by_stratum = {stratum: effects[effects["stratum"] == stratum] for stratum in plan.strata}
    parts = [pool_stratum(rows, name, plan) for name, rows in by_stratum.items() if len(rows)]
    if not parts:
        raise UnusableData("No site has a feature that was detected in enough of its people.")
    return pd.concat(parts, ignore_index=True)


def pool_stratum(effects: pd.DataFrame, stratum: str, plan: AnalysisPlan) -> pd.DataFrame:
    wide = {
        name: effects.pivot(index="site", columns="feature", values=name)
        for name in ("hedges_g", "hedges_g_variance")
    }
    features = wide["hedges_g"].columns
    pooled = pool_effects(
        wide["hedges_g"].to_numpy(dtype=float).reshape(-1, len(features)),
        wide["hedges_g_variance"].to_numpy(dtype=float).reshape(-1, len(features)),
        tau2=plan.tau2,
        test=plan.test,
    )
    tested = np.where(pooled.n_cohorts >= 2, pooled.p, np.nan)
    used = effects[effects["hedges_g"].notna()]
    by_feature = used.groupby("feature")
    counts = by_feature[["n_case", "n_control"]].sum().reindex(features, fill_value=0)
    names = ("estimate", "se", "ci_low", "ci_high", "p")
    more = ("tau2", "i2", "q_statistic", "q_p", "pi_low", "pi_high")
    return pd.DataFrame(
        {
            "stratum": stratum,
            "feature": features,
            **{name: getattr(pooled, name) for name in names},
            "q": adjust_p(tested, plan.multiplicity),
            **{name: getattr(pooled, name) for name in more},
            "n_sites": pooled.n_cohorts,
            "n_case": counts["n_case"].to_numpy(dtype=int),
            "n_control": counts["n_control"].to_numpy(dtype=int),
            "sites": _joined(used, "site", features),
            "matrix": _joined(used, "matrix", features),
            "source_names": _joined(used, "source_name", features),
            "hmdb": _joined(used, "hmdb", features),
            "reason": pooled.reason,
        }
    )


def _joined(used: pd.DataFrame, column: str, features: pd.Index) -> list[str]:
    """The distinct words of a feature's sites, in the sites' order."""
    words: dict[str, dict[str, None]] = {}
    for feature, word in zip(used["feature"], used[column], strict=True):
        if word:
            words.setdefault(feature, {})[str(word)] = None
    return [";".join(words.get(feature, ())) for feature in features]
