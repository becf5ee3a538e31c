"""A smooth line through points, which outliers do not bend."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def lowess(x: Floats, y: Floats, *, span: float, n_steps: int = 3) -> Floats:
    """Locally weighted straight lines through points, with robust steps [1]_.

    Parameters
    ----------
    x, y : arrays of shape (n,)
        Finite numbers in any order.
    span : float
        Share of the points that each local line sees.
    n_steps : int
        Times that points far from the line lose weight. Lines are fitted at most a hundredth of
        the range of ``x`` apart, and joined by chords.

    Returns
    -------
    array of shape (n,)
        The line at each ``x``.

    References
    ----------
    .. [1] Cleveland 1979, doi:10.1080/01621459.1979.10481038, and his program of 1981,
       doi:10.2307/2683591
    """
    order = np.argsort(x, kind="stable")
    xs, ys = x[order], y[order]
    n_near = max(2, min(len(xs), int(span * len(xs) + 1e-7)))
    anchors = _anchors(xs, n_near)
    weight = np.ones(len(xs))
    line = _line(xs, ys, weight, anchors, n_near)
    for _ in range(n_steps):
        residual = np.abs(ys - line)
        limit = 6 * float(np.median(residual))
        if limit <= 1e-7 * residual.mean():
            break
        share = np.clip(residual / limit, 0.0, 1.0)
        weight = np.where(share <= 0.001, 1.0, (1 - share**2) ** 2)
        weight[share > 0.999] = 0.0
        line = _line(xs, ys, weight, anchors, n_near)
    smooth = np.empty_like(line)
    smooth[order] = line
    return smooth


def _anchors(xs: Floats, n_near: int) -> list[tuple[int, int]]:
    """Points at which a line is fitted, each with the first of the ``n_near`` points around it."""
    n = len(xs)
    step = 0.01 * (xs[-1] - xs[0])
    anchors = []
    left, here = 0, 0
    while True:
        while left + n_near < n and xs[here] - xs[left] > xs[left + n_near] - xs[here]:
            left += 1
        anchors.append((here, left))
        # Points that share this x share its line; the next anchor is the last within a step.
        last = int(np.searchsorted(xs, xs[here], side="right")) - 1
        if last == n - 1:
            return anchors
        here = max(last + 1, int(np.searchsorted(xs, xs[here] + step, side="right")) - 1)


def _line(
    xs: Floats, ys: Floats, weight: Floats, anchors: list[tuple[int, int]], n_near: int
) -> Floats:
    """The line at every point: fitted at the anchors, joined by chords between them."""
    heights = [_height(xs, ys, weight, here, left, n_near) for here, left in anchors]
    joined: Floats = np.interp(xs, xs[[here for here, _ in anchors]], heights)
    return joined


def _height(xs: Floats, ys: Floats, weight: Floats, here: int, left: int, n_near: int) -> float:
    """The local line's value at ``xs[here]``."""
    centre = xs[here]
    width = max(centre - xs[left], xs[left + n_near - 1] - centre)
    # Points tied with the last of the window count too.
    right = int(np.searchsorted(xs, centre + width, side="right"))
    x, y = xs[left:right], ys[left:right]
    distance = np.abs(x - centre)
    near = np.where(distance <= 0.001 * width, 1.0, (1 - (distance / (width or 1.0)) ** 3) ** 3)
    near = np.where(distance <= 0.999 * width, near, 0.0) * weight[left:right]
    if near.sum() <= 0:
        return float(ys[here])
    share = near / near.sum()
    mean = share @ x
    spread = share @ (x - mean) ** 2
    if np.sqrt(spread) > 0.001 * (xs[-1] - xs[0]):
        share = share * ((centre - mean) / spread * (x - mean) + 1)
    return float(share @ y)
