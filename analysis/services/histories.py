"""What the runs said of one claim, one after the other, as one person may see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from scipy import special

from analysis.models import Claim, Run
from analysis.services import told_verdicts
from analysis.stats.power import power_of_pooled
from cohorts import access

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

AT_MOST = 60


def runs_for(claim: Claim, user: User | AnonymousUser, plan_name: str = "") -> list[Run]:
    """The newest runs that this person may see and that judged the claim, the newest first."""
    if not access.reach(user, "released_result"):
        return []
    found: QuerySet[Run] = Run.objects.visible_to(user).published().filter(verdicts__claim=claim)
    if plan_name:
        found = found.filter(plan__name=plan_name)
    listed = found.select_related("plan").defer("left_out", "libraries").distinct()
    return list(listed.order_by("-published_at")[:AT_MOST])


def history_for(
    claim: Claim, runs: Sequence[Run], user: User | AnonymousUser
) -> list[dict[str, Any]]:
    """A row a run (`runs_for`) and stratum, the newest first; numbers past the disclosure rules.

    ``changed`` marks a verdict that is another than the plan's run before gave in that stratum.
    """
    rows: list[dict[str, Any]] = []
    before: dict[tuple[str, str], str] = {}
    told = told_verdicts.verdicts_on(claim, runs, user)
    for run in reversed(runs):
        for row in told[run.pk]:
            key = (run.plan.name, row["stratum"])
            rows.append(
                {
                    **row,
                    **_of_run(run),
                    **_power(claim, run, row),
                    "changed": key in before and before[key] != row["verdict"],
                }
            )
            before[key] = row["verdict"]
    order = {run: place for place, run in enumerate(dict.fromkeys(row["run"] for row in rows))}
    return sorted(rows, key=lambda row: (-order[row["run"]], not row["primary"]))


def _of_run(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.pk),
        "plan": run.plan.name,
        "plan_version": run.plan.version,
        "published_at": run.published_at.isoformat() if run.published_at else None,
        "verdict_rules": run.summary.get("verdict_rules"),
    }


def _power(claim: Claim, run: Run, row: dict[str, Any]) -> dict[str, Any]:
    """The chance that one look at this precision sees the published effect.

    Where none is on record, the smallest effect of interest of the plan stands for it, by name.
    """
    plan = run.plan.parsed
    published = claim.published_effect
    effect = abs(plan.smallest_effect if published is None else published)
    whose = "smallest" if published is None else "published"
    named = {"power": None, "power_for": effect, "power_of": whose}
    if row["measure"] != "g" or row["ci_low"] is None or row["n_sites"] is None:
        return named if row["measure"] == "g" else dict.fromkeys(named)
    df = float("inf") if plan.test == "z" else row["n_sites"] - 1
    quantile = special.ndtri(0.975) if plan.test == "z" else special.stdtrit(df, 0.975)
    se = (row["ci_high"] - row["ci_low"]) / 2 / float(quantile)
    return named | ({"power": round(power_of_pooled(effect, se, df=df), 3)} if se > 0 else {})
