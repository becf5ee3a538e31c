"""Newton's method for many equations at once, each kept inside a bracket that only shrinks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# From the columns of the features still moving, and their x: value and slope.
Score = Callable[[tuple[Floats, ...], Floats], tuple[Floats, Floats]]

MAX_STEPS = 100
# A Newton step this small, relative to x + scale, squares to less than rounding.
NEWTON_STEP = 1e-6
HALVING_STEP = 1e-13


@dataclass(frozen=True)
class Roots:
    """The root of each equation and whether its search ended; arrays of shape (n_features,)."""

    x: Floats
    converged: Bools


def fall_through_zero(
    score: Score, columns: tuple[Floats, ...], start: Floats, scale: Floats, power: int
) -> Roots:
    """Solve score(x) = 0 for x at or above 0; 0 where the score is not above 0 there.

    Parameters
    ----------
    score : callable
        ``score(columns, x)`` gives the value and the slope of each feature. The value falls
        through 0 as x grows: above 0 before the root sought and below 0 far behind it.
    columns : arrays whose last axis is the features
        What the score needs; features whose search has ended are taken out of them.
    start, scale : arrays of shape (n_features,)
        Where the search starts (at or above 0) and the size (above 0) by which x is judged small.
    power : int
        The power of (x + scale) that makes the score about straight: Newton then needs few steps.
    """
    x = start.copy()
    converged = np.zeros(len(x), dtype=bool)
    moving = np.arange(len(x))
    t, s = start, scale
    low, high = np.full(len(t), -1.0), np.full(len(t), np.inf)
    for _ in range(MAX_STEPS):
        value, slope = score(columns, t)
        before = value > 0
        low, high = np.where(before, t, low), np.where(before, high, t)
        size = t + s
        following, enough = _next_inside(t, value, slope + power * value / size, low, high, s)
        at_zero = (t == 0) & ~before
        ended = (np.abs(following - t) <= enough * size) | at_zero
        t = np.where(at_zero, 0.0, following)
        x[moving], converged[moving] = t, ended
        if ended.all():
            break
        keep = ~ended
        moving, t, s, low, high = moving[keep], t[keep], s[keep], low[keep], high[keep]
        columns = tuple(np.compress(keep, column, axis=-1) for column in columns)
    return Roots(x, converged)


def _next_inside(
    t: Floats, value: Floats, slope: Floats, low: Floats, high: Floats, scale: Floats
) -> tuple[Floats, Floats]:
    """The next x, and the relative step at which to stop.

    The Newton step where the function falls and the step stays in the bracket; else 0 while that
    is untried (``low`` is below 0), then half the bracket.
    """
    falls = slope < 0
    newton = np.maximum(t - value / np.where(falls, slope, -1.0), 0.0)
    inside = falls & (newton >= low) & (newton <= high)
    if inside.all():
        return newton, np.full(len(t), NEWTON_STEP)
    half = np.where(low < 0, 0.0, (low + high) / 2)
    half = np.where(np.isfinite(high), half, 2 * (t + scale))
    return np.where(inside, newton, half), np.where(inside, NEWTON_STEP, HALVING_STEP)
