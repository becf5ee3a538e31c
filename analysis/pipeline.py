"""The steps of a run in their order, each a pure function of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from analysis import verdicts
from analysis.findings import ClaimFacts, Finding
from analysis.frames import StudyFrames
from analysis.plans import AnalysisPlan
from analysis.stats.errors import UnusableData
from analysis.steps.across_sites import classify, harmonise, judge_site, predict_severity
from analysis.steps.blocks import Prepared
from analysis.steps.language_versions import check_languages, why_not_pooled
from analysis.steps.moderated_effects import moderated_effects
from analysis.steps.nested_models import nested_models
from analysis.steps.one_stage import one_stage
from analysis.steps.permuting import with_permutation_p
from analysis.steps.pieces import Anew, Steps, one_thread
from analysis.steps.pooling import pool
from analysis.steps.prepare import prepare
from analysis.steps.sensitivity_grid import grid
from analysis.steps.site_effects import all_effects, site_effects
from analysis.steps.transported import transported
from cohorts.language.sentences import say

OnStep = Callable[[str, float], None]


@dataclass(frozen=True)
class Results:
    """Everything that a run stores; ``tables`` and ``documents`` by the names of their exports."""

    tables: Mapping[str, pd.DataFrame]
    documents: Mapping[str, Mapping[str, Any]]
    verdicts: Sequence[Finding]
    left_out: Sequence[Mapping[str, object]]
    summary: Mapping[str, Any] = field(default_factory=dict)


def compute(
    frames: StudyFrames,
    plan: AnalysisPlan,
    claims: Sequence[ClaimFacts],
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
    claims: Sequence[ClaimFacts],
    on_step: OnStep,
    steps: Steps,
) -> Results:
    on_step(say("preparing values"), 0.05)
    prepared = prepare(frames, plan, steps)
    if not prepared.blocks:
        raise UnusableData(
            say(
                "Nobody in the groups %(groups)s has usable values yet.",
                groups=", ".join((*plan.case, *plan.control)),
            )
        )
    on_step(say("site effects"), 0.15)
    parts, notes = site_effects(prepared, plan, steps)
    on_step(say("pooling"), 0.3)
    pooled = pool(parts, plan, steps, prepared.people.index.tolist())
    if plan.permutations:
        on_step(say("permuting within sites"), 0.35)
    pooled = with_permutation_p(pooled, prepared, parts, plan, steps)
    effects, twice = all_effects(parts)
    handling = {site: judge_site(site, prepared) for site in _sites(prepared)}
    tables = {"effects": effects, "pooled": pooled}
    tables |= _further_tables(prepared, effects, pooled, plan, steps, on_step)
    on_step(say("harmonising"), 0.4)
    harmonisation = harmonise(prepared, plan, steps)
    on_step(say("classifying, each site left out"), 0.5)
    classifier = classify(prepared, plan, steps)
    further = _further_documents(frames, prepared, plan, steps, on_step)
    on_step(say("predicting severity"), 0.85)
    why_not = why_not_pooled(further.get("languages", {}), plan)
    severity = {"refused": why_not} if why_not else predict_severity(prepared, plan, steps)
    on_step(say("judging the claims"), 0.95)
    documents = {
        "classifier": classifier,
        "severity": severity,
        "harmonisation": harmonisation,
        "handling": {site: asdict(verdict) for site, verdict in handling.items()},
        **further,
    }
    findings = verdicts.judge_all(claims, effects, documents, handling, plan)
    return Results(
        tables=tables,
        documents=documents,
        verdicts=findings,
        left_out=[note.as_dict() for note in (*prepared.notes, *notes, *twice)],
        summary=_summary(prepared, pooled),
    )


def _further_tables(
    prepared: Prepared,
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    plan: AnalysisPlan,
    steps: Steps,
    on_step: OnStep,
) -> dict[str, pd.DataFrame]:
    """Tables that only some plans ask for."""
    tables = {}
    if plan.moderated:
        on_step(say("moderated effects"), 0.37)
        tables["moderated"] = moderated_effects(prepared, effects, plan, steps)
    if plan.one_stage:
        on_step(say("one model over all sites"), 0.38)
        tables["one_stage"] = one_stage(prepared, pooled, plan, steps)
    if plan.sensitivity:
        on_step(say("sensitivity grid"), 0.39)
        tables["sensitivity"] = grid(prepared, plan, steps)
    return tables


def _further_documents(
    frames: StudyFrames, prepared: Prepared, plan: AnalysisPlan, steps: Steps, on_step: OnStep
) -> dict[str, Mapping[str, Any]]:
    """Documents that only some plans ask for."""
    documents: dict[str, Mapping[str, Any]] = {}
    if plan.nested:
        on_step(say("classifiers, settings chosen inside"), 0.6)
        documents["nested"] = nested_models(prepared, plan, steps)
    if plan.transport_to:
        on_step(say("a frozen model at other sites"), 0.8)
        documents["transport"] = transported(prepared, plan, steps)
    if plan.language_check:
        on_step(say("comparing language versions"), 0.84)
        documents["languages"] = check_languages(frames, prepared, plan, steps)
    return documents


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
