"""What the plots of a run draw, as plain data; numbers only as `results.*_for` gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from django.conf import settings
from django.utils.translation import gettext as _

from analysis.models import Run
from analysis.plots import components as component_plots
from analysis.plots.plot import Plot, address
from analysis.services import release
from analysis.services.disclosure import released_groups
from analysis.stats.influence import leave_one_out
from analysis.views.claim_readings import STRATUM_WORDS
from analysis.views.run_page import documents_of, records, table_of
from cohorts.language.local_figures import in_locale
from cohorts.models import User

SMALLEST_P = 1e-12  # what lies below is drawn there


def plots_of(run: Run, user: User, stratum: str) -> list[Plot]:
    """Every plot that this person may see of that run."""
    pooled, documents = table_of(run, "pooled", user), _grouped(documents_of(run, user), user)
    found = [] if pooled is None else [volcano(run, pooled, stratum)]
    for name, draw in (
        ("classifier", left_out_sites),
        ("classifier", roc),
        ("classifier", calibration),
        ("severity", severity),
        ("harmonisation", variance),
        ("harmonisation", component_plots.before),
        ("harmonisation", component_plots.after),
    ):
        document = documents.get(name)
        if document and not document.get("refused"):
            found.append(draw(run, document))
    return [plot for plot in found if plot.rows]


def _grouped(documents: dict[str, Any], user: User) -> dict[str, Any]:
    """Documents with groups of people joined; who sees everything gets them joined here."""
    if release.sees_everything(user):
        for name, join in (
            ("classifier", released_groups.of_classifier),
            ("severity", released_groups.of_severity),
        ):
            if name in documents:
                documents[name] = documents[name] | join(documents[name], settings.DISCLOSURE_K)
    return documents


def strata_of(pooled: pd.DataFrame | None) -> list[tuple[str, str]]:
    """(name, in words) of each stratum that has pooled effects."""
    names = [] if pooled is None else list(dict.fromkeys(pooled["stratum"]))
    return [(str(name), str(STRATUM_WORDS.get(str(name), str(name)))) for name in names]


def volcano(run: Run, pooled: pd.DataFrame, stratum: str) -> Plot:
    """Effect against evidence, a point a feature that two sites or more measure."""
    tested = pooled[(pooled["stratum"] == stratum) & pooled["p"].notna()]
    rows = records(tested.sort_values("p", kind="stable"))
    points = [
        {
            "name": row["feature"],
            "x": row["estimate"],
            "y": -math.log10(max(row["p"], SMALLEST_P)),
            "p": row["p"],
            "q": row["q"],
            "sites": row["n_sites"],
            "found": row["q"] is not None and row["q"] < 0.05,
        }
        for row in rows
        if row["estimate"] is not None
    ]
    return Plot(
        kind="volcano",
        name=f"volcano-{stratum}",
        title=_("Every feature, %(where)s") % {"where": STRATUM_WORDS.get(stratum, stratum)},
        words=_(
            "Effect (Hedges g, cases less controls) against evidence. Filled points "
            "have a false discovery rate under 5 %."
        ),
        data={"points": points},
        header=(_("Feature"), "Hedges g", "p", "q", _("Sites")),
        rows=[(p["name"], p["x"], p["p"], p["q"], p["sites"]) for p in points],
        source=address(run, f"pooled?stratum={stratum}"),
    )


def left_out_sites(run: Run, classifier: Mapping[str, Any]) -> Plot:
    """The AUC at each site that the model never saw, and over all."""
    entries = [*classifier.get("by_site", ()), {**classifier, "site": _("All sites")}]
    shown = [entry for entry in entries if entry.get("auc") is not None]
    sites = [
        {"name": e["site"], "x": e["auc"], "low": e["ci_low"], "high": e["ci_high"]} for e in shown
    ]
    return Plot(
        kind="intervals",
        name="auc-by-site",
        title=_("Telling cases from controls, groups of sites left out in turn")
        if classifier.get("n_groups")
        else _("Telling cases from controls, each site left out in turn"),
        words=_("AUC with its 95 % interval; 0.5 is chance."),
        data={"rows": sites, "zero": 0.5, "low": 0.0, "high": 1.0, "label": "AUC"},
        header=(_("Left-out site"), "AUC", _("Interval from"), _("Interval to")),
        rows=[(s["name"], s["x"], s["low"], s["high"]) for s in sites],
        source=address(run, "classifier"),
    )


def roc(run: Run, classifier: Mapping[str, Any]) -> Plot:
    """Sensitivity against the share of false alarms, in steps that rest on enough people."""
    steps, curves = classifier.get("roc") or [], classifier.get("roc_by_site") or []
    return Plot(
        kind="roc",
        name="roc",
        title=_("Receiver operating characteristic, sites left out"),
        words=_area_in_words(classifier)
        + _band_in_words(steps)
        + (_("Thin lines: single sites that the model never saw.") + " ") * bool(curves)
        + _("Each step rests on enough cases and controls to be shown; the diagonal is chance."),
        data={
            "points": [_at(s) for s in steps],
            "band": [[*_at(s)[:1], *_ends(s)] for s in steps] if _has_band(steps) else [],
            "sites": [
                {"name": each["site"], "points": [_at(point) for point in each["points"]]}
                for each in curves
            ],
        },
        header=(
            *(_("Curve"), _("False positive rate"), _("True positive rate")),
            *(_("Interval from"), _("Interval to")),
        ),
        rows=[
            (_("All sites"), *_written(*_at(s), s.get("ci_low"), s.get("ci_high"))) for s in steps
        ]
        + [
            (each["site"], *_written(*_at(s), None, None))
            for each in curves
            for s in each["points"]
        ],
        source=address(run, "classifier"),
    )


def _at(step: Mapping[str, Any]) -> list[float]:
    return [step["false_positive"], step["true_positive"]]


def _written(*shares: float | None) -> tuple[str | None, ...]:
    """With two decimals, under each other; more of them are not told."""
    return tuple(None if share is None else in_locale(f"{share:.2f}") for share in shares)


def _ends(step: Mapping[str, Any]) -> list[float]:
    """The interval of a step; the curve itself where it begins and ends."""
    if step.get("ci_low") is None:
        return [step["true_positive"]] * 2
    return [step["ci_low"], step["ci_high"]]


def _has_band(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Runs of before there were intervals have none."""
    return any(step.get("ci_low") is not None for step in steps)


