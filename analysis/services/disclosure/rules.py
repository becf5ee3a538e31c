"""The disclosure rules on numbers alone: who reads them is asked in `release`.

A number rests on k people or more in each arm, on 10 residual degrees of freedom and on three
people for each parameter that was fitted; a pooled one is not the work of one or two sites, and
says nothing of the others to somebody who knows one of them. What these rules hide cannot be worked
out from the rest (`suppression`). Counts are rounded to 5 after that; estimates have 3 significant
digits, p values 2, an AUC 3 decimals.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.services.disclosure.suppression import Arms

RELEASE_RULES_VERSION = 8
ROUND_TO = 5
LEAST_DF = 10
LARGEST_SHARE_FITTED = 0.33
LARGEST_SHARE_OF_TWO = 0.9
P_RATIO = 0.1
ARMS = ["n_case", "n_control"]
THREE_DIGITS = frozenset({"estimate", "se", "ci_low", "ci_high", "hedges_g", "hedges_g_variance"})
THREE_DIGITS |= {"t", "plain_se", "df_prior"}
THREE_DIGITS |= {"site_sd", "residual_sd", "pooled_estimate", "pooled_se"}
THREE_DIGITS |= {"tau2", "i2", "q_statistic", "pi_low", "pi_high", "always_low", "always_high"}
TWO_DIGITS = frozenset({"p", "q", "q_p", "p_permutation", "p_max_t", "plain_p"})

Mask = npt.NDArray[np.bool_]


# --- what is left of a number


def rounded(n: float) -> int:
    """A count to the nearest 5."""
    return ROUND_TO * round(n / ROUND_TO)


def count_or_none(n: float, k: int) -> int | None:
    """A count as it may be told: nobody and a few look alike."""
    return rounded(n) if n >= k else None


def significant(value: float | None, digits: int) -> float | None:
    """``value`` to so many significant digits; None and NaN stay."""
    if value is None or not math.isfinite(value) or value == 0:
        return value
    return float(f"{value:.{digits - 1}e}")


def coarsened(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy with estimates to 3 significant digits and p values to 2."""
    shown = frame.copy()
    for names, digits in ((THREE_DIGITS, 3), (TWO_DIGITS, 2)):
        for name in names & set(shown.columns):
            column = shown[name].astype(float)
            shown[name] = [significant(value, digits) for value in column]
            shown[name] = shown[name].astype(float)
    return shown


def few_in_an_arm(frame: pd.DataFrame, k: int) -> Mask:
    """Rows on fewer than k people in an arm, or on too few people for what a site's model fits."""
    few = np.array((frame[ARMS] < k).any(axis=1), dtype=bool)
    if "df" in frame:
        few |= np.asarray(frame["df"] < LEAST_DF, dtype=bool)
    if "df" in frame and "site" in frame:
        people = frame[ARMS].sum(axis=1)
        n_fitted = people - frame["df"]
        few |= np.asarray(n_fitted > LARGEST_SHARE_FITTED * people, dtype=bool)
    return few


# --- sums over sites


def sum_is_safe(people: Collection[Arms], k: int) -> bool:
    """Whether a sum over hidden contributors may be worked out: nobody, or several and enough."""
    return not people or (len(people) > 1 and _enough(people, k))


def _enough(people: Iterable[Arms], k: int) -> bool:
    listed = list(people)
    return min(sum(arms[arm] for arms in listed) for arm in (0, 1)) >= k


def dominated(people: Mapping[str, Arms], shown: Collection[str]) -> bool:
    """Whether one or two sites hold more than 90 % of a pooled number's people.

    One or two contributors always do: then it is told exactly where their own rows are told, of
    which it is only an average.
    """
    sizes = sorted((sum(arms) for arms in people.values()), reverse=True)
    if len(sizes) <= 2:
        return not set(people) <= set(shown)
    return sum(sizes[:2]) > LARGEST_SHARE_OF_TWO * sum(sizes)


def outweighs(weights: Iterable[float]) -> bool:
    """Whether the second largest could work out what the largest gave to within a tenth.

    By people the rule above says it already; by precision a site may weigh more than its people.
    """
    sizes = sorted((each for each in weights if math.isfinite(each)), reverse=True)
    return len(sizes) > 2 and sum(sizes[2:]) < P_RATIO * sizes[0]


def tells_an_insider(people: Mapping[str, Arms], own: Collection[str], k: int) -> bool:
    """Whether people of the sites ``own`` could take their own off and be left with a few."""
    if not set(people) & set(own):
        return False
    others = [arms for site, arms in people.items() if site not in own]
    return not sum_is_safe(others, k) or not others


def sites_to_hide(people: Mapping[str, Arms], k: int) -> frozenset[str]:
    """Sites with few people in an arm, and the next larger ones until their sum is safe."""
    out = {site for site, arms in people.items() if min(arms) < k}
    by_size = sorted(people, key=lambda site: (sum(people[site]), site))
    for site in [site for site in by_size if site not in out]:
        if sum_is_safe([people[each] for each in out], k):
            break
        out.add(site)
    return frozenset(out)
