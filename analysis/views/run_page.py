"""What a run's page shows, arranged for reading: numbers only as `results.*_for` gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.models import Run, RunDocument, RunTable
from analysis.services import results
from cohorts.models import User

DOCUMENTS = (
    *("classifier", "severity", "harmonisation", "handling"),
    *("nested", "transport", "languages"),
)
TOP_FEATURES = 15


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
