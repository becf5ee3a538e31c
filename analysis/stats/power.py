"""What an estimate with this standard error could have seen, had it been there."""

import math

from scipy import optimize, special

from analysis.stats.errors import UnusableData

ALPHA = 0.05
# Below this many standard errors power is alpha to all digits, and noncentral F gives way.
NO_SHIFT = 1e-5
# Above this, the squared distance in standard errors from the effect to whatever would be missed,
# power is 1 to all digits, and noncentral F gives way again.
SURE = 200


def power_of_pooled(
    estimate_of_interest: float, se: float, *, df: float = math.inf, alpha: float = ALPHA
) -> float:
    """The chance that a two-sided test would have found a true effect of this size [1]_.

    The effect of interest is chosen beforehand (such as g = 0.5), never the estimate itself: power
    at the estimate only says p again.

    Parameters
    ----------
    estimate_of_interest, se : float
        In the same unit.
    df : float
        Degrees of freedom of the test (cohorts - 1 for Hartung-Knapp); infinite for a normal test.
    alpha : float
        The level of the test, between 0 and 1.

    Returns
    -------
    float from alpha to 1; a finding on the wrong side counts, as it does in alpha.

    Raises
    ------
    UnusableData
        ``se`` is not above 0, the effect is not finite, ``df`` not above 0 or ``alpha`` not
        between 0 and 1.

    References
    ----------
    .. [1] Hedges and Pigott 2001, doi:10.1037/1082-989X.6.3.203
    """
    if not (math.isfinite(estimate_of_interest) and math.isfinite(se) and se > 0):
        raise UnusableData(
            f"Power needs a finite effect and a standard error above 0, got "
            f"{estimate_of_interest:g} and {se:g}."
        )
    if not (df > 0 and 0 < alpha < 1):
        raise UnusableData(f"Power needs df above 0 and alpha in (0, 1), got {df:g} and {alpha:g}.")
    shift = abs(estimate_of_interest) / se
    if math.isinf(df):
        limit = float(special.ndtri(alpha / 2))
        return float(special.ndtr(limit + shift) + special.ndtr(limit - shift))
    # t squared is a noncentral F, whose distribution keeps its digits where noncentral t's is NaN.
    if shift < NO_SHIFT:
        return alpha
    limit = float(special.stdtrit(df, alpha / 2))
    if shift**2 / (1 + limit**2 / df) > SURE:
        return 1.0
    return 1 - float(special.ncfdtr(1, df, shift**2, limit**2))


def smallest_detectable(
    se: float, power: float = 0.8, *, df: float = math.inf, alpha: float = ALPHA
) -> float:
    """The smallest true effect, in the unit of ``se``, that is found with this power.

    Raises
    ------
    UnusableData
        ``power`` is not between alpha and 1; and as `power_of_pooled`.
    """
    power_of_pooled(0.0, se, df=df, alpha=alpha)
    if not alpha < power < 1:
        raise UnusableData(f"Power {power:g} is out of reach: ask for one in ({alpha:g}, 1).")
    above = 1.0
    while power_of_pooled(above * se, se, df=df, alpha=alpha) < power:
        above *= 2
    multiple = optimize.brentq(
        lambda shift: power_of_pooled(shift * se, se, df=df, alpha=alpha) - power,
        0.0,
        above,
        xtol=1e-12,
    )
    return float(multiple) * se
