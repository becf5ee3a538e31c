"""What a run's page shows, arranged for reading: numbers only as `results.*_for` gives them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from analysis.figures import Z95, ForestRow, Scale, covering, forest, interval_bar, signed, span
from analysis.models import Claim, Run, RunDocument, RunTable, Verdict
from analysis.plots.narrow_forest import narrow_forest
from analysis.services import results
from cohorts.language.local_figures import in_locale
from cohorts.language.told import told
from cohorts.models import User

STRATUM_WORDS = {"all": _("everybody"), "men": _("men"), "women": _("women")}
DOCUMENTS = (
    *("classifier", "severity", "harmonisation", "handling"),
    *("nested", "transport", "languages"),
)
BAR = (6.0, 202.0)  # pixels of the small bar between which values are drawn
TOP_FEATURES = 15
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


@dataclass(frozen=True)
class Forest:
    """A feature in a stratum: the drawing and the table beneath it."""

    feature: str
    stratum: str
    where: str
    drawing: SafeString | None
    narrow: SafeString | None
    rows: Sequence[Mapping[str, Any]]
    pooled: Mapping[str, Any] | None


# --- claims


def claims_of(run: Run, user: User) -> list[ClaimReadings]:
    """The verdicts by claim, each drawn on one scale for all effects."""
    rows = results.verdicts_for(run, user)
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


# --- a feature over the sites


def table_of(run: Run, name: str, user: User) -> pd.DataFrame | None:
    try:
        return results.table_for(run, name, user)
    except RunTable.DoesNotExist:
        return None


def documents_of(run: Run, user: User) -> dict[str, Any]:
    """The run's documents that this person may see, by name."""
    found = {}
    for name in DOCUMENTS:
        try:
            found[name] = results.document_for(run, name, user)
        except RunDocument.DoesNotExist:
            continue
    for learner in found.get("nested", {}).get("learners", ()):
        learner["sites"] = _areas_and_calibration(learner)
    return found


def _areas_and_calibration(learner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each left-out site's area beside what its chances are worth there."""
    calibrated = {one["site"]: one for one in learner["calibration_by_site"]}
    return [calibrated.get(one["site"], {}) | one for one in learner["by_site"]]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts, with None where there is no number."""
    rows = frame.to_dict("records")
    return [{str(k): None if _nan(v) else v for k, v in row.items()} for row in rows]


def forest_of(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    feature: str,
    stratum: str,
    *,
    drawn: bool = True,
    own: Collection[str] = (),
) -> Forest:
    """The numbers of a feature in a stratum by site, and their drawing."""
    here = records(effects[(effects["feature"] == feature) & (effects["stratum"] == stratum)])
    together = records(pooled[(pooled["feature"] == feature) & (pooled["stratum"] == stratum)])
    rows = [row | _interval(row) for row in here]
    able = [row for row in rows if row["low"] is not None]
    total = together[0] if together and together[0]["estimate"] is not None else None
    where = str(STRATUM_WORDS.get(stratum, stratum))
    wide, narrow = _draw(able, total, feature, where, own) if able and drawn else (None, None)
    return Forest(feature, stratum, where, wide, narrow, rows, total)


def _interval(row: Mapping[str, Any]) -> dict[str, float | None]:
    if row["hedges_g"] is None or row["hedges_g_variance"] is None:
        return {"low": None, "high": None}
    half = Z95 * math.sqrt(row["hedges_g_variance"])
    return {"low": row["hedges_g"] - half, "high": row["hedges_g"] + half}


def _draw(
    drawn: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any] | None,
    feature: str,
    where: str,
    own: Collection[str],
) -> tuple[SafeString, SafeString]:
    """The same forest for a desk and for a phone."""
    tau2 = (total or {}).get("tau2") or 0.0
    weights = [1 / (row["hedges_g_variance"] + tau2) for row in drawn]
    sites = [
        ForestRow(
            gettext("%(site)s (you)") % {"site": row["site"]}
            if row["site"] in own
            else row["site"],
            f"{row['n_case']:.0f} + {row['n_control']:.0f}",
            row["hedges_g"],
            row["low"],
            row["high"],
            weight / sum(weights),
            own=row["site"] in own,
        )
        for row, weight in zip(drawn, weights, strict=True)
    ]
    description = " ".join(_sentences(sites, total))
    title = gettext("Forest plot of %(feature)s in %(where)s") % {
        "feature": feature,
        "where": where,
    }
    pooled = _total_row(total)
    wide = forest(sites, pooled, _prediction(total), title=title, description=description)
    return wide, narrow_forest(sites, pooled, title=title, description=description)


def _total_row(total: Mapping[str, Any] | None) -> ForestRow | None:
    if total is None or total["ci_low"] is None:
        return None
    note = f"{total['n_case']:.0f} + {total['n_control']:.0f}"
    return ForestRow(
        gettext("All sites"), note, total["estimate"], total["ci_low"], total["ci_high"]
    )


def _prediction(total: Mapping[str, Any] | None) -> tuple[float, float] | None:
    if total is None or total["pi_low"] is None or total["pi_high"] is None:
        return None
    return total["pi_low"], total["pi_high"]


def _sentences(sites: Iterable[ForestRow], total: Mapping[str, Any] | None) -> Iterable[str]:
    for row in sites:
        yield f"{row.label}: {signed(row.estimate)}, {span(signed(row.low), signed(row.high))}."
    if total is not None and total["ci_low"] is not None:
        estimate, interval = figures_of(total, "g")
        yield f"{gettext('All sites')}: {estimate}, {interval}."


def strongest(pooled: pd.DataFrame, stratum: str) -> list[dict[str, Any]]:
    """The features of a stratum with the smallest p over two sites or more."""
    tested = pooled[(pooled["stratum"] == stratum) & pooled["q"].notna()]
    return records(tested.sort_values("p", kind="stable").head(TOP_FEATURES))


def one_stage_of(
    table: pd.DataFrame, features: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The models over all sites of these features and strata, in their order."""
    by_key = {(row["stratum"], row["feature"]): row for row in records(table)}
    asked = [(row["stratum"], row["feature"]) for row in features]
    return [by_key[key] for key in asked if key in by_key]


def moderated_of(table: pd.DataFrame, chosen: Forest) -> list[dict[str, Any]]:
    """The sites of the chosen feature and stratum."""
    here = (table["feature"] == chosen.feature) & (table["stratum"] == chosen.stratum)
    return records(table[here])


def cells_of(table: pd.DataFrame, chosen: Forest) -> dict[str, list[dict[str, Any]]]:
    """The cells of the chosen feature and stratum: up to one change, and combinations."""
    here = (table["feature"] == chosen.feature) & (table["stratum"] == chosen.stratum)
    rows = records(table[here])
    several = [" + " in row["changes"] for row in rows]
    return {
        "few": [row for row, many in zip(rows, several, strict=True) if not many],
        "more": [row for row, many in zip(rows, several, strict=True) if many],
    }


def left_out_of(run: Run, user: User) -> list[dict[str, Any]]:
    """What was left out by reason, people first; ``where`` counts by site for those who may see."""
    rows = results.facts_for(run, user)["left_out"]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (str(row["what"]), str(row["why"]))
        entry = found.setdefault(key, {"what": key[0], "why": key[1], "n": None, "where": ""})
        if row["n"] is not None:
            entry["n"] = (entry["n"] or 0) + row["n"]
        if site := row.get("site"):
            entry["where"] = ", ".join(filter(None, [entry["where"], f"{site} {row['n']}"]))
    return sorted(found.values(), key=lambda row: (row["what"] != "participants", -(row["n"] or 0)))


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
