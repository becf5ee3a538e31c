"""Participants of a site: sex, age, group, enrolment and the scopes that they granted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from hikiproject.simulation.sites import SiteDesign

CASE, PRE, CONTROL = "hikikomori", "pre_hikikomori", "healthy_control"
ALL_SCOPES = ("store_samples", "metabolomics", "share_consortium", "share_abroad", "recontact")


@dataclass(frozen=True)
class Recruitment:
    """How many are recruited, between which days, and the number of the first study code."""

    n_case: int
    n_control: int
    n_pre: int
    first: date
    last: date
    first_number: int = 1

    @classmethod
    def of(cls, design: SiteDesign) -> Recruitment:
        pre = design.n_pre_hikikomori
        return cls(design.n_case, design.n_control, pre, date(2023, 2, 1), date(2025, 6, 30))


def recruit(design: SiteDesign, plan: Recruitment, rng: np.random.Generator) -> pd.DataFrame:
    """One row a participant in order of enrolment.

    Columns: participant, group, man (bool), age_years, enrolled_on (date), drug_free (bool),
    scopes (``;``-separated, empty without consent), subgroup (+1/-1 for cases, 0 otherwise).
    """
    groups = [CASE] * plan.n_case + [PRE] * plan.n_pre + [CONTROL] * plan.n_control
    group = np.array(groups)[rng.permutation(len(groups))]
    case = group != CONTROL
    n = len(group)
    men = np.where(case, design.share_of_men_case, design.share_of_men_control)
    age = rng.normal(design.age_mean_years, design.age_sd_years, n).clip(18, 59)
    span = (plan.last - plan.first).days
    days = np.sort(rng.integers(0, span + 1, n))
    return pd.DataFrame(
        {
            "participant": [f"{design.code}-{plan.first_number + i:03d}" for i in range(n)],
            "group": group,
            "man": rng.random(n) < men,
            "age_years": age.astype(int),
            "enrolled_on": [plan.first + timedelta(days=int(day)) for day in days],
            "drug_free": ~case | (rng.random(n) < 0.88),
            "scopes": _scopes(n, rng),
            "subgroup": np.where(group == CASE, rng.choice([-1, 1], n), 0),
        }
    )


def _scopes(n: int, rng: np.random.Generator) -> list[str]:
    """About 2 % gave no consent, 1 % none for metabolomics, 4 % none for sharing."""
    granted = []
    for draw, recontact in zip(rng.random(n), rng.random(n) < 0.6, strict=True):
        kept = set(ALL_SCOPES) if recontact else set(ALL_SCOPES) - {"recontact"}
        if draw < 0.02:
            kept = set()
        elif draw < 0.03:
            kept -= {"metabolomics"}
        elif draw < 0.07:
            kept -= {"share_consortium", "share_abroad"}
        granted.append(";".join(scope for scope in ALL_SCOPES if scope in kept))
    return granted


def may_be_sampled(people: pd.DataFrame) -> pd.Series[bool]:
    """Whose consent covers both storing samples and measuring metabolites."""
    scopes = people["scopes"].str.split(";")
    return scopes.map(lambda granted: {"store_samples", "metabolomics"} <= set(granted))
