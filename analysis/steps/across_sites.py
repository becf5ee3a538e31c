"""What only all sites together show: handling, harmonisation, classifier, severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.plans import AnalysisPlan
from analysis.stats.classify import gather_sites, site_seeds
from analysis.stats.errors import UnusableData
from analysis.stats.handling import Handling, judge_handling
from analysis.stats.harmonise import harmoniser
from analysis.stats.severity import fit_severity
from analysis.stats.site_folds import standardise_by_site
from analysis.stats.site_groups import leave_out
from analysis.steps.blocks import Block, Prepared
from analysis.steps.component_groups import sites_on_components
from analysis.steps.guarded_pair import names_of_pair
from analysis.steps.left_out_sites import forests, left_out_together, read
from analysis.steps.model_bins import (
    calibration_groups,
    roc_by_site,
    roc_steps,
    severity_groups,
    sites_tested,
)
from analysis.steps.pieces import Piece, Steps, work
from analysis.steps.site_effects import covariate_of
from cohorts.language.sentences import say

KNOWN_AT_SITE = 0.5  # share of a site's people with a value, for the site to count as measuring it
SITES_NEEDED = 2 / 3  # share of the sites that measure a feature, for the severity model to use it
SMALL_ARM = 0.1  # share of a site's people; below it site and group can hardly be told apart


def judge_site(site: str, prepared: Prepared) -> Handling:
    """Whether the site's plasma was separated in time, by the ratio and the recorded delay."""
    blocks = [block for block in prepared.blocks if block.site == site]
    delay = pd.concat(
        [block.spin_delay_hours for block in blocks if block.matrix == "plasma"]
        or [pd.Series(dtype=float)]
    )
    for block in blocks:
        pair = [each for each in _pair_in([block]).values() if each in block.raw]
        both = len(pair) == 2 and block.matrix == "plasma" and block.scale == "log2"
        if both and bool((block.sources.loc[pair, "unit"] != "relative").all()):
            arginine, ornithine = (block.raw[name].to_numpy() for name in pair)
            judged = judge_handling(arginine, ornithine, delay.to_numpy(dtype=float))
            return _as_called(judged, blocks)
    return _as_called(judge_handling(delay_hours=delay.to_numpy(dtype=float)), blocks)


def _pair_in(blocks: Sequence[Block]) -> dict[str, str]:
    return names_of_pair(
        (str(name), str(hmdb))
        for block in blocks
        for name, hmdb in block.sources["hmdb"].fillna("").items()
    )


def _as_called(handling: Handling, blocks: Sequence[Block]) -> Handling:
    """The markers that it touches, by what the dictionary calls them now."""
    called = _pair_in(blocks)
    return replace(handling, touches=tuple(called.get(one, one) for one in handling.touches))


METHOD_WORDS = {
    "combat": "ComBat, parametric (Johnson 2007)",
    "combat_mean_only": "ComBat, shifts alone",
    "combat_nonparametric": "ComBat, non-parametric",
    "site_z": "z scores within each site",
    "pareto": "Pareto scaling within each site",
    "quantile": "quantile normalisation",
    "none": "no harmonisation",
}


def harmonise(prepared: Prepared, plan: AnalysisPlan, steps: Steps) -> dict[str, Any]:
    """The plan's harmonisation across sites and what it changed, or the reason why it refuses."""
    values, people = prepared.together
    words = METHOD_WORDS.get(plan.harmonisation, plan.harmonisation)
    if values.empty:
        refused = say("No feature is measured at two sites.")
        return {"method": words, "refused": refused}
    known = {name: covariate_of(people, name) for name in plan.covariates}
    kept = {name: column for name, column in known.items() if column.notna().all()}
    inputs = {
        "values": values,
        "people": people[["site", "case"]],
        "covariates": pd.DataFrame({"case": people["case"]} | kept),
        "method": plan.harmonisation,
    }
    (report,) = steps.each([Piece("harmonisation", inputs, values.index.tolist())])
    return {"method": words, "refused": "", **report}


