"""A plan before it runs: what it would do with the data of now, and its lock (preregistration)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from analysis import plans
from analysis.models import Plan
from analysis.plans import STRATA, AnalysisPlan
from analysis.services import snapshots
from analysis.steps.blocks import Prepared
from analysis.steps.pieces import Anew
from analysis.steps.prepare import prepare
from analysis.steps.sensitivity_grid import cells_left
from cohorts import access
from cohorts.errors import DomainError
from cohorts.language.sentences import Sentence, say
from cohorts.models import AssayBatch, Study, User
from cohorts.retrying import transacted


class NotLockable(DomainError):
    """The plan cannot be locked; the message says why."""

    code = "plan_not_lockable"


@dataclass(frozen=True)
class Preview:
    """What a plan would do with what is lawful and accepted now.

    ``sites``: site, cases and controls. ``strata``: stratum, cases, controls, features of two sites
    or more (each is one test). ``left_out``: what, how many, why. ``cells`` of a sensitivity grid:
    changes, sites with enough people left, cases and controls there.
    """

    digest: str
    sites: tuple[Mapping[str, Any], ...]
    strata: tuple[Mapping[str, Any], ...]
    left_out: tuple[Mapping[str, Any], ...]
    cells: tuple[Mapping[str, Any], ...] = ()

    @property
    def n_tests(self) -> int:
        return sum(row["n_tests"] for row in self.strata)


def preview(study: Study, data: Mapping[str, Any]) -> Preview:
    """What would run under ``data``; nothing is stored and no effect is computed.

    Raises ValidationError that names every setting at fault.
    """
    parsed = plans.parse(data)
    snapshot, read = snapshots.look(Plan(study=study, name="preview", data=dict(data)))
    prepared = prepare(read, parsed, Anew())
    notes = [note.as_dict() for note in prepared.notes]
    return Preview(
        digest=parsed.digest,
        sites=tuple(_sites(prepared)),
        strata=tuple(_stratum(name, prepared, parsed) for name in parsed.strata),
        left_out=(*snapshot.left_out, *notes),
        cells=tuple(cells_left(prepared, parsed)) if parsed.sensitivity else (),
    )


def _sites(prepared: Prepared) -> list[dict[str, Any]]:
    measured = {who for block in prepared.blocks for who in block.values.index}
    people = prepared.people.loc[prepared.people.index.isin(measured)]
    return [
        {"site": site, "n_case": int(case.sum()), "n_control": int((case == 0).sum())}
        for site, case in people.groupby("site")["case"]
    ]


def _stratum(name: str, prepared: Prepared, plan: AnalysisPlan) -> dict[str, Any]:
    """The people of a stratum, and the features that two sites have enough of them for."""
    sites: dict[str, set[str]] = {}
    seen: set[int] = set()
    for block in prepared.blocks:
        here = prepared.people.loc[block.values.index]
        if STRATA[name] is not None:
            here = here[here["sex"] == STRATA[name]]
        seen |= set(here.index)
        known = block.values.loc[here.index].notna()
        counts = [known[(here["case"] == arm).to_numpy()].sum() for arm in (1, 0)]
        enough = (counts[0] >= plan.min_per_arm) & (counts[1] >= plan.min_per_arm)
        for feature in enough.index[enough.to_numpy()]:
            sites.setdefault(str(feature), set()).add(block.site)
    case = prepared.people.loc[sorted(seen), "case"]
    return {
        "stratum": name,
        "n_case": int(case.sum()),
        "n_control": int((case == 0).sum()),
        "n_features": len(sites),
        "n_tests": sum(len(where) >= 2 for where in sites.values()),
    }


@transacted
def lock(plan_id: int, *, by: User) -> Plan:
    """Fix this version for ever, with the day and digest; it says how many tables had come before.

    Raises NotLockable where it is locked already, is not the newest version, or ``by`` may not.
    """
    plan: Plan = Plan.objects.select_for_update().get(pk=plan_id)
    if not access.may(by, "plan", "A"):
        raise NotLockable(say("Only the data manager of the consortium locks a plan: ask them."))
    if plan.locked_at is not None:
        raise NotLockable(
            say(
                "Version %(version)s of %(name)s was locked on %(on)s: it cannot change. "
                "Save it as a new version.",
                version=plan.version,
                name=plan.name,
                on=f"{plan.locked_at:%Y-%m-%d}",
            )
        )
    if Plan.objects.filter(name=plan.name, version__gt=plan.version).exists():
        raise NotLockable(
            say(
                "%(plan)s has a newer version than %(plan_version)s: lock that one.",
                plan=plan.name,
                plan_version=plan.version,
            )
        )
    accepted = AssayBatch.objects.accepted().filter(site__study=plan.study)
    Plan.objects.filter(pk=plan.pk).update(
        locked_at=Now(),
        locked_by=by,
        locked_digest=plan.parsed.digest,
        tables_before_lock=accepted.count(),
    )
    plan.refresh_from_db()
    return plan


_BEFOREHAND = {
    0: gettext_noop(
        "Preregistered on %(on)s, digest %(digest)s, before any assay table was accepted"
    ),
    1: gettext_noop(
        "Preregistered on %(on)s, digest %(digest)s, when 1 assay table had been accepted "
        "already: not before the data"
    ),
}
_AFTER_SEVERAL = gettext_noop(
    "Preregistered on %(on)s, digest %(digest)s, when %(n)s assay tables had been accepted "
    "already: not before the data"
)


def registration_of(plan: Plan) -> dict[str, Any] | None:
    """When and as what the plan was locked, and whether data had come before, also in words."""
    if plan.locked_at is None:
        return None
    n = plan.tables_before_lock or 0
    named = {"on": f"{plan.locked_at:%Y-%m-%d}", "digest": plan.locked_digest[:12], "n": n}
    words = Sentence(_BEFOREHAND.get(n, _AFTER_SEVERAL), named)
    if plan.parsed.digest != plan.locked_digest:
        words = say(
            "%(registered)s; the program has new settings since, which stand at their defaults",
            registered=words,
        )
    return {
        "locked_at": plan.locked_at.isoformat(),
        "digest": plan.locked_digest,
        "tables_before": n,
        "words": say("%(registered)s.", registered=words),
    }
