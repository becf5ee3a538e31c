"""The steps of a run in their order, each a pure function of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis import verdicts
from analysis.frames import StudyFrames
from analysis.plans import STRATA, AnalysisPlan
from analysis.prepare import Block, Note, Prepared, prepare, stacked
from analysis.stats.classify import leave_one_site_out, standardise_by_site
from analysis.stats.combat import fit_combat
from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.handling import Handling, judge_handling
from analysis.stats.meta import pool_effects
from analysis.stats.multiplicity import adjust_p
from analysis.stats.severity import fit_severity

OnStep = Callable[[str, float], None]


@dataclass(frozen=True)
class Results:
    """Everything that a run stores; ``tables`` and ``documents`` by the names of their exports."""

    tables: Mapping[str, pd.DataFrame]
    documents: Mapping[str, Mapping[str, Any]]
    verdicts: Sequence[verdicts.Finding]
    left_out: Sequence[Mapping[str, object]]
    summary: Mapping[str, Any] = field(default_factory=dict)


def compute(
    frames: StudyFrames,
    plan: AnalysisPlan,
    claims: Sequence[verdicts.ClaimFacts],
    *,
    on_step: OnStep,
) -> Results:
    """All steps. ``on_step(name, share_done)`` is called before each; it may raise to stop the run."""
    on_step("preparing values", 0.05)
    prepared = prepare(frames, plan)
    on_step("site effects", 0.15)
    effects, notes = site_effects(prepared, plan)
    on_step("pooling", 0.3)
    pooled = pool(effects, plan)
    handling = {site: judge_site(site, prepared) for site in _sites(prepared)}
    on_step("harmonising", 0.4)
    harmonisation = harmonise(prepared, plan)
    on_step("classifying, each site left out", 0.5)
    classifier = classify(prepared, plan)
    on_step("predicting severity", 0.85)
    severity = predict_severity(prepared, plan)
    on_step("judging the claims", 0.95)
    documents = {
        "classifier": classifier,
        "severity": severity,
        "harmonisation": harmonisation,
        "handling": {site: asdict(verdict) for site, verdict in handling.items()},
    }
    findings = verdicts.judge_all(claims, effects, documents, handling, plan)
    return Results(
        tables={"effects": effects, "pooled": pooled},
        documents=documents,
        verdicts=findings,
        left_out=[note.as_dict() for note in (*prepared.notes, *notes)],
        summary=_summary(prepared, pooled),
    )


def _sites(prepared: Prepared) -> list[str]:
    return sorted({block.site for block in prepared.blocks})


def _summary(prepared: Prepared, pooled: pd.DataFrame) -> dict[str, Any]:
    measured = {who for block in prepared.blocks for who in block.values.index}
    people = prepared.people.loc[prepared.people.index.isin(measured)]
    arms = people.groupby("site")["case"].agg(
        n_case="sum", n_control=lambda case: (case == 0).sum()
    )
    return {
        "sites": [
            {"site": str(site), "n_case": int(row["n_case"]), "n_control": int(row["n_control"])}
            for site, row in arms.iterrows()
        ],
        "n_features": int(pooled["feature"].nunique()),
        "pooled_scale": "Hedges g (difference in within-site standard deviations, adjusted)",
        "verdict_rules": verdicts.RULES_VERSION,
    }


# --- effects of each site


def site_effects(prepared: Prepared, plan: AnalysisPlan) -> tuple[pd.DataFrame, list[Note]]:
    """Effects by stratum, feature and site; where a site has none, the row says why."""
    parts, notes = [], []
    for stratum in plan.strata:
        for block in prepared.blocks:
            part, said = block_effects(block, prepared.people, stratum, plan)
            parts.append(part)
            notes += said
    if not parts:
        return pd.DataFrame(columns=EFFECT_COLUMNS), notes
    effects = pd.concat(parts, ignore_index=True)
    return _best_of_site(effects, notes)[EFFECT_COLUMNS], notes


EFFECT_COLUMNS = [
    "stratum",
    "feature",
    "site",
    "estimate",
    "se",
    "df",
    "p",
    "n_case",
    "n_control",
    "hedges_g",
    "hedges_g_variance",
    "adjusted_for",
    "platform",
    "matrix",
    "scale",
    "unit",
    "source_name",
    "hmdb",
    "n_below_lod",
    "reason",
]


def block_effects(
    block: Block, people: pd.DataFrame, stratum: str, plan: AnalysisPlan
) -> tuple[pd.DataFrame, list[Note]]:
    """One site's linear models on one platform in one stratum."""
    here = people.loc[block.values.index]
    if STRATA[stratum] is not None:
        here = here[here["sex"] == STRATA[stratum]]
    case = here["case"].to_numpy(dtype=float)
    covariates, notes = covariates_of(here, block, stratum, plan)
    fit = fit_effects(block.values.loc[here.index].to_numpy(), case, covariates)
    few = (fit.n_case < plan.min_per_arm) | (fit.n_control < plan.min_per_arm)
    reason = np.where(
        few,
        f"fewer than {plan.min_per_arm} people in an arm of this site",
        np.array(fit.reason, dtype=object),
    )
    usable = ~few & np.isfinite(fit.estimate)
    numbers = {
        name: np.where(usable, getattr(fit, name), np.nan)
        for name in ("estimate", "se", "df", "p", "hedges_g", "hedges_g_variance")
    }
    names = block.values.columns
    table = pd.DataFrame(
        {
            "stratum": stratum,
            "feature": names,
            "site": block.site,
            **numbers,
            "n_case": fit.n_case,
            "n_control": fit.n_control,
            "adjusted_for": ";".join(fit.adjusted_for),
            "platform": block.platform,
            "matrix": block.matrix,
            "scale": block.scale,
            "unit": block.sources["unit"].reindex(names).to_numpy(),
            "source_name": block.sources["source_name"].reindex(names).to_numpy(),
            "hmdb": block.sources["hmdb"].reindex(names).to_numpy(),
            "n_below_lod": block.n_below_lod.reindex(names).to_numpy(),
            "reason": reason.astype(str),
        }
    )
    if len(here) and not usable.any():
        n_case, n_control = int(case.sum()), int((case == 0).sum())
        why = f"no effect in stratum {stratum}: {n_case} cases, {n_control} controls on {block.platform}"
        notes.append(Note(block.site, "effects", len(names), why))
    return table, notes


