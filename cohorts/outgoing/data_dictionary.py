"""A study's variables as REDCap's data dictionary, to be read into another project."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from cohorts.ingest.facts import ContextVariable

COLUMNS: Final = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
_TRUTH: Final = ("yesno", "truefalse")


def write(variables: Iterable[ContextVariable]) -> str:
    """The 18 columns that REDCap reads; the first row is the record's own code."""
    variables = list(variables)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    form = variables[0].form if variables else "form_1"
    writer.writerow(["record_id", form, "", "text", "Study code", *[""] * 13])
    for each in variables:
        coded = (
            "" if each.kind in _TRUTH else " | ".join(f"{c}, {label}" for c, label in each.choices)
        )
        cells = [each.name, each.form, "", each.kind, each.label, each.calculation or coded, ""]
        cells += [each.validation, each.minimum, each.maximum, "", each.branching]
        cells += ["y" if each.required else "", "", "", "", "", each.annotation]
        writer.writerow(cells)
    return out.getvalue()
