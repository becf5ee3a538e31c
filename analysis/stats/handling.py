"""The handling guard: was the blood separated in time for what is claimed of it?

Plasma left on its cells loses arginine and gains ornithine, because red cells carry arginase: the
male signature of Kyushu 2022 (doi:10.1080/19585969.2022.2046978), made in the test tube. No verdict
on these markers stands without a look at how each site handled its blood.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.errors import UnusableData
from analysis.stats.tables import real_numbers

Floats = NDArray[np.float64]
Verdict = Literal["prompt", "suspect", "unknown"]

# Iced and promptly separated adult plasma had ratios from 0.50 to 0.74; 38 % of routine specimens
# lay below ("Delayed separation and the plasma amino acids arginine and ornithine").
PROMPT_RATIO_LOW = 0.50
PROMPT_RATIO_HIGH = 0.74
# The first limit of SPREC's pre-centrifugation delay (codes A and B are under 2 hours).
PROMPT_DELAY_HOURS = 2.0

MARKERS_TOUCHED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # arginine falls, ornithine rises while plasma stands on cells
        "late separation": ("arginine", "ornithine"),
        # broken red cells set arginase free, which goes on to split arginine
        "haemolysis": ("arginase", "arginine", "ornithine"),
        # bilirubin is bleached
        "light": ("bilirubin",),
        # bilirubin and acylcarnitines differ between EDTA, heparin, citrate and serum
        "tube": ("bilirubin", "acylcarnitines"),
        # which markers thawing moves is not settled: none is barred for it
        "thawing": (),
    }
)
"""The markers that each handling fault moves, by canonical names."""


@dataclass(frozen=True)
class Handling:
    """How a site separated its blood.

    ``share_below`` (0 to 1) of the ``n_ratio`` samples have arginine / (arginine + ornithine)
    under 0.50; ``median_delay_hours`` from collection to spin is over ``n_delay`` samples; None
    where nothing is known. ``touches`` names the markers on which a ``suspect`` or ``unknown``
    site may not be counted; it is empty for ``prompt``.
    """

    verdict: Verdict
    reason: str
    n_ratio: int
    share_below: float | None
    median_ratio: float | None
    n_delay: int
    median_delay_hours: float | None
    touches: tuple[str, ...]


def arginine_ratio(arginine: ArrayLike, ornithine: ArrayLike) -> Floats:
    """arginine / (arginine + ornithine) of each sample, from 0 to 1; NaN where either is missing.

    Parameters
    ----------
    arginine, ornithine : array-likes of shape (n_samples,)
        Amounts of substance in one unit (e.g. µmol/L), not logarithms, not peak areas, whose two
        response factors differ.

    Raises
    ------
    UnusableData
        Lengths differ, or a value is infinite or below 0 (a logarithm, or scaled).
    """
    arg, orn = real_numbers(arginine, "Arginine"), real_numbers(ornithine, "Ornithine")
    if arg.ndim != 1 or arg.shape != orn.shape:
        raise UnusableData(
            f"Arginine has the shape {arg.shape}, ornithine {orn.shape}: give one value a sample."
        )
    if (arg < 0).any() or (orn < 0).any():
        raise UnusableData(
            "Arginine or ornithine is below 0: the ratio needs concentrations, "
            "not logarithms or scaled values."
        )
    if np.isinf(arg).any() or np.isinf(orn).any():
        raise UnusableData("Arginine or ornithine is infinite: correct it, or leave it empty.")
    total = arg + orn
    measured = np.isfinite(total) & (total > 0)
    ratio = np.full(len(total), np.nan)
    ratio[measured] = arg[measured] / total[measured]
    return ratio


def judge_handling(
    arginine: ArrayLike | None = None,
    ornithine: ArrayLike | None = None,
    delay_hours: ArrayLike | None = None,
) -> Handling:
    """Judge one site's separation of blood from the ratio, the recorded delay, or both.

    Suspect: the median ratio is under 0.50, or the median delay over 2 hours. Prompt: at least one
    of the two is known and none is suspect. Unknown: neither is known.

    Parameters
    ----------
    arginine, ornithine : array-likes of shape (n_samples,), optional
        Concentrations as in `arginine_ratio`; leave both out where the site has peak areas.
    delay_hours : array-like of shape (n_samples,), optional
        From collection to spin; NaN where not recorded.

    Raises
    ------
    UnusableData
        Only one of arginine and ornithine is given, or a delay is infinite or below 0; and as
        `arginine_ratio`.
    """
    if (arginine is None) != (ornithine is None):
        raise UnusableData("The ratio needs both arginine and ornithine: give both or neither.")
    ratios = np.empty(0)
    if arginine is not None and ornithine is not None:
        ratios = arginine_ratio(arginine, ornithine)
    delays = _delays(delay_hours)
    ratios = ratios[np.isfinite(ratios)]
    median_ratio = float(np.median(ratios)) if len(ratios) else None
    median_delay = float(np.median(delays)) if len(delays) else None
    verdict = _verdict(median_ratio, median_delay)
    return Handling(
        verdict=verdict,
        reason=f"{_ratio_in_words(ratios)}; {_delay_in_words(delays)}",
        n_ratio=len(ratios),
        share_below=float((ratios < PROMPT_RATIO_LOW).mean()) if len(ratios) else None,
        median_ratio=median_ratio,
        n_delay=len(delays),
        median_delay_hours=median_delay,
        touches=() if verdict == "prompt" else MARKERS_TOUCHED["late separation"],
    )


def _delays(delay_hours: ArrayLike | None) -> Floats:
    """The known delays: one a tube, which may have been measured more than once, or not yet."""
    delays = np.empty(0) if delay_hours is None else real_numbers(delay_hours, "Delays")
    if delays.ndim != 1:
        raise UnusableData(f"Delays have the shape {delays.shape}: give one number a sample.")
    if np.isinf(delays).any():
        raise UnusableData(
            f"{int(np.isinf(delays).sum())} delays are infinite: correct them, or leave them empty."
        )
    delays = delays[~np.isnan(delays)]
    if (delays < 0).any():
        raise UnusableData(
            f"{int((delays < 0).sum())} samples were spun before they were collected: "
            "correct collected_at or spun_at."
        )
    return delays


def _verdict(median_ratio: float | None, median_delay: float | None) -> Verdict:
    if median_ratio is None and median_delay is None:
        return "unknown"
    low = median_ratio is not None and median_ratio < PROMPT_RATIO_LOW
    late = median_delay is not None and median_delay > PROMPT_DELAY_HOURS
    return "suspect" if low or late else "prompt"


def _ratio_in_words(ratios: Floats) -> str:
    if not len(ratios):
        return "arginine and ornithine not measured as concentrations"
    median, n_below = float(np.median(ratios)), int((ratios < PROMPT_RATIO_LOW).sum())
    words = (
        f"arginine / (arginine + ornithine) has the median {median:.2f} "
        f"({PROMPT_RATIO_LOW:.2f}-{PROMPT_RATIO_HIGH:.2f} when separated promptly), "
        f"below {PROMPT_RATIO_LOW:.2f} in {n_below} of {len(ratios)} samples"
    )
    if median > PROMPT_RATIO_HIGH:
        words += "; higher than prompt plasma has it: check the units"
    return words


def _delay_in_words(delays: Floats) -> str:
    if not len(delays):
        return "time from collection to spin not recorded"
    return (
        f"median time from collection to spin {np.median(delays):.1f} h in {len(delays)} samples "
        f"(limit {PROMPT_DELAY_HOURS:.0f} h)"
    )