def covariates_of(
    here: pd.DataFrame, block: Block, stratum: str, plan: AnalysisPlan
) -> tuple[pd.DataFrame | None, list[Note]]:
    """What this site can be adjusted for: covariates known of enough of its people, and batches."""
    columns: dict[str, pd.Series] = {}
    notes = []
    for name in plan.covariates:
        values = _covariate(here, name)
        known = float(values.notna().mean()) if len(values) else 0.0
        if known >= plan.min_covariate_known:
            columns[name] = values
            lacking = int(values.isna().sum())
            if lacking and stratum == "all":
                notes.append(
                    Note(
                        block.site,
                        "participants",
                        lacking,
                        f"no {name}, which the model adjusts for",
                    )
                )
        elif len(values) and stratum == "all":
            why = f"{name} is known of {known:.0%} of this site's people: not adjusted for it here"
            notes.append(Note(block.site, "covariate", 1, why))
    batch = block.batch.reindex(here.index)
    if batch.nunique() > 1:
        columns["batch"] = batch
    return (pd.DataFrame(columns) if columns else None), notes


def _covariate(people: pd.DataFrame, name: str) -> pd.Series:
    if name == "sex":
        return people["sex"].where(people["sex"] != "unknown")
    if name in people:
        return people[name]
    variable = f"variable:{name}"
    return people[variable] if variable in people else pd.Series(np.nan, index=people.index)


def _best_of_site(effects: pd.DataFrame, notes: list[Note]) -> pd.DataFrame:
    """Where a site measured a feature on two platforms, the one with more people counts."""
    order = effects.assign(
        n=(effects["n_case"] + effects["n_control"]).where(effects["estimate"].notna(), -1)
    )
    order = order.sort_values("n", ascending=False, kind="stable")
    keys = ["stratum", "feature", "site"]
    second = order[order.duplicated(keys)]
    for site, features in (
        second[second["stratum"] == second["stratum"].iloc[0]].groupby("site")
        if len(second)
        else ()
    ):
        why = "measured on two platforms or materials of the site; the one with more people counts"
        notes.append(Note(str(site), "features", len(features), why))
    best = order.drop_duplicates(keys)
    return effects.loc[best.index.sort_values()].reset_index(drop=True)