@work("harmonisation")
def _harmonised(
    values: pd.DataFrame, people: pd.DataFrame, covariates: pd.DataFrame, method: str
) -> dict[str, Any]:
    report = {
        "n_people": len(values),
        "n_features": values.shape[1],
        "kept": list(covariates.columns),
        "variance_explained_before": _variance_explained(values, people),
        "components_before": sites_on_components(values, people["site"]),
    }
    said = one_sided(people)
    sites = people["site"].to_numpy(dtype=str)
    try:
        model = harmoniser(method).fit(values.to_numpy(), sites, covariates)
        adjusted = model.apply(values.to_numpy(), sites, covariates)
    except UnusableData as error:
        return report | {"refused": str(error), "notes": said}
    after = pd.DataFrame(adjusted, index=values.index, columns=values.columns)
    return report | {
        "sites": dict(zip(model.sites, model.n_samples, strict=True)),
        "variance_explained_after": _variance_explained(after, people),
        "components_after": sites_on_components(after, people["site"]),
        "notes": [*model.notes, *said],
    }


def one_sided(people: pd.DataFrame) -> list[str]:
    """A sentence on each site nearly all of whose people are in one arm."""
    share = people.groupby("site")["case"].mean()
    smaller = share.where(share < 0.5, 1 - share)
    return [
        f"{site}: under {SMALL_ARM:.0%} of its people are in one of the two arms; what is the "
        "site's and what is the group's can hardly be told apart there"
        for site in smaller.index[smaller < SMALL_ARM]
    ]


def _variance_explained(values: pd.DataFrame, people: pd.DataFrame) -> dict[str, float]:
    """Median over features of the share of variance between sites, and between case and control."""
    known = values.notna().to_numpy()
    centred = np.where(known, (values - values.mean()).to_numpy(), 0.0)
    total = (centred**2).sum(axis=0)
    return {
        name: _median_eta_squared(centred, known, people[column], total)
        for name, column in (("site", "site"), ("group", "case"))
    }


def _median_eta_squared(
    centred: NDArray[np.float64], known: NDArray[np.bool_], label: pd.Series, total: Any
) -> float:
    """Of centred values, 0 where not ``known``, and each feature's ``total`` sum of squares."""
    of_label, labels = pd.factorize(label)
    member = np.eye(len(labels))[of_label]
    sums, counts = member.T @ centred, member.T @ known
    between = (sums**2 / np.where(counts > 0, counts, 1.0)).sum(axis=0)
    varies = total > 0
    return float(np.median(between[varies] / total[varies])) if varies.any() else float("nan")


def classify(prepared: Prepared, plan: AnalysisPlan, steps: Steps) -> dict[str, Any]:
    """Random forest, sites left out in turn; the AUC counts pairs of one site only."""
    try:
        people, study = read(prepared, plan)
        seeds = site_seeds(study, np.random.default_rng(plan.seed))
        left_out = leave_out(study, plan.most_folds)
        folds = forests(study, left_out, seeds, plan.n_trees, people, steps)
        result = gather_sites(study, folds, left_out.together)
    except UnusableData as error:
        return {"method": say("random forest, leave one site out"), "refused": str(error)}
    tested = sites_tested(result.scores, study.is_case, study.sites)
    importance = pd.Series(result.importance, index=list(study.names))
    top = importance.sort_values(ascending=False).head(20)
    return {
        "method": _classifier_words(len(result.groups)),
        "refused": "",
        **left_out_together(result.groups),
        **_auc_words(result.auc),
        "by_site": [
            {
                "site": entry.site,
                "n_case": entry.n_case,
                "n_control": entry.n_control,
                "reason": entry.reason,
                **_auc_words(entry.auc),
            }
            for entry in result.by_site
        ],
        "importance": {str(name): float(value) for name, value in top.items()},
        "warnings": list(result.warnings),
        "features_left_out": list(result.features_left_out),
        "roc": roc_steps(tested, np.random.default_rng(plan.seed)),
        "roc_by_site": roc_by_site(tested),
        "calibration": calibration_groups(result.scores, study.is_case),
    }


def _classifier_words(n_groups: int) -> str:
    if not n_groups:
        return say("random forest, leave one site out, each site standardised by itself")
    return say(
        "random forest, sites left out in %(n)s groups, each site standardised by itself",
        n=n_groups,
    )


