"""Where the sites lie among each other on the two strongest components, without a person's point.

Only what a group of people has in common is kept: its centre and how its people spread around it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.stats.diagnostics import principal_components
from analysis.stats.errors import UnusableData

LEAST = 3  # people of whom a spread in two directions can be told


def sites_on_components(values: pd.DataFrame, sites: pd.Series) -> dict[str, Any]:
    """Shares of variance of both components; of each site its people, centre and covariance.

    ``covariance`` is [of x, of x with y, of y]. {} where there are not two components.
    """
    try:
        found = principal_components(values.to_numpy(dtype=float))
    except UnusableData:
        return {}
    scores = pd.DataFrame(found.scores, index=values.index)
    told = []
    for site, rows in scores.groupby(sites.to_numpy()):
        spread = np.cov(rows.to_numpy().T) if len(rows) >= LEAST else None
        told.append(
            {
                "site": str(site),
                "n": len(rows),
                "centre": [float(each) for each in rows.mean()],
                "covariance": None
                if spread is None
                else [float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1])],
            }
        )
    return {"explained": [float(each) for each in found.explained], "sites": told}