def _band_in_words(steps: Sequence[Mapping[str, Any]]) -> str:
    if not _has_band(steps):
        return ""
    return (
        _(
            "Shaded: the 95 % interval of the curve at each share of false alarms, by Wilson's "
            "interval of a share, widened by drawing the people of each site anew (Janes and Pepe "
            "2009)."
        )
        + " "
    )


def _area_in_words(classifier: Mapping[str, Any]) -> str:
    """The area under the curve with its interval, as a sentence; empty where it is not told."""
    area, low, high = (classifier.get(name) for name in ("auc", "ci_low", "ci_high"))
    if area is None or low is None or high is None:
        return ""
    write = [in_locale(f"{value:.2f}") for value in (area, low, high)]
    return (
        _("AUC %(area)s (%(low)s to %(high)s).")
        % dict(zip(("area", "low", "high"), write, strict=True))
        + " "
    )


def calibration(run: Run, classifier: Mapping[str, Any]) -> Plot:
    """The share of cases among people of like prediction."""
    bins = classifier.get("calibration") or []
    return Plot(
        kind="calibration",
        name="calibration",
        title=_("What a prediction is worth"),
        words=_(
            "Share of cases among people with like scores, against their mean score. "
            "The diagonal is a score that can be taken at its word."
        ),
        data={"points": [[b["predicted"], b["observed"]] for b in bins]},
        header=(_("Mean score"), _("Share of cases"), _("People")),
        rows=[(*_written(b["predicted"], b["observed"]), b["n"]) for b in bins],
        source=address(run, "classifier"),
    )


def severity(run: Run, found: Mapping[str, Any]) -> Plot:
    """Predicted and recorded severity, in groups of people of like prediction."""
    bins = found.get("groups") or []
    return Plot(
        kind="severity",
        name="severity",
        title=_("Severity predicted and recorded (%(outcome)s)")
        % {"outcome": found.get("outcome", "")},
        words=_(
            "Means of groups of people with like predictions, at sites that the model never saw."
        ),
        data={"points": [[b["predicted"], b["observed"]] for b in bins]},
        header=(_("Predicted"), _("Recorded"), _("People")),
        rows=[(b["predicted"], b["observed"], b["n"]) for b in bins],
        source=address(run, "severity"),
    )


def variance(run: Run, harmonisation: Mapping[str, Any]) -> Plot:
    """The share of variance that site and group explain, before and after harmonisation."""
    pair = [harmonisation.get(f"variance_explained_{when}") or {} for when in ("before", "after")]
    rows = [
        (words, *(of.get(name) for of in pair))
        for name, words in (("site", _("the site")), ("group", _("case or control")))
    ]
    told = [row for row in rows if None not in row]
    return Plot(
        kind="variance",
        name="harmonisation",
        title=_("What harmonisation took away, and what it left"),
        words=_(
            "Share of variance (median over features). The site's should fall, the "
            "group's stay. Scores of single people are never drawn."
        ),
        data={"rows": [list(row) for row in told]},
        header=(_("Share of variance due to"), _("Before"), _("After")),
        rows=told,
        source=address(run, "harmonisation"),
    )


def without_each(effects: pd.DataFrame, feature: str, stratum: str) -> list[dict[str, Any]]:
    """The pooled effect of a feature without each site in turn; [] for fewer than three sites."""
    here = effects[(effects["feature"] == feature) & (effects["stratum"] == stratum)]
    here = here[here["hedges_g"].notna() & (here["hedges_g_variance"] > 0)]
    if len(here) < 3:
        return []
    left = leave_one_out(
        here[["hedges_g"]].to_numpy(dtype=float), here[["hedges_g_variance"]].to_numpy(dtype=float)
    )
    return [
        {
            "site": site,
            "estimate": float(left.estimate[n, 0]),
            "low": float(left.ci_low[n, 0]),
            "high": float(left.ci_high[n, 0]),
            "i2": float(left.i2[n, 0]),
        }
        for n, site in enumerate(here["site"])
    ]
