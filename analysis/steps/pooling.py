"""Effects of the sites, pooled: a random-effects meta-analysis of every feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.plans import AnalysisPlan
from analysis.stats.errors import UnsoundEffect, UnusableData
from analysis.stats.meta import pool_effects
from analysis.stats.multiplicity import adjust_p
from analysis.steps.pieces import Piece, Steps, work
from analysis.steps.site_effects import best_of_site


def pool(
    parts: Mapping[str, list[pd.DataFrame]],
    plan: AnalysisPlan,
    steps: Steps,
    people: Sequence[int] = (),
) -> pd.DataFrame:
    """Random-effects pooling of Hedges g, by stratum and feature; q within the stratum.

    ``people`` are those behind the effects. Only effects of at least two sites are tests; one
    site passes through with the reason.
    """
    pieces = [
        Piece(
            "pooled",
            {
                "parts": parts[stratum],
                "stratum": stratum,
                "tau2": plan.tau2,
                "test": plan.test,
                "multiplicity": plan.multiplicity,
            },
            people,
        )
        for stratum in plan.strata
        if any(len(part) for part in parts.get(stratum, ()))
    ]
    if not pieces:
        raise UnusableData("No site has a feature that was detected in enough of its people.")
    return pd.concat(steps.each(pieces), ignore_index=True)


@work("pooled")
def pool_stratum(
    parts: list[pd.DataFrame], stratum: str, tau2: str, test: str, multiplicity: str
) -> pd.DataFrame:
    """One stratum, from the effects of its sites and platforms."""
    effects = best_of_site(pd.concat(parts, ignore_index=True))
    wide = {
        name: effects.pivot(index="site", columns="feature", values=name)
        for name in ("hedges_g", "hedges_g_variance")
    }
    features = wide["hedges_g"].columns
    g, variances = (
        table.to_numpy(dtype=float).reshape(-1, len(features)) for table in wide.values()
    )
    try:
        pooled = pool_effects(g, variances, tau2=tau2, test=test)
    except UnsoundEffect as error:
        site, feature = wide["hedges_g"].index[error.cohort], features[error.feature]
        raise UnusableData(
            f"Stratum {stratum}: the effect of {feature} at {site} has {error.what}; "
            f"{error.n_such} such in all. Look for a unit or a scale that is wrong in that site's "
            "table and correct it, or leave the feature out of the plan."
        ) from error
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
            "q": adjust_p(tested, multiplicity),
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