# --- pooling over sites


def pool(effects: pd.DataFrame, plan: AnalysisPlan) -> pd.DataFrame:
    """Random-effects pooling of Hedges g, by stratum and feature; q within the stratum.

    Only effects of at least two sites are tests; one site passes through with the reason.
    """
    parts = [
        pool_stratum(effects[effects["stratum"] == stratum], stratum, plan)
        for stratum in plan.strata
    ]
    return pd.concat(parts, ignore_index=True)


def pool_stratum(effects: pd.DataFrame, stratum: str, plan: AnalysisPlan) -> pd.DataFrame:
    wide = {
        name: effects.pivot(index="site", columns="feature", values=name)
        for name in ("hedges_g", "hedges_g_variance")
    }
    features = wide["hedges_g"].columns
    pooled = pool_effects(
        wide["hedges_g"].to_numpy(dtype=float).reshape(-1, len(features)),
        wide["hedges_g_variance"].to_numpy(dtype=float).reshape(-1, len(features)),
        tau2=plan.tau2,
        test=plan.test,
    )
    tested = np.where(pooled.n_cohorts >= 2, pooled.p, np.nan)
    used = effects[effects["hedges_g"].notna()]
    by_feature = used.groupby("feature")
    counts = by_feature[["n_case", "n_control"]].sum().reindex(features, fill_value=0)
    names = ("estimate", "se", "ci_low", "ci_high", "p")
    more = ("tau2", "i2", "q_statistic", "q_p", "pi_low", "pi_high")
    return pd.DataFrame(
        {
            "stratum": stratum,
            "feature": features,
            **{name: getattr(pooled, name) for name in names},
            "q": adjust_p(tested, plan.multiplicity),
            **{name: getattr(pooled, name) for name in more},
            "n_sites": pooled.n_cohorts,
            "n_case": counts["n_case"].to_numpy(dtype=int),
            "n_control": counts["n_control"].to_numpy(dtype=int),
            "sites": _joined(by_feature["site"], features),
            "matrix": _joined(by_feature["matrix"], features),
            "source_names": _joined(by_feature["source_name"], features),
            "hmdb": _joined(by_feature["hmdb"], features),
            "reason": pooled.reason,
        }
    )


def _joined(groups: Any, features: pd.Index) -> pd.Series:
    words = groups.agg(lambda names: ";".join(dict.fromkeys(str(name) for name in names if name)))
    return words.reindex(features, fill_value="").to_numpy()


# --- handling, harmonisation, classifier, severity


def judge_site(site: str, prepared: Prepared) -> Handling:
    """Whether the site's plasma was separated in time, by the ratio and the recorded delay."""
    blocks = [block for block in prepared.blocks if block.site == site]
    delay = pd.concat(
        [block.spin_delay_hours for block in blocks if block.matrix == "plasma"]
        or [pd.Series(dtype=float)]
    )
    for block in blocks:
        both = {"arginine", "ornithine"} <= set(block.raw.columns)
        if both and block.matrix == "plasma" and block.scale == "log2" and _in_concentration(block):
            return judge_handling(
                block.raw["arginine"].to_numpy(),
                block.raw["ornithine"].to_numpy(),
                delay.to_numpy(dtype=float),
            )
    return judge_handling(delay_hours=delay.to_numpy(dtype=float))


def _in_concentration(block: Block) -> bool:
    units = block.sources.loc[["arginine", "ornithine"], "unit"]
    return bool((units != "relative").all())


def harmonise(prepared: Prepared, plan: AnalysisPlan) -> dict[str, Any]:
    """ComBat across sites, with what it changed; or the reason why it refuses."""
    values, people = _together(prepared)
    report: dict[str, Any] = {"method": "ComBat, parametric (Johnson 2007)", "refused": ""}
    if values.empty:
        return report | {"refused": "No feature is measured at two sites."}
    covariates = people[["case"]].copy()
    for name in plan.covariates:
        values_of = _covariate(people, name)
        if values_of.notna().all():
            covariates[name] = values_of
    report |= {
        "n_people": len(values),
        "n_features": values.shape[1],
        "kept": list(covariates.columns),
        "variance_explained_before": _variance_explained(values, people),
    }
    try:
        model = fit_combat(values.to_numpy(), people["site"].to_numpy(dtype=str), covariates)
        adjusted = model.apply(values.to_numpy(), people["site"].to_numpy(dtype=str), covariates)
    except UnusableData as error:
        return report | {"refused": str(error)}
    after = pd.DataFrame(adjusted, index=values.index, columns=values.columns)
    return report | {
        "sites": dict(zip(model.batches, model.n_samples, strict=True)),
        "variance_explained_after": _variance_explained(after, people),
        "left_alone": int(model.left_alone.sum()),
        "notes": list(model.notes),
    }