def _auc_words(area: Any) -> dict[str, float | None]:
    names = ("auc", "ci_low", "ci_high")
    return {name: None if area is None else float(getattr(area, name)) for name in names}


def rarely_measured(values: pd.DataFrame, people: pd.DataFrame) -> pd.Series:
    """Features that too few sites measure for a model of all of them.

    Filled with a constant nearly everywhere, such a feature would be autoscaled by its few values
    and outweigh all others at the one site that has it.
    """
    known = values.notna().groupby(people["site"].to_numpy()).mean()
    return (known >= KNOWN_AT_SITE).mean() < SITES_NEEDED - 1e-9


def within_sites(
    predicted: NDArray[np.float64], outcome: NDArray[np.float64], sites: NDArray[np.str_]
) -> list[dict[str, Any]]:
    """Of each site, the correlation of prediction and outcome; None where one does not vary."""
    entries = []
    for code in np.unique(sites):
        told, was = predicted[sites == code], outcome[sites == code]
        varies = len(was) >= 3 and np.ptp(told) > 0 and np.ptp(was) > 0
        r = float(np.corrcoef(told, was)[0, 1]) if varies else None
        entries.append({"site": str(code), "n": len(was), "r": r})
    return entries


def predict_severity(prepared: Prepared, plan: AnalysisPlan, steps: Steps) -> dict[str, Any]:
    """PLS regression of the outcome on values standardised within sites, sites left out."""
    if not plan.outcome:
        return {"refused": say("The plan names no outcome.")}
    values, people = prepared.together
    rare = rarely_measured(values, people)
    values = values.loc[:, ~rare]
    known = np.isfinite(people["outcome"].to_numpy(dtype=float))
    report: dict[str, Any] = {"method": "PLS regression", "outcome": plan.outcome, "refused": ""}
    if not known.any():
        return report | {"refused": f"Nobody in this snapshot has a value of {plan.outcome}."}
    inputs = {
        "values": values,
        "people": people[["site", "case", "outcome"]],
        "n_components": plan.severity_components,
        "n_permutations": plan.severity_permutations,
        "seed": plan.seed,
        "most_folds": plan.most_folds,
    }
    found: dict[str, Any] = steps.each([Piece("severity", inputs, values.index.tolist())])[0]
    if found["refused"]:
        return report | {"refused": found["refused"]}
    return report | found | {"features_left_out": [str(name) for name in rare.index[rare]]}


@work("severity")
def _severity(
    values: pd.DataFrame,
    people: pd.DataFrame,
    n_components: int,
    n_permutations: int,
    seed: int,
    most_folds: int,
) -> dict[str, Any]:
    sites, outcome = people["site"].to_numpy(dtype=str), people["outcome"].to_numpy(dtype=float)
    known = np.isfinite(outcome)
    try:
        fit = fit_severity(
            standardise_by_site(values.to_numpy(), sites)[known],
            outcome[known],
            site=sites[known],
            n_components=n_components,
            rng=np.random.default_rng(seed),
            n_permutations=n_permutations,
            most_folds=most_folds,
        )
    except UnusableData as error:
        return {"refused": str(error)}
    names = (
        "r2",
        "q2",
        "rmsee",
        "rmsecv",
        "q2_within_sites",
        "spearman_rho",
        "spearman_rho2",
        "n_components",
        "n_samples",
        "p_permutation",
        "folds",
    )
    case = people["case"].to_numpy()[known]
    vip = pd.Series(fit.vip, index=values.columns).sort_values(ascending=False).head(20)
    return {name: getattr(fit, name) for name in names} | {
        "refused": "",
        "n_sites": len(set(sites[known])),
        "n_case": int((case == 1).sum()),
        "n_control": int((case == 0).sum()),
        "by_site": within_sites(fit.predicted_cv, outcome[known], sites[known]),
        "groups": severity_groups(fit.predicted_cv, outcome[known]),
        "vip": {str(name): float(value) for name, value in vip.items()},
        **left_out_together(fit.groups),
    }
