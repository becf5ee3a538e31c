"""Whether the language versions of a scale ask the same: differential item functioning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from analysis.stats.design import independent
from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.ordinal import fit_proportional_odds
from analysis.stats.psychometrics import Items, read_items
from analysis.stats.tables import LARGEST, real_numbers

Floats = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]

CONSTANT_ITEM = "everybody gave the same answer"
ALIKE = "people of one language all have the same score"
SEPARATED = "the score or the language tells the answers apart without error"


@dataclass(frozen=True)
class DifferentialItems:
    """Whether people of one score answer an item alike in each language; one entry an item.

    ``p_uniform`` asks for a shift of the item in a language, ``p_nonuniform`` for another slope,
    ``p_overall`` for either; these are raw: adjust them over the items. ``nagelkerke`` and
    ``mcfadden`` are the gain in pseudo R2 from score alone to both, and ``nagelkerke_uniform`` to
    the shift alone. ``size`` is Jodoin and Gierl's reading of ``nagelkerke``. ``reason`` is ""
    where there is a test; other items are NaN, with the size "".
    """

    item: tuple[str, ...]
    p_uniform: Floats
    p_nonuniform: Floats
    p_overall: Floats
    nagelkerke_uniform: Floats
    nagelkerke: Floats
    mcfadden: Floats
    size: tuple[str, ...]
    reason: tuple[str, ...]
    languages: tuple[str, ...]
    n_people: int
    n_left_out: int


def differential_items(
    items: Items,
    language: npt.ArrayLike,
    score: npt.ArrayLike | None = None,
) -> DifferentialItems:
    """Compare the items of language versions by ordinal logistic regression [1]_.

    Parameters
    ----------
    items : DataFrame or array of shape (n_people, n_items)
        As for ``cronbach_alpha``.
    language : array of shape (n_people,)
        Version that each person answered.
    score : array of shape (n_people,), optional
        What people are matched on; the total of the items where it is not given.

    Raises
    ------
    UnusableData
        What ``cronbach_alpha`` refuses, one language only, or a person without one.

    References
    ----------
    .. [1] Zumbo 1999, A Handbook on the Theory and Methods of Differential Item Functioning;
       sizes by Jodoin and Gierl 2001, doi:10.1207/S15324818AME1404_2
    """
    answers, names, known = read_items(items)
    versions = site_names(language, len(known), "language")[known]
    languages, codes = np.unique(versions, return_inverse=True)
    if len(languages) < 2:
        raise UnusableData(
            f"All people with every answer used the language {languages.tolist()}: "
            "nothing to compare."
        )
    matched = answers.sum(axis=1) if score is None else _score(score, len(known))[known]
    shift = np.eye(len(languages))[codes][:, 1:]
    centred = (matched - matched.mean())[:, None]
    designs = (centred, np.hstack([centred, shift]), np.hstack([centred, shift, centred * shift]))
    numbers = np.full((6, len(names)), np.nan)
    words = []
    for item in range(len(names)):
        reason, numbers[:, item] = _compared(answers[:, item], designs, shift.shape[1])
        words.append(reason)
    shifted, sloped, either, gain_of_shift, gain, gain_mcfadden = numbers
    return DifferentialItems(
        item=names,
        p_uniform=shifted,
        p_nonuniform=sloped,
        p_overall=either,
        nagelkerke_uniform=gain_of_shift,
        nagelkerke=gain,
        mcfadden=gain_mcfadden,
        size=tuple(_size(number) for number in gain),
        reason=tuple(words),
        languages=tuple(str(name) for name in languages),
        n_people=len(answers),
        n_left_out=int((~known).sum()),
    )


def _compared(
    answers: Floats, designs: tuple[Floats, Floats, Floats], df: int
) -> tuple[str, Floats]:
    """Why an item has no test, and its three p values and three gains in R2."""
    nothing = np.full(6, np.nan)
    if np.ptp(answers) == 0:
        return CONSTANT_ITEM, nothing
    if not independent(designs[2]).all():
        return ALIKE, nothing
    fits = [fit_proportional_odds(answers, columns) for columns in designs]
    if not all(fit.converged for fit in fits):
        return SEPARATED, nothing
    score, uniform, both = (fit.log_likelihood for fit in fits)
    null = fit_proportional_odds(answers, designs[0][:, :0]).log_likelihood
    n = len(answers)

    def nagelkerke(log_likelihood: float) -> float:
        return float(np.expm1(2 * (null - log_likelihood) / n) / np.expm1(2 * null / n))

    gains = [(score, uniform, df), (uniform, both, df), (score, both, 2 * df)]
    # The larger model never fits worse, but for rounding.
    p = [float(chi2.sf(max(0.0, 2 * (more - less)), added)) for less, more, added in gains]
    effects = [
        nagelkerke(uniform) - nagelkerke(score),
        nagelkerke(both) - nagelkerke(score),
        (score - both) / null,
    ]
    return "", np.array([*p, *effects])


def _size(gain: float) -> str:
    if np.isnan(gain):
        return ""
    if gain < 0.035:
        return "negligible"
    return "moderate" if gain < 0.07 else "large"


def _score(score: npt.ArrayLike, n_people: int) -> Floats:
    matched = real_numbers(score, "Scores")
    if matched.shape != (n_people,) or not (np.abs(matched) <= LARGEST).all():
        raise UnusableData(
            f"The score to match on needs {n_people} finite numbers, one a person: complete it."
        )
    return matched
