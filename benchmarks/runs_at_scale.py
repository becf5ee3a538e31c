"""Years of runs of a large study: snapshots, results, verdicts, what was told of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from analysis.models import (
    Claim,
    Plan,
    Run,
    RunDocument,
    RunPart,
    RunTable,
    Snapshot,
    StepResult,
    Verdict,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookMessage,
)
from benchmarks.copies import many, one_each
from cohorts.models import Study, User

if TYPE_CHECKING:
    from uuid import UUID

    from django.db import models

WRITTEN: Final[tuple[type[models.Model], ...]] = (
    *(Claim, Plan, Run, RunDocument, RunPart, RunTable, Snapshot, StepResult, Verdict),
    *(WebhookAttempt, WebhookEndpoint, WebhookEvent, WebhookMessage),
)
STRATA, FEATURES = ["all", "men", "women"], 1_000
NUMBERS: Final = {
    "effects": ["estimate", "se", "p", "hedges_g", "hedges_g_variance"],
    "pooled": [
        *("estimate", "se", "p", "q", "ci_low", "ci_high"),
        *("tau2", "i2", "q_statistic", "pi_low", "pi_high"),
    ],
}
RUNS, CLAIMS, SNAPSHOTS, STEPS, PARTS, TOLD = 2_000, 20, 50, 5_000, 20_000, 10_000


def fill(study: Study, share: float, staff: list[User]) -> None:
    """Runs of three plans, all published, with claims and verdicts; messages of each."""
    plan = Plan(study=study, name="plan-0", data={"case": ["hikikomori"], "control": ["control"]})
    first: int = many(plan, 3, name="'plan-' || n")
    n_runs = round(RUNS * share)
    _snapshots(study)
    run = Run(
        plan_id=first,
        snapshot=Snapshot.objects.earliest("pk"),
        key="0",
        state="published",
        cause="samples changed",
        queued_at=datetime.now(UTC),
        published_at=datetime.now(UTC),
        released_at=datetime.now(UTC),
    )
    published = many(
        run,
        n_runs,
        id="md5('run' || n)::uuid",
        plan_id=f"{first} + n % 3",
        key="n::text",
        queued_at="t.queued_at - n * interval '1 hour'",
        published_at="t.published_at - n * interval '1 hour'",
        released_at="t.released_at - n * interval '1 hour'",
    )
    _results(study, published)
    _kept(study, published, share)
    _told(published, share, staff)


def _snapshots(study: Study) -> None:
    """Each names everybody, their scales and rows."""
    snapshot = Snapshot(
        study=study,
        digest="0",
        change_seen=1,
        participant_ids=[],
        assay_row_ids=[],
        assessment_ids=[],
    )
    many(
        snapshot,
        SNAPSHOTS,
        digest="n::text",
        participant_ids="(SELECT array_agg(id) FROM cohorts_participant)",
        assay_row_ids="(SELECT array_agg(id) FROM cohorts_assayrow)",
        assessment_ids="(SELECT array_agg(id) FROM cohorts_assessment)",
    )


def _results(study: Study, run: UUID) -> None:
    claim = Claim(
        code="C0",
        study=study,
        kind="feature",
        marker="feature 0",
        matrix="plasma",
        stratum="all",
        direction="up",
        doi="10.1080/19585969.2022.2046978",
        citation="Setoyama 2022",
    )
    many(claim, CLAIMS, code="'C' || n", marker="'feature ' || n")
    verdict = Verdict(
        run_id=run, claim=claim, stratum="all", verdict="undecided", reason="Few people."
    )
    one_each(verdict, "analysis_run r, analysis_claim c", run_id="r.id", claim_id="c.id")
    first = Run.objects.get(pk=run)
    for name, frame in _tables(1).items():
        one_each(RunTable.of(first, name, frame), "analysis_run r", run_id="r.id")
    for newest in Run.objects.order_by("plan_id", "-published_at").distinct("plan_id"):
        RunTable.objects.filter(run=newest).delete()
        for name, frame in _tables(FEATURES).items():
            RunTable.of(newest, name, frame).save()
    document = RunDocument(run_id=run, name="severity", data={"refused": "Few.", "r2": [0.1] * 500})
    one_each(document, "analysis_run r", run_id="r.id")


def _tables(n_features: int) -> dict[str, pd.DataFrame]:
    """Effects at 20 sites, as analysts and sites read them."""
    rng = np.random.default_rng(0)
    names = {"stratum": STRATA, "feature": [f"feature {n}" for n in range(n_features)]}
    sites = {"site": [f"S{n:02}" for n in range(20)]}
    told: dict[str, Any] = {"n_case": 2_000, "n_control": 2_000, "n_sites": 20, "reason": ""}
    own: dict[str, Any] = {"n_case": 100, "n_control": 100, "df": 195.0, "reason": ""}
    found = {}
    for name, axes, facts in (("effects", names | sites, own), ("pooled", names, told)):
        rows = pd.MultiIndex.from_product(list(axes.values()), names=list(axes))
        found[name] = rows.to_frame(index=False).assign(**facts)
        found[name][NUMBERS[name]] = rng.random((len(rows), len(NUMBERS[name])))
    return found


def _kept(study: Study, run: UUID, share: float) -> None:
    step = StepResult(
        study=study, digest="0", kind="forest", payload=b"0" * 50_000, participant_ids=[]
    )
    everybody = "(SELECT array_agg(id) FROM cohorts_participant WHERE id % 100 = 0)"
    many(step, round(STEPS * share), digest="n::text", participant_ids=everybody)
    part = RunPart(run_id=run, token=run, ordinal=0, inputs={})
    many(part, round(PARTS * share), ordinal="n")


def _told(run: UUID, share: float, staff: list[User]) -> None:
    endpoint = WebhookEndpoint(
        user=staff[0], url="https://example.org/told", events=["run.published"]
    )
    endpoint.save()
    event = WebhookEvent(kind="run.published", run_id=run, passed_on_at=datetime.now(UTC))
    many(event, round(TOLD * share))
    message = WebhookMessage(
        endpoint=endpoint,
        event=event,
        kind="run.published",
        state="delivered",
        delivered_at=datetime.now(UTC),
    )
    one_each(message, "analysis_webhookevent e", id="md5('told' || e.id)::uuid", event_id="e.id")
    tried = WebhookAttempt(message=WebhookMessage.objects.earliest("pk"), status=204, seconds=0.1)
    one_each(tried, "analysis_webhookmessage m", message_id="m.id")
