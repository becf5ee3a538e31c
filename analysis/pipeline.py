"""The steps of a run in their order, each a pure function of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from analysis import verdicts
from analysis.across_sites import classify, harmonise, judge_site, predict_severity
from analysis.blocks import Prepared
from analysis.frames import StudyFrames
from analysis.one_stage import one_stage
from analysis.permuting import with_permutation_p
from analysis.plans import AnalysisPlan
from analysis.pooling import pool
from analysis.prepare import prepare
from analysis.site_effects import all_effects, site_effects
from analysis.stats.errors import UnusableData
from analysis.steps import Anew, Steps, one_thread

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
    steps: Steps | None = None,
) -> Results:
    """All steps; ``on_step(name, share_done)`` is called before each and may raise to stop.

    ``steps`` computes the pieces of the steps, or has kept them; without it all is computed here.
    """
    with one_thread():
        return _compute(frames, plan, claims, on_step, steps or Anew())


def _compute(
    frames: StudyFrames,
    plan: AnalysisPlan,
    claims: Sequence[verdicts.ClaimFacts],
    on_step: OnStep,
    steps: Steps,
) -> Results:
    on_step("preparing values", 0.05)
    prepared = prepare(frames, plan, steps)
    if not prepared.blocks:
        raise UnusableData(
            f"Nobody in the groups {', '.join((*plan.case, *plan.control))} has usable values yet."
        )
    on_step("site effects", 0.15)
    parts, notes = site_effects(prepared, plan, steps)
    on_step("pooling", 0.3)
    pooled = pool(parts, plan, steps, prepared.people.index.tolist())
    if plan.permutations:
        on_step("permuting within sites", 0.35)
    pooled = with_permutation_p(pooled, prepared, parts, plan, steps)
    effects, twice = all_effects(parts)
    handling = {site: judge_site(site, prepared) for site in _sites(prepared)}
    tables = {"effects": effects, "pooled": pooled}
    if plan.one_stage:
        on_step("one model over all sites", 0.38)
        tables["one_stage"] = one_stage(prepared, pooled, plan, steps)
    on_step("harmonising", 0.4)
    harmonisation = harmonise(prepared, plan, steps)
    on_step("classifying, each site left out", 0.5)
    classifier = classify(prepared, plan, steps)
    on_step("predicting severity", 0.85)
    severity = predict_severity(prepared, plan, steps)
    on_step("judging the claims", 0.95)
    documents = {
        "classifier": classifier,
        "severity": severity,
        "harmonisation": harmonisation,
        "handling": {site: asdict(verdict) for site, verdict in handling.items()},
    }
    findings = verdicts.judge_all(claims, effects, documents, handling, plan)
    return Results(
        tables=tables,
        documents=documents,
        verdicts=findings,
        left_out=[note.as_dict() for note in (*prepared.notes, *notes, *twice)],
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
