"""Effects of the sites, pooled: a random-effects meta-analysis of every feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


# Columns of words about a feature's sites, and what they are made of.
WORDS = {"sites": "site", "matrix": "matrix", "source_names": "source_name", "hmdb": "hmdb"}


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
    of_feature = features.get_indexer(pd.Index(used["feature"])).astype(np.int64)
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
            **{
                name: _joined(used[column], of_feature, len(features))
                for name, column in WORDS.items()
            },
            "reason": pooled.reason,
        }
    )


def _joined(words_of: pd.Series, of_feature: NDArray[np.int64], n_features: int) -> list[str]:
    """The distinct words of each feature's sites, in the sites' order."""
    of_word, words = pd.factorize(words_of.where(words_of != ""))
    said = of_word >= 0
    of_feature, of_word = of_feature[said], of_word[said]
    pairs = pd.unique(of_feature * max(len(words), 1) + of_word)
    of_feature, of_word = np.divmod(pairs, max(len(words), 1))
    order = np.argsort(of_feature, kind="stable")
    texts = np.asarray(words, dtype=object)[of_word[order]].tolist()
    ends = np.searchsorted(of_feature[order], np.arange(n_features + 1)).tolist()
    return [";".join(texts[start:end]) for start, end in pairwise(ends)]
