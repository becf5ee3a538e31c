"""Functions of effects, p values and areas that others found."""

import numpy as np

from analysis.stats import (
    heterogeneity,
    influence,
    meta,
    model_looks,
    moderators,
    multiplicity,
    power,
    sequential,
)
from tests.stats.faces.study import (
    COHORTS,
    SCORES,
    Row,
    row,
)

ROWS: dict[str, Row] = {
    "heterogeneity.heterogeneity": row(
        heterogeneity.heterogeneity, **COHORTS, tau2=("option", "REML"), level=("level", 0.95)
    ),
    "influence.leave_one_out": row(
        influence.leave_one_out, **COHORTS, tau2=("option", "DL"), test=("option", "z")
    ),
    "influence.egger_test": row(influence.egger_test, **COHORTS),
    "meta.pool_effects": row(
        meta.pool_effects, **COHORTS, tau2=("option", "DL"), test=("option", "z")
    ),
    "meta.checked_effects": row(meta.checked_effects, **COHORTS),
    "model_looks.area_over_looks": row(
        model_looks.area_over_looks,
        areas=("chances", np.array([0.6, 0.7, 0.8])),
        n_case=("counts", np.array([20, 30, 40])),
        n_control=("counts", np.array([20, 30, 40])),
        level=("level", 0.95),
    ),
    "model_looks.correlation_over_looks": row(
        model_looks.correlation_over_looks,
        correlations=("numbers", np.array([0.1, 0.2, 0.3])),
        n_people=("counts", np.array([20, 30, 40])),
        level=("level", 0.95),
    ),
    "moderators.meta_regression": row(
        moderators.meta_regression,
        **COHORTS,
        covariates=("vector or table", np.array([1.0, 3.0, 2.0, 5.0])),
        tau2=("option", "DL"),
        test=("option", "z"),
    ),
    "moderators.subgroup_difference": row(
        moderators.subgroup_difference,
        **COHORTS,
        subgroup=("names", np.array(["east", "east", "west", "west"])),
        tau2=("option", "DL"),
    ),
    "multiplicity.adjust_p": row(
        multiplicity.adjust_p, p=("p values", SCORES), method=("option", "bh")
    ),
    "power.power_of_pooled": row(
        power.power_of_pooled,
        estimate_of_interest=("number", 0.5),
        se=("positive", 0.2),
        df=("positive", 4.0),
        alpha=("level", 0.05),
    ),
    "power.smallest_detectable": row(
        power.smallest_detectable,
        se=("positive", 0.2),
        power=("level", 0.8),
        df=("positive", 4.0),
        alpha=("level", 0.05),
    ),
    "sequential.confidence_sequence": row(
        sequential.confidence_sequence,
        **COHORTS,
        effect_of_interest=("positive", 0.4),
        level=("level", 0.95),
    ),
}
