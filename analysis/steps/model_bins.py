"""What plots of a model show instead of people: shares and means of groups of like prediction.

Pure. Groups are fine here; the disclosure rules join them until each is large enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.stats.roc_band import inflation, placements

ROC_STEPS = 20
ENDS = np.arange(1, ROC_STEPS + 1) / ROC_STEPS
GROUPS = 20


@dataclass(frozen=True)
class Tested:
    """One site's scores: of its cases and of its controls, some of each."""

    site: str
    cases: NDArray[np.float64]
    controls: NDArray[np.float64]

    def steps(self) -> NDArray[np.int64]:
        """Cases by placement: the share of these controls that score as high or higher."""
        # A placement stands in the first step whose end reaches it; 0 in the first.
        step = np.searchsorted(ENDS, placements(self.cases, self.controls) - 1e-9)
        return np.bincount(step, minlength=ROC_STEPS)


def sites_tested(
    scores: NDArray[np.float64], is_case: NDArray[np.bool_], sites: NDArray[np.str_]
) -> list[Tested]:
    """Sites whose people were scored, cases and controls; scores are NaN where untested."""
    found = []
    for site in np.unique(sites[np.isfinite(scores)]):
        here = np.isfinite(scores) & (sites == site)
        cases, controls = scores[here & is_case], scores[here & ~is_case]
        if len(cases) and len(controls):
            found.append(Tested(str(site), cases, controls))
    return found


def roc_steps(tested: Sequence[Tested], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Cases of all sites by placement, each compared with controls of the same site only.

    The cumulative share of cases over placement is the curve of true against false positives, with
    pairs of one site alone, as the AUC is (Pepe and Cai 2004,
    doi:10.1111/j.0006-341X.2004.00200.x). Each step: the placement at its end, ``false_positive``;
    the number of cases in it, ``n_case``; the number of controls behind the curve, ``n_control``;
    and by how much the controls' being a sample widens the curve's interval there, ``inflation``.
    """
    if not tested:
        return []
    n_case = sum(site.steps() for site in tested)
    n_control = sum(len(site.controls) for site in tested)
    cases, controls = [site.cases for site in tested], [site.controls for site in tested]
    wider = inflation(cases, controls, ENDS, rng=rng)
    return [
        {
            "false_positive": float(end),
            "n_case": int(n),
            "n_control": n_control,
            "inflation": round(float(by), 1),
        }
        for end, n, by in zip(ENDS, np.asarray(n_case), wider, strict=True)
    ]


def roc_by_site(tested: Sequence[Tested]) -> list[dict[str, Any]]:
    """The same steps for each site: its cases in them, and how many controls it has."""
    return [
        {"site": each.site, "n_case": each.steps().tolist(), "n_control": len(each.controls)}
        for each in tested
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