def _together(prepared: Prepared) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People x features that at least two sites measure, and those people."""
    values = stacked([block.values for block in prepared.blocks])
    if values.empty:
        return values, prepared.people.loc[[]]
    people = prepared.people.loc[values.index]
    n_sites = values.notna().groupby(people["site"].to_numpy()).any().sum()
    return values.loc[:, (n_sites >= 2).to_numpy()], people


def _variance_explained(values: pd.DataFrame, people: pd.DataFrame) -> dict[str, float]:
    """Median over features of the share of variance between sites, and between case and control."""
    return {
        "site": _median_eta_squared(values, people["site"]),
        "group": _median_eta_squared(values, people["case"]),
    }


def _median_eta_squared(values: pd.DataFrame, label: pd.Series) -> float:
    centred = values - values.mean()
    means, counts = (
        centred.groupby(label.to_numpy()).mean(),
        centred.groupby(label.to_numpy()).count(),
    )
    between = (means.fillna(0.0) ** 2 * counts).sum()
    total = (centred**2).sum()
    return float((between / total.where(total > 0)).median())


def classify(prepared: Prepared, plan: AnalysisPlan) -> dict[str, Any]:
    """Random forest, each site left out in turn; the AUC counts pairs of one site only."""
    values, people = _together(prepared)
    values = values.drop(columns=[name for name in plan.class_scores if name in values])
    try:
        result = leave_one_site_out(
            values,
            people["case"].to_numpy(dtype=float),
            people["site"].to_numpy(dtype=str),
            rng=np.random.default_rng(plan.seed),
            n_trees=plan.n_trees,
        )
    except UnusableData as error:
        return {"method": "random forest, leave one site out", "refused": str(error)}
    top = pd.Series(result.importance, index=values.columns).sort_values(ascending=False).head(20)
    return {
        "method": "random forest, leave one site out, each site standardised by itself",
        "refused": "",
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
    }


def _auc_words(area: Any) -> dict[str, float | None]:
    names = ("auc", "ci_low", "ci_high")
    return {name: None if area is None else float(getattr(area, name)) for name in names}


def predict_severity(prepared: Prepared, plan: AnalysisPlan) -> dict[str, Any]:
    """PLS regression of the outcome on values standardised within sites, sites left out."""
    if not plan.outcome:
        return {"refused": "The plan names no outcome."}
    values, people = _together(prepared)
    outcome = people["outcome"].to_numpy(dtype=float)
    known = np.isfinite(outcome)
    report: dict[str, Any] = {"method": "PLS regression", "outcome": plan.outcome, "refused": ""}
    try:
        if not known.any():
            raise UnusableData(f"Nobody in this snapshot has a value of {plan.outcome}.")
        sites = people["site"].to_numpy(dtype=str)
        fit = fit_severity(
            standardise_by_site(values.to_numpy(), sites)[known],
            outcome[known],
            site=sites[known],
            n_components=plan.severity_components,
            rng=np.random.default_rng(plan.seed),
            n_permutations=plan.severity_permutations,
        )
    except UnusableData as error:
        return report | {"refused": str(error)}
    names = (
        "r2",
        "q2",
        "rmsee",
        "rmsecv",
        "spearman_rho",
        "spearman_rho2",
        "n_components",
        "n_samples",
    )
    vip = pd.Series(fit.vip, index=values.columns).sort_values(ascending=False).head(20)
    return (
        report
        | {name: getattr(fit, name) for name in names}
        | {
            "p_permutation": fit.p_permutation,
            "folds": fit.folds,
            "vip": {str(name): float(value) for name, value in vip.items()},
        }
    )
