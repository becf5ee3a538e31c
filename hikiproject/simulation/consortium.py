"""Five sites from one random stream, and a later batch from a laboratory that already exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from hikiproject.simulation import panel as panels
from hikiproject.simulation import reporting
from hikiproject.simulation.biology import draw_blood
from hikiproject.simulation.handling import after_handling, draw_tubes
from hikiproject.simulation.laboratory import Laboratory, found_laboratory, measure
from hikiproject.simulation.panel import FloatArray
from hikiproject.simulation.people import Recruitment, may_be_sampled, recruit
from hikiproject.simulation.planted import (
    SEVERITY_R,
    SUBGROUP_D,
    PlantedEffect,
    draw_planted,
    subgroup_direction,
)
from hikiproject.simulation.scales import draw_assessments
from hikiproject.simulation.sites import SITES, SiteDesign
from hikiproject.simulation.tables import participants_table, samples_table


@dataclass(frozen=True)
class SiteTables:
    """The five tables of a site; every cell is text, an empty text an empty cell."""

    participants: pd.DataFrame
    samples: pd.DataFrame
    assessments: pd.DataFrame
    assays_plasma: pd.DataFrame
    assays_serum: pd.DataFrame

    def by_name(self) -> dict[str, pd.DataFrame]:
        """In the order in which they can be imported."""
        names = ("participants", "samples", "assessments", "assays_plasma", "assays_serum")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Site:
    """A site that can recruit again: its design, its two laboratories, its last study number."""

    design: SiteDesign
    plasma: Laboratory
    serum: Laboratory
    last_number: int


@dataclass(frozen=True)
class Consortium:
    """Tables by site code; ``truth`` (JSON-ready) says what was planted.

    ``panel`` and ``loadings`` (n_features, n_common_factors) are the biology all sites share.
    """

    tables: dict[str, SiteTables]
    truth: dict[str, object]
    sites: dict[str, Site]
    panel: pd.DataFrame
    loadings: FloatArray
    effects: tuple[PlantedEffect, ...]


def simulate_consortium(rng: np.random.Generator) -> Consortium:
    """All five sites; the same generator state gives the same tables."""
    shared, *streams = rng.spawn(1 + len(SITES))
    panel = panels.with_drawn_effects(panels.load_panel(), shared)
    loadings = panels.common_loadings(panel, shared)
    effects = draw_planted([design.code for design in SITES], shared)
    tables, sites = {}, {}
    for design, stream in zip(SITES, streams, strict=True):
        plan = Recruitment.of(design)
        plasma = found_laboratory(panel, design, "plasma", stream)
        serum = found_laboratory(panel, design, "serum", stream)
        site = Site(design, plasma, serum, plan.n_case + plan.n_control + plan.n_pre)
        sites[design.code] = site
        tables[design.code] = _collect(site, plan, panel, loadings, effects, stream)
    return Consortium(tables, _truth(effects), sites, panel, loadings, effects)


def simulate_late_batch(
    consortium: Consortium,
    rng: np.random.Generator,
    site: str = "SEL",
    *,
    n_case: int = 16,
    n_control: int = 16,
) -> SiteTables:
    """New participants of one site, run later by the same laboratories: all five tables.

    Raises
    ------
    KeyError
        The consortium has no such site.
    """
    known = consortium.sites[site]
    plan = Recruitment(
        n_case, n_control, 0, date(2025, 8, 1), date(2025, 11, 15), known.last_number + 1
    )
    return _collect(known, plan, consortium.panel, consortium.loadings, consortium.effects, rng)


def _collect(
    site: Site,
    plan: Recruitment,
    panel: pd.DataFrame,
    loadings: FloatArray,
    effects: Sequence[PlantedEffect],
    rng: np.random.Generator,
) -> SiteTables:
    """From recruitment to the laboratory's files."""
    design = site.design
    people = recruit(design, plan, rng)
    blood = draw_blood(people, panel, loadings, effects, design.code, rng)
    # Who consented to nothing is on the books, and nowhere else.
    known = (people["scopes"] != "").to_numpy()
    assessments = draw_assessments(people[known], blood.acylcarnitine_factor[known], design, rng)
    tubes = draw_tubes(people[may_be_sampled(people)], design, rng)
    return SiteTables(
        participants_table(people, design),
        samples_table(tubes, design),
        assessments,
        _assay(site, "plasma", tubes, blood.ln_levels, panel, rng),
        _assay(site, "serum", tubes, blood.ln_levels, panel, rng),
    )


def _assay(
    site: Site,
    matrix: str,
    tubes: pd.DataFrame,
    ln_levels: pd.DataFrame,
    panel: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """One matrix through the site's laboratory into its own layout."""
    design = site.design
    laboratory = site.plasma if matrix == "plasma" else site.serum
    in_tubes = after_handling(ln_levels, tubes[tubes["material"] == matrix])
    measured = measure(laboratory, in_tubes, rng)
    columns = reporting.columns_of(design, matrix, panel.loc[laboratory.features])
    if matrix == "serum" and design.serum_long:
        return reporting.long(measured, columns, design.below_limit)
    return reporting.wide(measured, columns, design.below_limit)


def _truth(effects: Sequence[PlantedEffect]) -> dict[str, object]:
    """Every planted thing, in words and numbers."""
    directions = {name: subgroup_direction(name) for name in panels.load_panel().index}
    late = [d for d in SITES if min(d.spin_delay_control_hours) >= 3]
    return {
        "scale": "cases minus controls in within-site SD of ln; by_site is what each site has",
        "effects": [effect.as_dict() for effect in effects],
        "subgroups_of_cases": {
            "distance_sd": SUBGROUP_D,
            "direction": {name: sign for name, sign in directions.items() if sign},
        },
        "severity": {"outcome": "HQ-25", "factor": "long-chain acylcarnitines", "r": SEVERITY_R},
        "handling": {
            design.code: "plasma separated late, later for cases: arginine and ornithine mislead"
            for design in late
        },
        "relative_only": [d.code for d in SITES if d.plasma_report == "relative"],
    }
