"""What is new between two runs: people, effects, verdicts, and which site's data did it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from analysis import change_report
from analysis.change_report import Side
from analysis.models import Run, RunDocument, RunTable
from analysis.services import release, results, runs
from analysis.services.disclosure.rules import significant
from analysis.stats.handling import Handling
from cohorts.language.sentences import say
from cohorts.models import Participant

if TYPE_CHECKING:
    import pandas as pd
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

NOTHING: dict[str, Any] = {"participants": [], "verdicts": [], "effects": [], "threshold": None}
RULES = ("plan", "code", "verdict_rules")
NOT_TOLD = say("Which site's data did it rests on too few people to be told.")


def previous_for(run: Run, user: User | AnonymousUser) -> Run | None:
    """The published run of the plan before this one, among those that this person may see."""
    earlier = Run.objects.visible_to(user).published().filter(plan__name=run.plan.name)
    before: Run | None = (
        earlier.filter(published_at__lt=run.published_at)
        .select_related("plan", "snapshot")
        .order_by("-published_at")
        .first()
    )
    return before


def changes_for(run: Run, before: Run | None, user: User | AnonymousUser) -> dict[str, Any]:
    """What is new since ``before``, as this person may see it.

    People in and out are counts by site. Effects and reasons are worked out from what the person
    may see of both runs and from nothing else, so they tell nothing that was not told already.
    """
    if before is None:
        return {"run": str(run.pk), "previous": None, "other_changes": [], **NOTHING}
    plan = run.plan.parsed
    sides = _side(before, user), _side(run, user)
    both = all(side is not None for side in sides)
    return {
        "run": str(run.pk),
        "previous": str(before.pk),
        "other_changes": _other_changes(before, run),
        "participants": release.comings_for(_comings(before, run), user),
        "verdicts": _explained(before, run, sides if both else None, user),
        "threshold": change_report.threshold_of(plan),
        "effects": _moved(sides, run, user) if both else [],
    }


def _other_changes(before: Run, run: Run) -> list[str]:
    """What changed that is no data: the plan's version, the code, the rules of the verdicts."""
    pairs = {
        "plan": (before.plan.version, run.plan.version),
        "code": (before.code_version, run.code_version),
        "verdict_rules": tuple(each.summary.get("verdict_rules") for each in (before, run)),
    }
    return [name for name in RULES if pairs[name][0] != pairs[name][1]]


def _side(run: Run, user: User | AnonymousUser) -> Side | None:
    try:
        effects, pooled = (results.table_for(run, name, user) for name in ("effects", "pooled"))
    except RunTable.DoesNotExist:
        return None
    stored = RunDocument.objects.filter(run=run, name="handling").first()
    judged = stored.data if stored else {}
    handling = {
        site: Handling(**{**facts, "touches": tuple(facts.get("touches", ()))})
        for site, facts in judged.items()
        if set(Handling.__dataclass_fields__) <= set(facts)
    }
    return Side(effects, pooled, handling)


# --- effects


def _moved(sides: Any, run: Run, user: User | AnonymousUser) -> list[dict[str, Any]]:
    before, now = sides
    found = change_report.moved_effects(before, now, run.plan.parsed)
    if release.sees_everything(user):
        return found
    return [_effect_told(row, before, now) for row in found]


def _effect_told(row: dict[str, Any], before: Side, now: Side) -> dict[str, Any]:
    hidden = _some_hidden((before, now), row["stratum"], row["feature"])
    sites = [] if hidden else [_coarse(each) for each in row["sites"]]
    return row | {"sites": sites}


def _coarse(each: dict[str, Any]) -> dict[str, Any]:
    return each | {"estimate": significant(each["estimate"], 3)}


def _some_hidden(sides: tuple[Side, Side], stratum: str, feature: str) -> bool:
    """Whether a row behind the pooled effect is hidden: then the rest would be another pool."""
    return any(_has_hidden(side.effects, stratum, feature) for side in sides)


def _has_hidden(effects: pd.DataFrame, stratum: str, feature: str) -> bool:
    rows = effects[(effects["stratum"] == stratum) & (effects["feature"] == feature)]
    return bool(rows["reason"].isin(release.HIDDEN).any())


# --- verdicts


def _explained(
    before: Run, run: Run, sides: tuple[Any, ...] | None, user: User | AnonymousUser
) -> list[dict[str, Any]]:
    """The flips, each with the sites that did it."""
    flips = _flips(results.verdict_rows(before), results.verdict_rows(run))
    claims = {claim.code: claim for claim in runs.claim_facts(run.plan)}
    told = []
    for flip in flips:
        feature, claim = flip.pop("feature"), claims.get(flip["claim"])
        why: dict[str, Any] = {"sites": [], "words": ""}
        if sides is not None and claim is not None and flip["before"] is not None:
            one, other = sides
            if feature and _some_hidden((one, other), flip["stratum"], feature):
                why["words"] = NOT_TOLD
            else:
                was, stratum = str(flip["before"]), str(flip["stratum"])
                why = change_report.why_flipped(claim, stratum, was, one, other, run.plan.parsed)
                if not release.sees_everything(user):
                    why["sites"] = [_coarse(each) for each in why["sites"]]
        told.append(flip | why)
    return told


def _flips(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    was = {(row["claim"], row["stratum"]): row["verdict"] for row in before}
    return [
        {
            "claim": row["claim"],
            "marker": row["marker"],
            "stratum": row["stratum"],
            "before": was.get((row["claim"], row["stratum"])),
            "now": row["verdict"],
            "feature": row["feature"],
        }
        for row in now
        if was.get((row["claim"], row["stratum"])) != row["verdict"]
    ]


# --- people


def _comings(before: Run, run: Run) -> list[dict[str, Any]]:
    """By site: participants in ``run`` and not in ``before``, and the other way round."""
    then, now = (
        set(each.snapshot.participant_ids) if each.snapshot else set() for each in (before, run)
    )
    sites = dict(Participant.objects.filter(pk__in=then ^ now).values_list("pk", "site__code"))
    # Who has been erased since has no site any more.
    came = Counter(sites.get(pk, "") for pk in now - then)
    left = Counter(sites.get(pk, "") for pk in then - now)
    left[""] += _erased_since(before) - min(_erased_since(before), _erased_since(run))
    return [
        {"site": site or None, "n_in": came[site], "n_out": left[site]}
        for site in sorted(came.keys() | left.keys())
        if came[site] or left[site]
    ]


def _erased_since(run: Run) -> int:
    return run.snapshot.later_erased if run.snapshot else 0
