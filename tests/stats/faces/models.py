"""Functions that fit effects, classifiers and scales."""

import numpy as np
import pandas as pd

from analysis.stats import (
    calibration,
    classify,
    differential,
    effects,
    mixed,
    moderated,
    nested,
    ordinal,
    permutation,
    psychometrics,
    robust,
    roc,
    roc_compare,
    sensitivity,
    severity,
    transport,
)
from analysis.stats.logistic import ElasticNet
from tests.stats.faces.study import (
    AGES,
    COVARIATES,
    FRAME,
    FROZEN,
    GROUP,
    LABELS,
    MARKS,
    OPTIONAL_SITE,
    ORDER,
    SCORES,
    SITE,
    TABLE,
    VALUES,
    Row,
    rng,
    row,
)

ROWS: dict[str, Row] = {
    "calibration.calibrate": row(calibration.calibrate, labels=GROUP, chances=("chances", SCORES)),
    "calibration.recalibrate": row(
        calibration.recalibrate,
        chances=("any chances", SCORES),
        shift=("number", 0.3),
        slope=("number", 1.1),
    ),
    "classify.leave_one_site_out": row(
        lambda **given: classify.leave_one_site_out(**given, rng=rng()),
        values=TABLE,
        labels=GROUP,
        site=SITE,
        covariates=("covariates or one", AGES),
        n_trees=("count", 3),
        most_folds=("count", 2),
    ),
    "differential.differential_items": row(
        differential.differential_items,
        items=("values", np.ceil(4 * VALUES / VALUES.max())),
        language=SITE,
        score=("optional numbers", SCORES),
    ),
    "effects.fit_effects": row(
        effects.fit_effects, values=TABLE, group=GROUP, covariates=COVARIATES
    ),
    "effects.fitted": row(effects.fitted, values=TABLE, group=GROUP, covariates=COVARIATES),
    "effects.checked": row(effects.checked, values=("finite values", VALUES), group=GROUP),
    "mixed.fit_mixed_effects": row(
        mixed.fit_mixed_effects,
        values=TABLE,
        group=GROUP,
        site=SITE,
        covariates=COVARIATES,
        method=("option", "ML"),
    ),
    "moderated.fit_moderated_effects": row(
        moderated.fit_moderated_effects, values=TABLE, group=GROUP, covariates=COVARIATES
    ),
    "nested.nested_leave_one_site_out": row(
        lambda **given: nested.nested_leave_one_site_out(
            **given, learner=ElasticNet(), rng=rng(), n_repeats=1
        ),
        values=TABLE,
        labels=GROUP,
        site=SITE,
        covariates=("covariates or one", AGES),
        scale=("option", "training"),
    ),
    "ordinal.fit_proportional_odds": row(
        ordinal.fit_proportional_odds, {"columns": AGES}, answers=("scores", ORDER % 3)
    ),
    "permutation.permute_effects": row(
        lambda **given: permutation.permute_effects(**given, rng=rng()),
        values=TABLE,
        group=GROUP,
        covariates=COVARIATES,
        blocks=OPTIONAL_SITE,
        n_permutations=("count", 9),
    ),
    "permutation.prepare_permutations": row(
        permutation.prepare_permutations,
        values=TABLE,
        group=GROUP,
        covariates=COVARIATES,
        blocks=OPTIONAL_SITE,
        n_permutations=("count", 9),
        seed=("count", 5),
    ),
    "permutation.p_of_counts": row(
        permutation.p_of_counts,
        {"exact": False},
        reached=("tallies", np.array([0, 3, 9])),
        n_permutations=("count", 9),
    ),
    "psychometrics.cronbach_alpha": row(
        psychometrics.cronbach_alpha, items=("values alone", VALUES), level=("level", 0.95)
    ),
    "psychometrics.item_statistics": row(
        psychometrics.item_statistics, items=("values alone", VALUES)
    ),
    "psychometrics.read_items": row(psychometrics.read_items, items=("values alone", VALUES)),
    "robust.fit_robust_effects": row(
        robust.fit_robust_effects, values=TABLE, group=GROUP, covariates=COVARIATES
    ),
    "roc.auc": row(roc.auc, labels=GROUP, scores=("scores", SCORES)),
    "roc.as_cases": row(roc.as_cases, labels=("labels alone", LABELS)),
    "roc.finite_scores": row(
        roc.finite_scores, scores=("scores", SCORES), labels=("counted", LABELS)
    ),
    "roc_compare.compare_auc": row(
        roc_compare.compare_auc,
        labels=GROUP,
        first=("scores", SCORES),
        second=("scores", SCORES[::-1]),
        site=OPTIONAL_SITE,
    ),
    "roc_compare.partial_auc": row(
        roc_compare.partial_auc,
        labels=GROUP,
        scores=("scores", SCORES),
        between=("range", (0.9, 1.0)),
        of=("option", "specificity"),
    ),
    "roc_compare.site_bootstrap": row(
        lambda **given: roc_compare.site_bootstrap(**given, rng=rng()),
        labels=GROUP,
        scores=("scores", SCORES),
        site=SITE,
        n_draws=("count", 5),
    ),
    "sensitivity.sensitivity_grid": row(
        lambda values, is_case, people: sensitivity.sensitivity_grid(
            pd.DataFrame(values), is_case, people, changes=sensitivity.CHANGES[:1]
        ),
        values=("explained frame", FRAME),
        is_case=GROUP,
        people=("records", pd.DataFrame({"drug_free": MARKS.astype(float)})),
    ),
    "sensitivity.who_stays": row(
        sensitivity.who_stays,
        {"chosen": sensitivity.CHANGES[:1], "group": LABELS == 1},
        people=("records", pd.DataFrame({"drug_free": MARKS.astype(float)})),
    ),
    "severity.fit_severity": row(
        lambda **given: severity.fit_severity(**given, rng=rng()),
        values=TABLE,
        outcome=("numbers", SCORES),
        site=OPTIONAL_SITE,
        n_components=("count", 2),
        n_permutations=("count", 5),
        most_folds=("count", 2),
    ),
    "transport.FrozenClassifier.scores": row(FROZEN.scores, values=("frame", FRAME)),
    "transport.FrozenClassifier.missing": row(FROZEN.missing, values=("names of a frame", FRAME)),
    "transport.freeze": row(
        lambda **given: transport.freeze(
            **given, learner=ElasticNet(), settings=ElasticNet().grid[0], rng=rng()
        ),
        values=("frame", FRAME),
        labels=GROUP,
        site=SITE,
        scale=("option", "training"),
    ),
    "transport.thaw": row(
        transport.thaw,
        metadata=("text", FROZEN.to_json()),
        payload=("bytes", FROZEN.to_npz()),
    ),
    "transport.transport": row(
        lambda **given: transport.transport(FROZEN, **given),
        values=("frame", FRAME),
        labels=GROUP,
        site=("new site", "Vienna"),
    ),
}
