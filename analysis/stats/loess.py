"""Local lines through neighbours, as weights that serve all features alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_NEIGHBOURS = 3


def loess_weights(x: Floats, at: Floats, span: float) -> Floats:
    """Weights of the values at ``x`` in local lines at ``at``, shape (n_at, n_x) [1]_.

    The smoothed values are ``loess_weights(x, at, span) @ y``: one matrix serves all features.
    ``x`` holds at least 3 different numbers; each line sees the nearest ``span`` of them, at
    least 3, with tricube weights that reach 0 at the farthest.

    References
    ----------
    .. [1] Cleveland 1979, doi:10.1080/01621459.1979.10481038
    """
    distance = np.abs(at[:, None] - x)
    # As elsewhere: a share that rounding has put just below a whole number counts as that.
    neighbours = min(max(int(span * len(x) + 1e-10), LEAST_NEIGHBOURS), len(x))
    radius = np.partition(distance, neighbours - 1, axis=1)[:, neighbours - 1 : neighbours]
    weight = np.maximum(1 - (distance / radius) ** 3, 0) ** 3
    weight /= weight.sum(axis=1, keepdims=True)
    centre = weight @ x
    away = x - centre[:, None]
    spread = (weight * away**2).sum(axis=1)
    # With one neighbour inside the radius there is no line, only its value.
    steep = np.divide(at - centre, spread, out=np.zeros_like(spread), where=spread > 0)
    smoother: Floats = weight * (1 + steep[:, None] * away)
    return smoother
