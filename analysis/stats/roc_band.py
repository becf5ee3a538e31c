"""How sure a ROC curve is at each share of false alarms: a pointwise band around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DRAWS = 200
DRAWS_AT_ONCE = 50
_Z = float(special.ndtri(0.975))


def placements(cases: Floats, controls: Floats) -> Floats:
    """Of each case the share of these controls that score as high or higher [1]_.

    The share of cases whose placement is at most t is the height of the ROC curve at t.

    References
    ----------
    .. [1] Pepe and Cai 2004, doi:10.1111/j.0006-341X.2004.00200.x
    """
    behind = np.searchsorted(np.sort(controls), cases, side="left")
    return (len(controls) - behind) / len(controls)


def inflation(
    cases: list[Floats], controls: list[Floats], ends: Floats, *, rng: np.random.Generator
) -> Floats:
    """How many times a share of cases varies as its controls, too, are a sample.

    Parameters
    ----------
    cases, controls : lists of arrays, one a site
        Scores of the people of each site that has both.
    ends : array of shape (n_ends,)
        Shares of false alarms, from 0 to 1.
    rng
        For `DRAWS` samples of people, of each site and arm as many as it has [2]_.

    Returns
    -------
    array of shape (n_ends,)
        Variance of the curve over the draws, over that of as many cases drawn by themselves:
        height x (1 - height) / cases. At least 1, which stands too where all or none are under
        the curve and no draw can vary.

    References
    ----------
    .. [2] Janes and Pepe 2009, doi:10.1093/biomet/asp002
    """
    n_case = sum(map(len, cases))
    drawn, height = np.zeros((DRAWS, len(ends))), np.zeros(len(ends))
    for case, control in zip(cases, controls, strict=True):
        ordered = np.sort(control)
        first = np.searchsorted(ordered, case, side="left")
        height += _under(placements(case, control)[None, :], np.ones((1, len(case))), ends)[0]
        for start in range(0, DRAWS, DRAWS_AT_ONCE):
            part = slice(start, min(start + DRAWS_AT_ONCE, DRAWS))
            n = part.stop - part.start
            drawn[part] += _drawn(first, len(ordered), n, ends, rng)
    height /= n_case
    by_chance = height * (1 - height) / n_case
    found = np.ones(len(ends))
    varies = by_chance > 0
    found[varies] = (drawn / n_case).var(axis=0, ddof=1)[varies] / by_chance[varies]
    return np.maximum(found, 1.0)


def _drawn(
    first: NDArray[np.intp], n_control: int, n_draws: int, ends: Floats, rng: np.random.Generator
) -> Floats:
    """Cases under the curve at each end, in draws of one site's people with replacement.

    ``first``: of each case, the first of the ordered controls that scores as high.
    """
    n_case = len(first)
    weights = rng.multinomial(n_control, np.full(n_control, 1 / n_control), size=n_draws)
    # Controls from each one upwards, and none behind the last.
    upwards = np.zeros((n_draws, n_control + 1))
    upwards[:, :-1] = weights[:, ::-1].cumsum(axis=1)[:, ::-1]
    placed = upwards[:, first] / n_control
    return _under(placed, rng.multinomial(n_case, np.full(n_case, 1 / n_case), size=n_draws), ends)


def _under(
    placed: Floats, weights: NDArray[np.float64] | NDArray[np.int64], ends: Floats
) -> Floats:
    """Cases, by weight, placed at each end or below; a row a draw."""
    n_draws, n_ends = len(placed), len(ends)
    step = np.searchsorted(ends, placed - 1e-9)
    flat = (step + n_ends * np.arange(n_draws)[:, None]).ravel()
    counts = np.bincount(flat, weights=weights.ravel(), minlength=n_draws * n_ends)
    return counts.reshape(n_draws, n_ends).cumsum(axis=1)


def share_interval(share: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n, 95 % [3]_: inside 0 and 1 also at their ends.

    ``n`` is the number of cases over their inflation, so it need not be whole.

    References
    ----------
    .. [3] Wilson 1927, doi:10.1080/01621459.1927.10502953
    """
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))
