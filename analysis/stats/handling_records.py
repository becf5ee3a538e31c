"""Haemolysis, light, tube and thawing: what the records of each sample say of its handling.

A fault that strikes cases and controls alike blurs an effect; one that strikes them unlike makes
one. So a site is judged twice: how many of its samples have the fault, and whether its cases have
it more or less often than its controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.errors import UnusableData
from analysis.stats.handling import (
    MARKERS_TOUCHED,
    PROMPT_DELAY_HOURS,
    PROMPT_RATIO_LOW,
    arginine_ratio,
)
from analysis.stats.roc import as_cases
from analysis.stats.tables import real_numbers

Floats = NDArray[np.float64]
FaultVerdict = Literal["fine", "suspect", "unknown"]

# Free haemoglobin in mg/dL from which a sample is called haemolysed; analysers differ.
HAEMOLYSIS_LIMIT = 50.0
MOST_FREEZE_THAWS = 2
# A site keeps its verdict with a few faulty samples: they can be left out (see `sensitivity`).
SHARE_SUSPECT = 0.10
# With fewer of its samples recorded nothing is known of the others.
SHARE_KNOWN = 0.5
LEVEL = 0.05
# Below this a difference between groups is too small to make an effect, however certain.
LEAST_DIFFERENCE = 0.10

FAULTS = ("late separation", "haemolysis", "light", "thawing", "tube")
FAULTY = {
    "late separation": "separated late",
    "haemolysis": "haemolysed",
    "light": "not protected from light",
    "thawing": f"thawed more than {MOST_FREEZE_THAWS} times",
}


@dataclass(frozen=True)
class SiteFault:
    """One handling fault at one site.

    ``share`` (0 to 1) of the ``n_known`` samples have it, ``share_case`` and ``share_control`` of
    each group (None where nothing is known or no groups are given; for ``tube`` the share outside
    the commonest tube). ``p_group`` is Fisher's exact p of fault against group (chi-square for
    more than two tubes). ``touches`` names the markers and ``claims`` the claims that a
    ``suspect`` or ``unknown`` site may not decide.
    """

    fault: str
    verdict: FaultVerdict
    reason: str
    n_samples: int
    n_known: int
    share: float | None
    share_case: float | None
    share_control: float | None
    p_group: float | None
    touches: tuple[str, ...]
    claims: tuple[str, ...]


def flag_samples(
    records: pd.DataFrame, *, haemolysis_limit: float = HAEMOLYSIS_LIMIT
) -> pd.DataFrame:
    """Which samples have which fault: 1 has it, 0 has not, NaN not recorded.

    Parameters
    ----------
    records : DataFrame of shape (n_samples, any)
        Of these columns those that the site has: ``arginine`` and ``ornithine`` (concentrations in
        one unit), ``delay_hours``, ``haemolysis_index`` (mg/dL of free haemoglobin),
        ``light_protected`` (True, False, missing), ``freeze_thaws``.
    haemolysis_limit : float
        The site's own limit where its analyser's index is another.

    Returns
    -------
    DataFrame of shape (n_samples, 4), columns the faults that a sample has by itself.

    Raises
    ------
    UnusableData
        A delay, index or count is below 0, infinite or no number, protection from light neither
        true nor false; and as `arginine_ratio`.
    """
    if not 0 < haemolysis_limit < np.inf:
        raise UnusableData(f"A haemolysis limit of {haemolysis_limit} is none: give mg/dL above 0.")
    late = _above(_column(records, "delay_hours"), PROMPT_DELAY_HOURS)
    if {"arginine", "ornithine"} <= set(records.columns):
        ratio = arginine_ratio(_column(records, "arginine"), _column(records, "ornithine"))
        low = np.where(np.isnan(ratio), np.nan, (ratio < PROMPT_RATIO_LOW).astype(float))
        late = np.fmax(late, low)
    return pd.DataFrame(
        {
            "late separation": late,
            "haemolysis": _above(_column(records, "haemolysis_index"), haemolysis_limit),
            "light": 1 - _column(records, "light_protected"),
            "thawing": _above(_column(records, "freeze_thaws"), MOST_FREEZE_THAWS),
        },
        index=records.index,
    )


def judge_records(
    records: pd.DataFrame,
    is_case: ArrayLike | None = None,
    *,
    claims: Mapping[str, str] | None = None,
    haemolysis_limit: float = HAEMOLYSIS_LIMIT,
) -> tuple[SiteFault, ...]:
    """Judge one site's samples for each of the five faults.

    Suspect: over a tenth of the known samples have the fault, or cases and controls differ in it
    by a tenth or more (Fisher's exact test at 5 %); for ``tube`` the latter alone, since one site's
    tube is the same for both groups. Unknown: under half of the samples are recorded.

    Parameters
    ----------
    records : DataFrame of shape (n_samples, any)
        As `flag_samples`, and ``tube``.
    is_case : array-like of shape (n_samples,), optional
        1 for a case, 0 for a control.
    claims : mapping of claim code to marker, optional
        Such as ``{"K22-5": "bilirubin"}``; a class of markers counts by the last word of its name.

    Raises
    ------
    UnusableData
        As `flag_samples`, no sample, or labels that do not fit.
    """
    if not len(records):
        raise UnusableData("A site without samples cannot be judged: give at least one record.")
    group = None if is_case is None else as_cases(is_case)
    if group is not None and len(group) != len(records):
        raise UnusableData(f"{len(records)} samples but {len(group)} labels: give each its own.")
    flags = flag_samples(records, haemolysis_limit=haemolysis_limit)
    judged = [
        _judge(fault, flags[fault].to_numpy(dtype=float), group, claims or {})
        for fault in FAULTS
        if fault != "tube"
    ]
    return (*judged, _judge_tube(_tubes(records), group, claims or {}))


def claims_touched(markers: tuple[str, ...], claims: Mapping[str, str]) -> tuple[str, ...]:
    """Codes of the claims on one of these markers, or on a class named after it."""
    return tuple(
        code
        for code, marker in claims.items()
        if any(marker == touched or marker.endswith(f" {touched}") for touched in markers)
    )


def _column(records: pd.DataFrame, name: str) -> Floats:
    if name not in records:
        return np.full(len(records), np.nan)
    column = records[name].astype(object)
    values = real_numbers(column.where(column.notna() & (column != ""), np.nan), name)
    if np.isinf(values).any():
        raise UnusableData(f"{name}: {int(np.isinf(values).sum())} are infinite; correct them.")
    if name == "light_protected" and not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise UnusableData(f"{name}: values other than true and false; correct the records.")
    below = int((values < 0).sum())
    if below and name not in ("arginine", "ornithine"):
        raise UnusableData(f"{name}: {below} samples have a value below 0; correct the records.")
    return values


def _above(values: Floats, limit: float) -> Floats:
    return np.where(np.isnan(values), np.nan, (values > limit).astype(float))


def _judge(
    fault: str, flags: Floats, group: NDArray[np.bool_] | None, claims: Mapping[str, str]
) -> SiteFault:
    known = np.isfinite(flags)
    if known.mean() < SHARE_KNOWN:
        return _unknown(fault, int(known.sum()), len(flags), claims)
    share = float(flags[known].mean())
    words = f"{int(flags[known].sum())} of {int(known.sum())} samples {FAULTY[fault]}"
    return _with_groups(
        fault, flags[known], len(flags), group, known, share > SHARE_SUSPECT, words, claims
    )


def _tubes(records: pd.DataFrame) -> NDArray[np.object_]:
    if "tube" not in records:
        return np.full(len(records), "", dtype=object)
    return records["tube"].fillna("").astype(str).str.strip().str.casefold().to_numpy(dtype=object)


def _judge_tube(
    tubes: NDArray[np.object_], group: NDArray[np.bool_] | None, claims: Mapping[str, str]
) -> SiteFault:
    known = tubes != ""
    if known.mean() < SHARE_KNOWN:
        return _unknown("tube", int(known.sum()), len(tubes), claims)
    names, counts = np.unique(tubes[known].astype(str), return_counts=True)
    other = (tubes[known] != names[np.argmax(counts)]).astype(float)
    words = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    return _with_groups("tube", other, len(tubes), group, known, False, f"tubes: {words}", claims)


def _unknown(fault: str, n_known: int, n_samples: int, claims: Mapping[str, str]) -> SiteFault:
    touches = MARKERS_TOUCHED[fault]
    return SiteFault(
        fault=fault,
        verdict="unknown",
        reason=f"recorded for {n_known} of {n_samples} samples, under half of them",
        n_samples=n_samples,
        n_known=n_known,
        share=None,
        share_case=None,
        share_control=None,
        p_group=None,
        touches=touches,
        claims=claims_touched(touches, claims),
    )


def _with_groups(
    fault: str,
    flags: Floats,
    n_samples: int,
    group: NDArray[np.bool_] | None,
    known: NDArray[np.bool_],
    often: bool,
    words: str,
    claims: Mapping[str, str],
) -> SiteFault:
    share_case, share_control, p = _by_group(flags, None if group is None else group[known])
    unlike = (
        p is not None
        and share_case is not None
        and share_control is not None
        and p < LEVEL
        and abs(share_case - share_control) >= LEAST_DIFFERENCE
    )
    if unlike:
        words += (
            f"; {share_case:.0%} of the cases and {share_control:.0%} of the controls (p {p:.2g})"
        )
    verdict: FaultVerdict = "suspect" if often or unlike else "fine"
    touches = MARKERS_TOUCHED[fault] if verdict == "suspect" else ()
    return SiteFault(
        fault=fault,
        verdict=verdict,
        reason=words,
        n_samples=n_samples,
        n_known=len(flags),
        share=float(flags.mean()),
        share_case=share_case,
        share_control=share_control,
        p_group=p,
        touches=touches,
        claims=claims_touched(touches, claims),
    )


def _by_group(
    flags: Floats, group: NDArray[np.bool_] | None
) -> tuple[float | None, float | None, float | None]:
    if group is None or group.all() or not group.any():
        return None, None, None
    case, control = flags[group], flags[~group]
    table = np.array(
        [[case.sum(), (1 - case).sum()], [control.sum(), (1 - control).sum()]], dtype=np.int64
    )
    return float(case.mean()), float(control.mean()), float(stats.fisher_exact(table)[1])
