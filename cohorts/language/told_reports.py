"""The report on a sent table in the language of who reads it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_noop as _

from cohorts.language.sentences import say
from cohorts.language.told import told

# Where in the table a fault is, by what is known of it: its row, its column.
PLACES = {
    (True, True): _("row %(row)s, column %(column)s: %(message)s"),
    (True, False): _("row %(row)s: %(message)s"),
    (False, True): _("column %(column)s: %(message)s"),
}


def report_told(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its faults and warnings in the active language; codes stay as they are."""
    if (get_language() or "en").startswith("en"):
        return dict(report)
    said = {
        name: [_fault(fault) for fault in report[name]]
        for name in ("faults", "warnings")
        if name in report
    }
    return {**report, **said}


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    message = told(fault["message"], fault.get("said"))
    place = PLACES.get((fault["row"] is not None, fault["column"] is not None))
    where = {"row": fault["row"], "column": fault["column"], "message": message}
    return {**fault, "message": message, "text": told(say(place, **where)) if place else message}
