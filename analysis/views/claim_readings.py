"""Verdicts arranged for reading: one scale for all effects, their figures and reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from analysis.figures import Scale, covering, interval_bar, signed, span
from analysis.models import Claim, Run, Verdict
from analysis.services import told_verdicts
from cohorts.language.local_figures import in_locale
from cohorts.language.told import told
from cohorts.models import User

STRATUM_WORDS = {"all": _("everybody"), "men": _("men"), "women": _("women")}
BAR = (6.0, 202.0)  # pixels of the small bar between which values are drawn
SHORT_REASON = 220


@dataclass(frozen=True)
class Reading:
    """A verdict in one stratum, with its bar and its reason cut in two."""

    row: Mapping[str, Any]
    where: str
    bar: SafeString
    measure: str
    estimate: str
    interval: str
    always: str
    reason: str
    more: str


@dataclass(frozen=True)
class ClaimReadings:
    """A claim with its primary reading first."""

    code: str
    marker: str
    statement: str
    doi: str
    readings: tuple[Reading, ...]


def claims_of(
    run: Run, user: User, reads: told_verdicts.Reads = told_verdicts.verdicts_for
) -> list[ClaimReadings]:
    """The verdicts by claim, each drawn on one scale for all effects."""
    rows = reads(run, user)
    effects = [row for row in rows if row["measure"] == "g"]
    ends = [row[name] for row in effects for name in ("estimate", "ci_low", "ci_high")]
    scale = covering((end for end in ends if end is not None), *BAR)
    statements = {
        claim.code: statement_of(claim)
        for claim in Claim.objects.visible_to(user).filter(study=run.plan.study_id)
    }
    found, kept = [], _kept(rows)
    for code, group in groupby(rows, key=lambda row: row["claim"]):
        members = sorted(group, key=lambda row: not row["primary"])
        found.append(
            ClaimReadings(
                code=code,
                marker=members[0]["marker"],
                statement=statements.get(code, ""),
                doi=members[0]["doi"],
                readings=tuple(_reading(row, scale, kept) for row in members),
            )
        )
    return found


def histories_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[Reading]]]:
    """Rows of a claim's history by plan and stratum, each drawn on one scale for all effects."""
    ends = [row[name] for row in rows for name in ("estimate", "ci_low", "ci_high")]
    scale = covering((end for end in ends if end is not None), *BAR)
    found: dict[tuple[str, str], list[Reading]] = {}
    kept = _kept(rows)
    for row in rows:
        where = str(STRATUM_WORDS.get(row["stratum"], row["stratum"]))
        found.setdefault((row["plan"], where), []).append(_reading(row, scale, kept))
    return [(plan, where, readings) for (plan, where), readings in found.items()]


def _kept(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the shown reasons were made of, by their very text: nothing hidden is looked up."""
    if (get_language() or "en").startswith("en"):
        return {}
    shown = {row["reason"] for row in rows}
    found = Verdict.objects.filter(reason__in=shown).exclude(said={})
    return dict(found.values_list("reason", "said"))


def statement_of(claim: Claim) -> str:
    """What was published of the marker, to stand after its name."""
    by_kind: dict[str, str] = {
        Claim.Kind.CLASSIFIER: gettext("telling cases from controls"),
        Claim.Kind.SEVERITY: gettext("predicting severity"),
        Claim.Kind.SUBGROUP: gettext("parting cases into groups"),
    }
    higher = gettext("higher in cases")
    return by_kind.get(
        claim.kind, higher if claim.direction == "higher" else gettext("lower in cases")
    )


def _reading(row: Mapping[str, Any], effects: Scale, kept: Mapping[str, Any]) -> Reading:
    measure = "Q²" if row["measure"] == "Q2" else row["measure"]
    short, more = cut(told(row["reason"], kept.get(row["reason"])))
    estimate, interval = figures_of(row, measure)
    bar = SafeString("")
    if row["estimate"] is not None:
        scale, zero = _scale_of(measure, effects)
        words = f"{measure} {estimate}" + (f", {interval}" if interval else "")
        low, high = row["ci_low"], row["ci_high"]
        bar = interval_bar(row["estimate"], low, high, scale=scale, zero=zero, words=words)
    where = str(STRATUM_WORDS.get(row["stratum"], row["stratum"]))
    always = always_of(row)
    return Reading(row, where, bar, measure, estimate, interval, always, short, more)


def _area(value: float) -> str:
    return in_locale(f"{value:.2f}")


def always_of(row: Mapping[str, Any]) -> str:
    """The interval over all looks as text, where there is one."""
    if row["always_low"] is None or row["always_high"] is None:
        return ""
    write = _area if row["measure"] == "AUC" else signed
    return span(write(row["always_low"]), write(row["always_high"]))


def figures_of(row: Mapping[str, Any], measure: str) -> tuple[str, str]:
    """Estimate and interval as text; an AUC has no sign."""
    if row["estimate"] is None:
        return "", ""

    def write(value: float) -> str:
        return _area(value) if measure == "AUC" else signed(value)

    if row["ci_low"] is None or row["ci_high"] is None:
        return write(row["estimate"]), ""
    return write(row["estimate"]), span(write(row["ci_low"]), write(row["ci_high"]))


def _scale_of(measure: str, effects: Scale) -> tuple[Scale, float]:
    """The scale of a small bar, and where on it nothing would be."""
    if measure == "AUC":
        return Scale(0.0, 1.0, *BAR), 0.5
    if measure == "Q²":
        return Scale(-1.0, 1.0, *BAR), 0.0
    return effects, 0.0


def cut(reason: str) -> tuple[str, str]:
    """The first sentence of a long reason, and the rest."""
    if len(reason) <= SHORT_REASON:
        return reason, ""
    for end in (". ", "。"):
        head, dot, rest = reason.partition(end)
        if rest:
            return head + dot.strip(), rest
    return reason, ""
