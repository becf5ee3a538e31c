"""Functions that read, check, correct and bring to one level."""

import numpy as np
import pandas as pd

from analysis.stats import (
    batches,
    censored,
    combat,
    design,
    diagnostics,
    duplicates,
    handling,
    handling_records,
    harmonise,
    harmonise_refusals,
    impute,
    labels,
    qc,
    qc_samples,
    site_folds,
    tables,
)
from tests.stats.faces.study import (
    AGES,
    BELOW,
    CODING,
    COMBAT_MODEL,
    COVARIATES,
    GROUP,
    LABELS,
    LEVELS,
    N_OF_SITE,
    OPTIONAL_SITE,
    ORDER,
    QC_MARKS,
    QC_MODEL,
    RECORDS,
    SCORES,
    SITE,
    SITES,
    TABLE,
    VALUES,
    N,
    P,
    Row,
    row,
)

ROWS: dict[str, Row] = {
    "batches.batch_design": row(
        lambda covariates: batches.batch_design(
            covariates, SITES.tolist(), np.repeat([0, 1, 2], N_OF_SITE), 3
        ),
        covariates=COVARIATES,
    ),
    "batches.encoded": row(
        lambda covariates: batches.encoded(
            covariates, N, COMBAT_MODEL.codings, COMBAT_MODEL.column_names
        ),
        covariates=COVARIATES,
    ),
    "censored.fit_tobit": row(
        censored.fit_tobit,
        values=TABLE,
        below=("table marks", BELOW),
        limits=("limits", np.full(P, 0.8)),
    ),
    "censored.fit_qrilc": row(censored.fit_qrilc, values=TABLE, below=("table marks", BELOW)),
    "censored.spread_limits": row(
        censored.spread_limits, {"shape": (N, P)}, limits=("limits", np.full(P, 0.8))
    ),
    "combat.fit_combat": row(
        combat.fit_combat,
        values=TABLE,
        batch=SITE,
        covariates=COVARIATES,
        reference_batch=("option", "Osaka"),
    ),
    "combat_model.CombatModel.apply": row(
        COMBAT_MODEL.apply, values=TABLE, batch=SITE, covariates=COVARIATES
    ),
    "combat_model.CombatModel.from_json": row(
        COMBAT_MODEL.from_json, text=("text", COMBAT_MODEL.to_json())
    ),
    "design.Coding.columns": row(CODING.columns, column=("levels", LEVELS)),
    "design.build_design": row(design.build_design, {"n_samples": N}, covariates=COVARIATES),
    "design.complete_numbers": row(
        design.complete_numbers, {"n_samples": N}, covariates=("probed covariates", AGES)
    ),
    "design.as_frame": row(design.as_frame, {"n_samples": N}, covariates=("columns", AGES)),
    "design.columns_of": row(
        design.columns_of, {"n_samples": N}, covariates=("covariates or one", AGES)
    ),
    "design.encode": row(
        lambda frame: design.encode([CODING], pd.DataFrame({"kit": frame})),
        frame=("levels", LEVELS),
    ),
    "diagnostics.diagnose": row(
        diagnostics.diagnose,
        values=TABLE,
        site=SITE,
        batch=OPTIONAL_SITE,
        group=OPTIONAL_SITE,
        is_qc=QC_MARKS,
        scale=("option", "ln"),
        n_components=("count", 2),
    ),
    "diagnostics.compare": row(
        diagnostics.compare,
        before=TABLE,
        after=TABLE,
        site=SITE,
        batch=OPTIONAL_SITE,
        group=OPTIONAL_SITE,
        is_qc=QC_MARKS,
        scale=("option", "ln"),
        n_components=("count", 2),
    ),
    "diagnostics.variance_explained": row(
        diagnostics.variance_explained, values=TABLE, labels=SITE
    ),
    "diagnostics.silhouette": row(diagnostics.silhouette, values=TABLE, labels=SITE),
    "diagnostics.principal_components": row(
        diagnostics.principal_components, values=("values alone", VALUES), n_components=("count", 2)
    ),
    "duplicates.find_repeats": row(
        duplicates.find_repeats,
        values=("values alone", VALUES),
        min_shared=("count", 4),
        max_chance=("positive", 1.0),
        max_differing=("share", 0.01),
        digits=("count", 6),
    ),
    "handling.arginine_ratio": row(
        handling.arginine_ratio,
        arginine=("amounts", SCORES + 60),
        ornithine=("amounts", SCORES + 30),
    ),
    "handling.judge_handling": row(
        handling.judge_handling,
        arginine=("amounts", SCORES + 60),
        ornithine=("amounts", SCORES + 30),
        delay_hours=("delays of tubes", SCORES),
    ),
    "handling_records.flag_samples": row(
        handling_records.flag_samples,
        records=("records alone", RECORDS),
        haemolysis_limit=("positive", 50.0),
    ),
    "handling_records.judge_records": row(
        handling_records.judge_records,
        records=("records", RECORDS),
        is_case=("optional labels", LABELS),
        haemolysis_limit=("positive", 50.0),
    ),
    "harmonise.harmoniser": row(
        harmonise.harmoniser, name=("option", "combat"), min_samples=("count", 3)
    ),
    **{
        f"harmonise.Method.fit {name}": row(
            harmonise.harmoniser(name).fit,
            values=TABLE,
            site=SITE,
            covariates=("unread" if name == "none" else "covariates", AGES),
        )
        for name in harmonise.METHODS
    },
    **{
        f"harmonise.HarmoniserModel.apply {name}": row(
            harmonise.harmoniser(name).fit(VALUES, SITES, AGES).apply,
            values=TABLE,
            site=SITE,
            covariates=("covariates" if "combat" in name else "unread", AGES),
        )
        for name in harmonise.METHODS
    },
    "harmonise_refusals.refuse_confounded": row(
        harmonise_refusals.refuse_confounded, {"labels": SITES}, covariates=COVARIATES
    ),
    "harmonise_refusals.one_sided": row(
        harmonise_refusals.one_sided,
        {"labels": SITES, "method": "site_z"},
        covariates=("columns", AGES),
    ),
    "impute.impute": row(
        impute.impute,
        values=TABLE,
        flags=("optional flags", BELOW.astype(int)),
        limits=("limits", np.full(P, 0.8)),
        method=("option", "tobit_mean"),
    ),
    "labels.batch_labels": row(labels.batch_labels, {"n_samples": N}, batch=("known names", SITES)),
    "labels.distinct_labels": row(labels.distinct_labels, {"n_samples": N}, batch=SITE),
    "labels.site_names": row(labels.site_names, {"n_samples": N}, site=SITE),
    "qc.fit_qc": row(
        qc.fit_qc,
        values=TABLE,
        is_qc=QC_MARKS,
        batch=SITE,
        injection_order=("numbers", ORDER),
        method=("option", "loess"),
        span=("share", 0.9),
        min_qc=("count", 4),
    ),
    "qc.QcModel.apply": row(
        QC_MODEL.apply, values=TABLE, batch=SITE, injection_order=("numbers", ORDER)
    ),
    "qc.qc_rsd_percent": row(
        qc.qc_rsd_percent, values=TABLE, is_qc=QC_MARKS, scale=("option", "raw")
    ),
    "qc.left_out_rsd_percent": row(
        qc.left_out_rsd_percent,
        values=TABLE,
        is_qc=QC_MARKS,
        batch=SITE,
        injection_order=("numbers", ORDER),
        method=("option", "loess"),
        span=("share", 0.9),
        min_qc=("count", 3),
    ),
    "qc_samples.qc_marks": row(qc_samples.qc_marks, {"n_samples": N}, is_qc=QC_MARKS),
    "qc_samples.injection_positions": row(
        qc_samples.injection_positions,
        {"n_samples": N, "needed": True},
        order=("numbers", ORDER),
    ),
    "site_folds.read_study": row(
        site_folds.read_study,
        values=TABLE,
        labels=GROUP,
        site=SITE,
        covariates=("covariates or one", AGES),
        scale=("option", "training"),
    ),
    "site_folds.standardise_by_site": row(site_folds.standardise_by_site, values=TABLE, site=SITE),
    "tables.real_numbers": row(tables.real_numbers, numbers=("any values", VALUES)),
    "tables.as_array": row(
        lambda given: tables.as_array(given, "Values"), given=("probed covariates", VALUES)
    ),
    "tables.truth_values": row(
        lambda marks: tables.truth_values(marks, (N, P), "Marks"), marks=("table marks", BELOW)
    ),
    "tables.checked_values": row(tables.checked_values, values=("any table", VALUES)),
    "tables.finite_table": row(tables.finite_table, values=("values alone", VALUES)),
}
