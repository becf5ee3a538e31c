"""Many features tested at once: p values adjusted for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData
from analysis.stats.tables import real_numbers

Floats = npt.NDArray[np.float64]


def adjust_p(p: npt.ArrayLike, method: str = "bh") -> Floats:
    """Adjust p values for being one family.

    Parameters
    ----------
    p : array of any shape
        Raw p values; NaN is a feature without a test: it stays NaN and is not counted.
    method : {"bh", "by", "holm", "hochberg", "hommel", "bonferroni"}
        ``bh`` [1]_ and ``by`` [2]_ bound the false discovery rate, the others the family-wise
        error rate; ``hommel`` is [3]_.

    Returns
    -------
    array of the shape of ``p``

    Raises
    ------
    UnusableData
        A p value outside 0 to 1, or a method with another name.

    References
    ----------
    .. [1] Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x
    .. [2] Benjamini and Yekutieli 2001, doi:10.1214/aos/1013699998
    .. [3] Hommel 1988, doi:10.1093/biomet/75.2.383
    """
    if method not in _METHODS:
        raise UnusableData(f'No adjustment is called "{method}": use one of {sorted(_METHODS)}.')
    raw = real_numbers(p, "P values")
    tested = ~np.isnan(raw)
    family = raw[tested]
    outside = family[(family < 0) | (family > 1)]
    if len(outside):
        raise UnusableData(f"{outside[0]} is not a p value: give numbers from 0 to 1, or NaN.")
    adjusted = np.full(raw.shape, np.nan)
    if len(family):
        order = np.argsort(family, kind="stable")
        in_order = np.empty_like(family)
        in_order[order] = np.minimum(1.0, _METHODS[method](family[order]))
        adjusted[tested] = in_order
    return adjusted


def _step_up(scaled: Floats) -> Floats:
    """No p value may be adjusted above a larger one."""
    stepped: Floats = np.minimum.accumulate(scaled[::-1])[::-1]
    return stepped


def _bh(p: Floats) -> Floats:
    n = len(p)
    return _step_up(p * n / np.arange(1, n + 1))


def _by(p: Floats) -> Floats:
    harmonic = float((1 / np.arange(1, len(p) + 1)).sum())
    n = len(p)
    return _step_up(p * (n * harmonic) / np.arange(1, n + 1))


def _holm(p: Floats) -> Floats:
    stepped: Floats = np.maximum.accumulate(p * np.arange(len(p), 0, -1))
    return stepped


def _hochberg(p: Floats) -> Floats:
    return _step_up(p * np.arange(len(p), 0, -1))


def _bonferroni(p: Floats) -> Floats:
    return p * len(p)


def _hommel(p: Floats) -> Floats:
    """Closed testing with Simes' test, from the largest family of hypotheses to the smallest."""
    n = len(p)
    simes = float((n * p / np.arange(1, n + 1)).min())
    adjusted = np.full(n, simes)
    for size in range(n - 1, 1, -1):
        split = n - size + 1
        bound = float((size * p[split:] / np.arange(2, size + 1)).min())
        level = np.minimum(size * p[:split], bound)
        np.maximum(adjusted[:split], level, out=adjusted[:split])
        np.maximum(adjusted[split:], level[-1], out=adjusted[split:])
    closed: Floats = np.maximum(adjusted, p)
    return closed


_METHODS: dict[str, Callable[[Floats], Floats]] = {
    "bh": _bh,
    "by": _by,
    "holm": _holm,
    "hochberg": _hochberg,
    "hommel": _hommel,
    "bonferroni": _bonferroni,
}
