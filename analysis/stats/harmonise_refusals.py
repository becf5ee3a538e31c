"""Sites and covariates of which no harmonisation can make anything, told with their numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.stats.design import Covariates, as_frame, build_design, independent
from analysis.stats.errors import UnusableData
from analysis.stats.labels import Labels

Floats = npt.NDArray[np.float64]


def refuse_small_or_flat(data: Floats, labels: Labels, min_samples: int) -> None:
    """Refuse, all at once, the sites of which there is nothing to learn."""
    small, unmeasured, flat = [], [], []
    for name in np.unique(labels):
        rows = data[labels == name]
        told = f"{name} ({len(rows)} samples)"
        if len(rows) < min_samples:
            small.append(told)
        elif np.isnan(rows).all():
            unmeasured.append(told)
        elif not (np.fmax.reduce(rows) > np.fmin.reduce(rows)).any():
            flat.append(told)
    faults = [
        f"{what}: {', '.join(sites)}"
        for what, sites in (
            (f"fewer than {min_samples} samples", small),
            ("no measured value", unmeasured),
            (f"none of {data.shape[1]} features varies", flat),
        )
        if sites
    ]
    if faults:
        raise UnusableData(f"Sites with {'; sites with '.join(faults)}. Leave them out.")


def refuse_confounded(covariates: Covariates, labels: Labels) -> None:
    """Refuse covariates of which the sites leave nothing, with their numbers at each site."""
    design = build_design(covariates, len(labels))
    sites = labels[design.rows]
    member = (sites[:, None] == np.unique(sites)).astype(np.float64)
    lost = ~independent(design.columns, beside=member / np.sqrt(member.sum(axis=0)))
    names = {name for name, gone in zip(design.column_names, lost, strict=True) if gone}
    guilty = [coding.name for coding in design.codings if names & set(coding.column_names)]
    if guilty:
        frame = as_frame(covariates, len(labels))
        told = "; ".join(
            f"{name} at {site}: {_counts(frame[name].astype(str)[labels == site].tolist())}"
            for name in guilty
            for site in np.unique(labels)
        )
        raise UnusableData(
            f"Confounded with site: {', '.join(guilty)} ({told}). No method can tell them from the "
            "sites: leave out the covariate if its effect need not be kept, or analyse each site "
            "by itself."
        )


def _counts(values: list[str]) -> str:
    found, n = np.unique(values, return_counts=True)
    common = np.argsort(-n, kind="stable")[:3]
    more = " and others" if len(found) > 3 else ""
    return ", ".join(f"{n[place]} {found[place]}" for place in common) + more


def one_sided(covariates: Covariates, labels: Labels, method: str) -> list[str]:
    """A sentence on each site that has only one of a covariate's values."""
    frame = as_frame(covariates, len(labels))
    notes = []
    for name in frame.columns:
        column = frame[name]
        for site in np.unique(labels):
            here = column[labels == site].dropna().unique()
            if len(here) == 1 and column.nunique() > 1:
                notes.append(
                    f"{site}: all have {name} {here[0]}, and {method} takes out with the site "
                    "what that value does there."
                )
    return notes
