"""A forest frozen without a site and taken there: how a finished test would fare.

Unlike the site left out in turn, a frozen model is never chosen with a look at the new site: its
features, medians and trees are those of the training sites, and it is kept as long as their data
stay as they are. Whoever is in it is named beside it, so that it is deleted with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.plans import AnalysisPlan
from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.transport import freeze, thaw, transport
from analysis.steps.blocks import Prepared
from analysis.steps.left_out_sites import classifier_values
from analysis.steps.nested_models import areas, calibration_of
from analysis.steps.pieces import Piece, Steps, work

METHOD = "random forest, frozen on the other sites; the new site standardised by itself"


def transported(prepared: Prepared, plan: AnalysisPlan, steps: Steps) -> dict[str, Any]:
    """Of each site of the plan, the frozen model there, or the reason why there is none."""
    values, labels, sites = classifier_values(prepared, plan)
    return {
        "method": METHOD,
        "refused": "",
        "by_site": [_at(site, values, labels, sites, plan, steps) for site in plan.transport_to],
    }


def _at(
    site: str,
    values: pd.DataFrame,
    labels: NDArray[np.float64],
    sites: NDArray[np.str_],
    plan: AnalysisPlan,
    steps: Steps,
) -> dict[str, Any]:
    here = sites == site
    told: dict[str, Any] = {"site": site, "refused": ""} | _people(labels[here], "")
    if not here.any():
        return told | {"refused": f"{site} has nobody in this snapshot whose values can be used."}
    (model,) = steps.each(
        [
            Piece(
                "frozen model",
                {
                    "values": values[~here],
                    "labels": labels[~here],
                    "sites": sites[~here],
                    "n_trees": plan.n_trees,
                    "seed": plan.seed,
                },
                values.index[~here].tolist(),
            )
        ]
    )
    told |= {"trained_on": sorted(set(sites[~here].tolist()))} | _people(labels[~here], "_trained")
    if model["refused"]:
        return told | {"refused": model["refused"]}
    inputs = {"model": model, "values": values[here], "labels": labels[here], "site": site}
    found: dict[str, Any] = steps.each([Piece("transport", inputs, values.index.tolist())])[0]
    return told | found


def _people(labels: NDArray[np.float64], suffix: str) -> dict[str, int]:
    return {
        f"n_case{suffix}": int((labels == 1).sum()),
        f"n_control{suffix}": int((labels == 0).sum()),
    }


@work("frozen model")
def frozen_model(
    values: pd.DataFrame,
    labels: NDArray[np.float64],
    sites: NDArray[np.str_],
    n_trees: int,
    seed: int,
) -> dict[str, Any]:
    """A forest of all these sites as metadata and arrays, or why there is none."""
    learner = RandomForest(n_trees=n_trees)
    try:
        frozen = freeze(
            values,
            labels,
            sites,
            learner=learner,
            settings=learner.grid[0],
            rng=np.random.default_rng(seed),
        )
    except UnusableData as error:
        return {"refused": str(error)}
    payload = np.frombuffer(frozen.to_npz(), dtype=np.uint8)
    return {"refused": "", "metadata": frozen.to_json(), "payload": payload}


@work("transport")
def at_new_site(
    model: dict[str, Any], values: pd.DataFrame, labels: NDArray[np.float64], site: str
) -> dict[str, Any]:
    """What the frozen model says of people of a site that had no part in it."""
    frozen = thaw(model["metadata"], model["payload"].tobytes())
    try:
        found = transport(frozen, values, labels, site=site)
    except UnusableData as error:
        return {"refused": str(error)}
    return {
        **areas(found.auc),
        "calibration": calibration_of(found.calibration),
        "shift": found.shift,
        "recalibrated": calibration_of(found.recalibrated),
        "n_features": len(frozen.names),
        "features_missing": list(found.features_missing),
        "warnings": list(found.warnings),
    }
