"""Every function of the core that takes data from outside, with arguments that it can answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.stats import (
    batches,
    calibration,
    censored,
    classify,
    combat,
    design,
    diagnostics,
    differential,
    duplicates,
    effects,
    handling,
    handling_records,
    harmonise,
    harmonise_refusals,
    heterogeneity,
    impute,
    influence,
    labels,
    meta,
    mixed,
    model_looks,
    moderated,
    moderators,
    multiplicity,
    nested,
    ordinal,
    permutation,
    power,
    psychometrics,
    qc,
    qc_samples,
    robust,
    roc,
    roc_compare,
    sensitivity,
    sequential,
    severity,
    site_folds,
    tables,
    transport,
)
from analysis.stats.logistic import ElasticNet

N_OF_SITE, NAMES = 16, ("Fukuoka", "Osaka", "Turin")
N, P, K = N_OF_SITE * len(NAMES), 6, 4


def rng() -> np.random.Generator:
    return np.random.default_rng(20220313)


VALUES = np.exp(rng().normal(size=(N, P)))
FRAME = pd.DataFrame(VALUES, columns=[f"f{place}" for place in range(P)])
LABELS = np.arange(N) % 2
SITES = np.repeat(NAMES, N_OF_SITE)
AGES = rng().normal(40, 9, size=(N, 2))
SCORES = rng().uniform(size=N)
MARKS = np.arange(N) % 4 == 0
EFFECTS, VARIANCES = rng().normal(size=(K, 3)), rng().uniform(0.1, 0.4, size=(K, 3))
ORDER = np.arange(N)
LEVELS = pd.Series(np.tile(["first", "second", "third"], N // 3))
CODING = design.Coding("kit", ("first", "second", "third"))
RECORDS = pd.DataFrame(
    {
        "arginine": SCORES + 60,
        "ornithine": SCORES + 30,
        "delay_hours": SCORES,
        "haemolysis_index": 10 * SCORES,
        "light_protected": MARKS.astype(float),
        "freeze_thaws": MARKS.astype(float),
    }
)


@dataclass(frozen=True)
class Row:
    """A function, arguments that it answers, and what kind of thing each of them is."""

    call: Callable[..., Any]
    good: dict[str, Any]
    kinds: dict[str, str]


def _row(
    call: Callable[..., Any], fixed: dict[str, Any] | None = None, **given: tuple[str, Any]
) -> Row:
    kinds = {name: kind for name, (kind, _) in given.items()}
    return Row(call, {name: good for name, (_, good) in given.items()} | (fixed or {}), kinds)


values, group, site = ("values", VALUES), ("labels", LABELS), ("names", SITES)
ages, marks = ("covariates", AGES), ("marks", MARKS)
cohorts = {"estimates": ("estimates", EFFECTS), "variances": ("variances", VARIANCES)}
combat_model = combat.fit_combat(VALUES, SITES, AGES)
qc_model = qc.fit_qc(VALUES, MARKS, SITES, ORDER, min_qc=3)
frozen = transport.freeze(
    FRAME, LABELS, SITES, learner=ElasticNet(), settings=ElasticNet().grid[0], rng=rng()
)
below = np.zeros(VALUES.shape, dtype=bool)
below[:5] = VALUES[:5] < 0.8

ROWS: dict[str, Row] = {
    "batches.batch_design": _row(
        lambda covariates: batches.batch_design(
            covariates, SITES.tolist(), np.repeat([0, 1, 2], N_OF_SITE), 3
        ),
        covariates=ages,
    ),
    "batches.encoded": _row(
        lambda covariates: batches.encoded(
            covariates, N, combat_model.codings, combat_model.column_names
        ),
        covariates=ages,
    ),
    "calibration.calibrate": _row(calibration.calibrate, labels=group, chances=("chances", SCORES)),
    "calibration.recalibrate": _row(
        calibration.recalibrate,
        chances=("chances", SCORES),
        shift=("number", 0.3),
        slope=("number", 1.1),
    ),
    "censored.fit_tobit": _row(
        censored.fit_tobit,
        values=values,
        below=("table marks", below),
        limits=("limits", np.full(P, 0.8)),
    ),
    "censored.fit_qrilc": _row(censored.fit_qrilc, values=values, below=("table marks", below)),
    "censored.spread_limits": _row(
        censored.spread_limits, {"shape": (N, P)}, limits=("limits", np.full(P, 0.8))
    ),
    "classify.leave_one_site_out": _row(
        lambda **given: classify.leave_one_site_out(**given, rng=rng()),
        values=values,
        labels=group,
        site=site,
        covariates=ages,
        n_trees=("count", 3),
        most_folds=("count", 2),
    ),
    "combat.fit_combat": _row(
        combat.fit_combat,
        values=values,
        batch=site,
        covariates=ages,
        reference_batch=("option", "Osaka"),
    ),
    "combat_model.CombatModel.apply": _row(
        combat_model.apply, values=values, batch=site, covariates=ages
    ),
    "combat_model.CombatModel.from_json": _row(
        combat_model.from_json, text=("text", combat_model.to_json())
    ),
    "design.Coding.columns": _row(CODING.columns, column=("levels", LEVELS)),
    "design.build_design": _row(design.build_design, {"n_samples": N}, covariates=ages),
    "design.complete_numbers": _row(design.complete_numbers, {"n_samples": N}, covariates=ages),
    "design.as_frame": _row(design.as_frame, {"n_samples": N}, covariates=ages),
    "design.encode": _row(
        lambda frame: design.encode([CODING], pd.DataFrame({"kit": frame})),
        frame=("levels", LEVELS),
    ),
    "diagnostics.diagnose": _row(
        diagnostics.diagnose,
        values=values,
        site=site,
        batch=site,
        group=site,
        is_qc=marks,
        scale=("option", "ln"),
        n_components=("count", 2),
    ),
    "diagnostics.compare": _row(
        diagnostics.compare,
        before=values,
        after=values,
        site=site,
        batch=site,
        group=site,
        is_qc=marks,
        scale=("option", "ln"),
        n_components=("count", 2),
    ),
    "diagnostics.variance_explained": _row(
        diagnostics.variance_explained, values=values, labels=site
    ),
    "diagnostics.silhouette": _row(diagnostics.silhouette, values=values, labels=site),
    "diagnostics.principal_components": _row(
        diagnostics.principal_components, values=values, n_components=("count", 2)
    ),
    "differential.differential_items": _row(
        differential.differential_items,
        items=("values", np.ceil(4 * VALUES / VALUES.max())),
        language=site,
        score=("numbers", SCORES),
    ),
    "duplicates.find_repeats": _row(
        duplicates.find_repeats,
        values=values,
        min_shared=("count", 4),
        max_chance=("positive", 1.0),
        max_differing=("share", 0.01),
        digits=("count", 6),
    ),
    "effects.fit_effects": _row(effects.fit_effects, values=values, group=group, covariates=ages),
    "effects.fitted": _row(effects.fitted, values=values, group=group, covariates=ages),
    "effects.checked": _row(effects.checked, values=values, group=group),
    "handling.arginine_ratio": _row(
        handling.arginine_ratio,
        arginine=("amounts", SCORES + 60),
        ornithine=("amounts", SCORES + 30),
    ),
    "handling.judge_handling": _row(
        handling.judge_handling,
        arginine=("amounts", SCORES + 60),
        ornithine=("amounts", SCORES + 30),
        delay_hours=("amounts", SCORES),
    ),
    "handling_records.flag_samples": _row(
        handling_records.flag_samples,
        records=("records", RECORDS),
        haemolysis_limit=("positive", 50.0),
    ),
    "handling_records.judge_records": _row(
        handling_records.judge_records,
        records=("records", RECORDS),
        is_case=group,
        haemolysis_limit=("positive", 50.0),
    ),
    "harmonise.harmoniser": _row(
        harmonise.harmoniser, name=("option", "combat"), min_samples=("count", 3)
    ),
    **{
        f"harmonise.Method.fit {name}": _row(
            harmonise.harmoniser(name).fit, values=values, site=site, covariates=ages
        )
        for name in harmonise.METHODS
    },
    **{
        f"harmonise.HarmoniserModel.apply {name}": _row(
            harmonise.harmoniser(name).fit(VALUES, SITES, AGES).apply,
            values=values,
            site=site,
            covariates=ages,
        )
        for name in harmonise.METHODS
    },
    "harmonise_refusals.refuse_confounded": _row(
        harmonise_refusals.refuse_confounded, {"labels": SITES}, covariates=ages
    ),
    "harmonise_refusals.one_sided": _row(
        harmonise_refusals.one_sided, {"labels": SITES, "method": "site_z"}, covariates=ages
    ),
    "heterogeneity.heterogeneity": _row(
        heterogeneity.heterogeneity, **cohorts, tau2=("option", "REML"), level=("level", 0.95)
    ),
    "impute.impute": _row(
        impute.impute,
        values=values,
        flags=("flags", below.astype(int)),
        limits=("limits", np.full(P, 0.8)),
        method=("option", "tobit_mean"),
    ),
    "influence.leave_one_out": _row(
        influence.leave_one_out, **cohorts, tau2=("option", "DL"), test=("option", "z")
    ),
    "influence.egger_test": _row(influence.egger_test, **cohorts),
    "labels.batch_labels": _row(labels.batch_labels, {"n_samples": N}, batch=site),
    "labels.distinct_labels": _row(labels.distinct_labels, {"n_samples": N}, batch=site),
    "labels.site_names": _row(labels.site_names, {"n_samples": N}, site=site),
    "meta.pool_effects": _row(
        meta.pool_effects, **cohorts, tau2=("option", "DL"), test=("option", "z")
    ),
    "meta.checked_effects": _row(meta.checked_effects, **cohorts),
    "mixed.fit_mixed_effects": _row(
        mixed.fit_mixed_effects,
        values=values,
        group=group,
        site=site,
        covariates=ages,
        method=("option", "ML"),
    ),
    "model_looks.area_over_looks": _row(
        model_looks.area_over_looks,
        areas=("chances", np.array([0.6, 0.7, 0.8])),
        n_case=("counts", np.array([20, 30, 40])),
        n_control=("counts", np.array([20, 30, 40])),
        level=("level", 0.95),
    ),
    "model_looks.correlation_over_looks": _row(
        model_looks.correlation_over_looks,
        correlations=("numbers", np.array([0.1, 0.2, 0.3])),
        n_people=("counts", np.array([20, 30, 40])),
        level=("level", 0.95),
    ),
    "moderated.fit_moderated_effects": _row(
        moderated.fit_moderated_effects, values=values, group=group, covariates=ages
    ),
    "moderators.meta_regression": _row(
        moderators.meta_regression,
        **cohorts,
        covariates=("numbers", np.array([1.0, 3.0, 2.0, 5.0])),
        tau2=("option", "DL"),
        test=("option", "z"),
    ),
    "moderators.subgroup_difference": _row(
        moderators.subgroup_difference,
        **cohorts,
        subgroup=("names", np.array(["east", "east", "west", "west"])),
        tau2=("option", "DL"),
    ),
    "multiplicity.adjust_p": _row(
        multiplicity.adjust_p, p=("chances", SCORES), method=("option", "bh")
    ),
    "nested.nested_leave_one_site_out": _row(
        lambda **given: nested.nested_leave_one_site_out(
            **given, learner=ElasticNet(), rng=rng(), n_repeats=1
        ),
        values=values,
        labels=group,
        site=site,
        covariates=ages,
        scale=("option", "training"),
    ),
    "ordinal.fit_proportional_odds": _row(
        ordinal.fit_proportional_odds, {"columns": AGES}, answers=("numbers", ORDER % 3)
    ),
    "permutation.permute_effects": _row(
        lambda **given: permutation.permute_effects(**given, rng=rng()),
        values=values,
        group=group,
        covariates=ages,
        blocks=site,
        n_permutations=("count", 9),
    ),
    "permutation.prepare_permutations": _row(
        permutation.prepare_permutations,
        values=values,
        group=group,
        covariates=ages,
        blocks=site,
        n_permutations=("count", 9),
        seed=("count", 5),
    ),
    "permutation.p_of_counts": _row(
        permutation.p_of_counts,
        {"exact": False},
        reached=("counts", np.array([0, 3, 9])),
        n_permutations=("count", 9),
    ),
    "power.power_of_pooled": _row(
        power.power_of_pooled,
        estimate_of_interest=("number", 0.5),
        se=("positive", 0.2),
        df=("positive", 4.0),
        alpha=("level", 0.05),
    ),
    "power.smallest_detectable": _row(
        power.smallest_detectable,
        se=("positive", 0.2),
        power=("level", 0.8),
        df=("positive", 4.0),
        alpha=("level", 0.05),
    ),
    "psychometrics.cronbach_alpha": _row(
        psychometrics.cronbach_alpha, items=values, level=("level", 0.95)
    ),
    "psychometrics.item_statistics": _row(psychometrics.item_statistics, items=values),
    "psychometrics.read_items": _row(psychometrics.read_items, items=values),
    "qc.fit_qc": _row(
        qc.fit_qc,
        values=values,
        is_qc=marks,
        batch=site,
        injection_order=("numbers", ORDER),
        method=("option", "loess"),
        span=("share", 0.9),
        min_qc=("count", 4),
    ),
    "qc.QcModel.apply": _row(
        qc_model.apply, values=values, batch=site, injection_order=("numbers", ORDER)
    ),
    "qc.qc_rsd_percent": _row(
        qc.qc_rsd_percent, values=values, is_qc=marks, scale=("option", "raw")
    ),
    "qc.left_out_rsd_percent": _row(
        qc.left_out_rsd_percent,
        values=values,
        is_qc=marks,
        batch=site,
        injection_order=("numbers", ORDER),
        method=("option", "loess"),
        span=("share", 0.9),
        min_qc=("count", 3),
    ),
    "qc_samples.qc_marks": _row(qc_samples.qc_marks, {"n_samples": N}, is_qc=marks),
    "qc_samples.injection_positions": _row(
        qc_samples.injection_positions,
        {"n_samples": N, "needed": True},
        order=("numbers", ORDER),
    ),
    "robust.fit_robust_effects": _row(
        robust.fit_robust_effects, values=values, group=group, covariates=ages
    ),
    "roc.auc": _row(roc.auc, labels=group, scores=("numbers", SCORES)),
    "roc.as_cases": _row(roc.as_cases, labels=group),
    "roc.finite_scores": _row(roc.finite_scores, {"labels": LABELS}, scores=("numbers", SCORES)),
    "roc_compare.compare_auc": _row(
        roc_compare.compare_auc,
        labels=group,
        first=("numbers", SCORES),
        second=("numbers", SCORES[::-1]),
        site=site,
    ),
    "roc_compare.partial_auc": _row(
        roc_compare.partial_auc,
        labels=group,
        scores=("numbers", SCORES),
        between=("range", (0.9, 1.0)),
        of=("option", "specificity"),
    ),
    "roc_compare.site_bootstrap": _row(
        lambda **given: roc_compare.site_bootstrap(**given, rng=rng()),
        labels=group,
        scores=("numbers", SCORES),
        site=site,
        n_draws=("count", 5),
    ),
    "sensitivity.sensitivity_grid": _row(
        lambda values, is_case, people: sensitivity.sensitivity_grid(
            pd.DataFrame(values), is_case, people, changes=sensitivity.CHANGES[:1]
        ),
        values=values,
        is_case=group,
        people=("records", pd.DataFrame({"drug_free": MARKS.astype(float)})),
    ),
    "sensitivity.who_stays": _row(
        sensitivity.who_stays,
        {"chosen": sensitivity.CHANGES[:1], "group": LABELS == 1},
        people=("records", pd.DataFrame({"drug_free": MARKS.astype(float)})),
    ),
    "sequential.confidence_sequence": _row(
        sequential.confidence_sequence,
        **cohorts,
        effect_of_interest=("positive", 0.4),
        level=("level", 0.95),
    ),
    "severity.fit_severity": _row(
        lambda **given: severity.fit_severity(**given, rng=rng()),
        values=values,
        outcome=("numbers", SCORES),
        site=site,
        n_components=("count", 2),
        n_permutations=("count", 5),
        most_folds=("count", 2),
    ),
    "site_folds.read_study": _row(
        site_folds.read_study,
        values=values,
        labels=group,
        site=site,
        covariates=ages,
        scale=("option", "training"),
    ),
    "site_folds.standardise_by_site": _row(
        site_folds.standardise_by_site, values=values, site=site
    ),
    "tables.real_numbers": _row(tables.real_numbers, numbers=("any values", VALUES)),
    "tables.checked_values": _row(tables.checked_values, values=("any values", VALUES)),
    "tables.finite_table": _row(tables.finite_table, values=values),
    "transport.FrozenClassifier.scores": _row(frozen.scores, values=("frame", FRAME)),
    "transport.FrozenClassifier.missing": _row(frozen.missing, values=("frame", FRAME)),
    "transport.freeze": _row(
        lambda **given: transport.freeze(
            **given, learner=ElasticNet(), settings=ElasticNet().grid[0], rng=rng()
        ),
        values=("frame", FRAME),
        labels=group,
        site=site,
        scale=("option", "training"),
    ),
    "transport.thaw": _row(
        transport.thaw,
        metadata=("text", frozen.to_json()),
        payload=("bytes", frozen.to_npz()),
    ),
    "transport.transport": _row(
        lambda **given: transport.transport(frozen, **given),
        values=("frame", FRAME),
        labels=group,
        site=("new site", "Vienna"),
    ),
}
