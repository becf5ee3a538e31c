"""The sites on the two strongest components, before and after harmonisation, as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from analysis.models import Run
from analysis.plots.plot import Plot, address

CORNERS = 48


def before(run: Run, harmonisation: Mapping[str, Any]) -> Plot:
    """Where the sites lie apart by their laboratories."""
    title = _("Principal components of the sites, before harmonisation")
    return _plot(
        run, harmonisation, "before", title, _("Sites that lie apart were measured apart.")
    )


def after(run: Run, harmonisation: Mapping[str, Any]) -> Plot:
    """What harmonisation leaves of it."""
    title = _("Principal components of the sites, after harmonisation")
    return _plot(run, harmonisation, "after", title, _("The sites should now lie over each other."))


def _plot(run: Run, harmonisation: Mapping[str, Any], when: str, title: str, meaning: str) -> Plot:
    found = harmonisation.get(f"components_{when}") or {}
    sites = found.get("sites") or []
    explained = found.get("explained") or [None, None]
    return Plot(
        kind="components",
        name=f"components-{when}",
        title=title,
        words=_(
            "Each site's centre on the two strongest principal components of all features, and the "
            "ellipse one standard deviation around it. %(meaning)s No person has a point here, and "
            "sites of fewer people than may be told are left out."
        )
        % {"meaning": meaning},
        data={
            "sites": [{"name": each["site"], "at": each["centre"]} for each in sites],
            "outlines": [
                {"name": each["site"], "points": outline(each["centre"], each["covariance"])}
                for each in sites
                if each["covariance"] is not None
            ],
            "explained": explained,
        },
        header=(
            *(_("Site"), _("People"), _("PC 1"), _("PC 2")),
            *(_("SD on PC 1"), _("SD on PC 2")),
        ),
        rows=[_row(each) for each in sites],
        source=address(run, "harmonisation"),
    )


def _row(site: Mapping[str, Any]) -> tuple[Any, ...]:
    spread = site["covariance"]
    sds = (None, None) if spread is None else (spread[0] ** 0.5, spread[2] ** 0.5)
    return (site["site"], site["n"], *site["centre"], *sds)


def outline(centre: Sequence[float], covariance: Sequence[float]) -> list[list[float]]:
    """Corners of the ellipse at one standard deviation, the first one again at the end."""
    matrix = np.array([[covariance[0], covariance[1]], [covariance[1], covariance[2]]])
    lengths, axes = np.linalg.eigh(matrix)
    turn = np.linspace(0.0, 2 * np.pi, CORNERS + 1)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    # Rounding on release may leave a hair under nothing.
    corners = axes @ (np.sqrt(np.clip(lengths, 0, None))[:, None] * circle)
    return [[round(float(x), 3), round(float(y), 3)] for x, y in (corners.T + np.array(centre))]
