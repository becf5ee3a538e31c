"""Reference data of the analyses: the published claims and the plan that re-tests them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.models import Claim, Plan
from cohorts.models import Study
from cohorts.retrying import transacted

FOLDER = Path(__file__).resolve().parent.parent / "reference"
# Only the first is followed: each other is asked for by hand, or followed by saving it so.
PLANS = (
    "plan_kyushu-2022.json",
    "plan_male-only.json",
    "plan_drug-free.json",
    "plan_handling-clean.json",
    "plan_one-stage-mixed.json",
    "plan_sensitivity-grid.json",
    "plan_nested-classifiers.json",
    "plan_second-estimates.json",
)


@transacted
def seed() -> dict[str, int]:
    """Add claims and plans that are not there; how many of each were added."""
    known = set(Claim.objects.values_list("code", flat=True))
    described = json.loads((FOLDER / "claims.json").read_text(encoding="utf-8"))["claims"]
    study = Study.objects.get(code="hikikomori")
    claims = [_claim(study, facts) for facts in described if facts["id"] not in known]
    Claim.objects.bulk_create(claims)
    return {"claims": len(claims), "plans": sum(_add_plan(name) for name in PLANS)}


def _claim(study: Study, facts: dict[str, Any]) -> Claim:
    stratum = facts["sex"]
    # The release states for both sexes what the abstract states for men: both are tested.
    conflict = facts["kind"] == "feature" and stratum == "men"
    return Claim(
        code=facts["id"],
        study=study,
        kind=facts["kind"],
        marker=facts["marker"],
        markers=facts["members"],
        matrix=facts["matrix"],
        stratum=stratum,
        other_readings=["all", "women"] if conflict else [],
        direction=facts["direction"],
        handling_sensitive=facts["handling_sensitive"],
        doi=facts["source_doi"],
        citation=facts["citation"],
        scope_note=facts["scope_note"],
    )


def _add_plan(filename: str) -> bool:
    facts = json.loads((FOLDER / filename).read_text(encoding="utf-8"))
    if Plan.objects.filter(name=facts["name"]).exists():
        return False
    plan = Plan(
        study=Study.objects.get(code=facts["study"]),
        name=facts["name"],
        data=facts["data"],
        followed=facts.get("followed", True),
    )
    plan.full_clean()
    plan.save()
    return True
