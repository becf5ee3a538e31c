"""What plots of a model show instead of people: shares and means of groups of like prediction.

Pure. Groups are fine here; the disclosure rules join them until each is large enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROC_STEPS = 20
GROUPS = 20


def roc_steps(
    scores: NDArray[np.float64], is_case: NDArray[np.bool_], sites: NDArray[np.str_]
) -> list[dict[str, Any]]:
    """Cases by placement: the share of their own site's controls that score as high or higher.

    The cumulative share of cases over placement is the curve of true against false positives, each
    case compared with controls of the same site only, as the AUC is (Pepe and Cai 2004,
    doi:10.1111/j.0006-341X.2004.00200.x). Scores are NaN where untested. Each step: the placement
    at its end, ``false_positive``, and the number of cases in it, ``n_case``; ``n_control`` is the
    number of controls behind the curve.
    """
    tested = np.isfinite(scores)
    placements, n_control = [], 0
    for site in np.unique(sites[tested]):
        here = tested & (sites == site)
        cases, controls = scores[here & is_case], scores[here & ~is_case]
        if not len(cases) or not len(controls):
            continue
        n_control += len(controls)
        as_high = (controls[None, :] >= cases[:, None]).mean(axis=1)
        placements.append(as_high)
    if not placements:
        return []
    ends = np.arange(1, ROC_STEPS + 1) / ROC_STEPS
    # A placement stands in the first step whose end reaches it; 0 in the first.
    step = np.searchsorted(ends, np.concatenate(placements) - 1e-9)
    n_case = np.bincount(step, minlength=ROC_STEPS)
    return [
        {"false_positive": float(end), "n_case": int(n), "n_control": n_control}
        for end, n in zip(ends, n_case, strict=True)
    ]


def calibration_groups(
    scores: NDArray[np.float64], is_case: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Groups of people of like score: the mean score, ``predicted``, and both arms' numbers."""
    tested = np.isfinite(scores)
    order = np.argsort(scores[tested], kind="stable")
    score, case = scores[tested][order], is_case[tested][order]
    return [
        {
            "predicted": float(score[part].mean()),
            "n_case": int(case[part].sum()),
            "n_control": int((~case[part]).sum()),
        }
        for part in _groups(len(score))
    ]


def severity_groups(
    predicted: NDArray[np.float64], observed: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Groups of people of like prediction: means of what was predicted and recorded."""
    order = np.argsort(predicted, kind="stable")
    return [
        {
            "predicted": float(predicted[order][part].mean()),
            "observed": float(observed[order][part].mean()),
            "n": len(part),
        }
        for part in _groups(len(order))
    ]


def _groups(n: int) -> list[NDArray[np.intp]]:
    return [part for part in np.array_split(np.arange(n), min(GROUPS, n) or 1) if len(part)]
