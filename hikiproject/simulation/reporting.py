"""Measured values -> the cells that a site's laboratory would write, in its names and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hikiproject.simulation.laboratory import Measured
from hikiproject.simulation.panel import FloatArray
from hikiproject.simulation.sites import SiteDesign

_IN_MG_DL_PLASMA = ("uric acid", "bilirubin", "creatinine")
_PEAK_AREA_OF_MEDIAN = 250_000.0


@dataclass(frozen=True)
class Column:
    """One feature as reported: header name, unit, and reported = canonical * ``factor``."""

    feature: str
    header: str
    unit: str
    factor: float


def columns_of(design: SiteDesign, matrix: str, panel: pd.DataFrame) -> list[Column]:
    """How this site writes each feature of ``panel`` (rows of load_panel) for one matrix."""
    return [_column(design, matrix, name, panel.loc[name]) for name in panel.index]


def _column(design: SiteDesign, matrix: str, name: str, facts: pd.Series[float]) -> Column:
    unit, mass = str(facts["canonical_unit"]), float(facts["molar_mass"])
    if matrix == "serum":
        return _conventional(name, unit, mass) if design.serum_conventional else _si(name, unit)
    style = design.plasma_report
    if style == "relative":
        return Column(name, name, "relative", _PEAK_AREA_OF_MEDIAN / float(facts["median"]))
    if style == "mg_dl" and name in _IN_MG_DL_PLASMA:
        return _conventional(name, unit, mass)
    if style == "nmol" and "acylcarnitines" in str(facts["chemical_class"]):
        return Column(name, name, "nmol/L", 1000.0)
    if style == "own_names":
        return Column(name, _own_name(name, str(facts["aliases"])), unit.replace("u", "µ"), 1.0)
    return _si(name, unit)


def _si(name: str, unit: str) -> Column:
    return Column(name, name, unit, 1.0)


def _conventional(name: str, unit: str, molar_mass: float) -> Column:
    """Units of a routine laboratory in Japan or Korea: mg/dL, g/dL; enzymes as they are."""
    if unit == "umol/L":
        return Column(name, name, "mg/dL", molar_mass * 1e-4)
    if unit == "mmol/L":
        return Column(name, name, "mg/dL", molar_mass * 1e-1)
    if unit == "g/L":
        return Column(name, name, "g/dL", 0.1)
    if unit == "mg/L":
        return Column(name, name, "mg/dL", 0.1)
    return _si(name, unit)


def _own_name(name: str, aliases: str) -> str:
    """The platform's short name: the shortest ASCII alias that is no bare structure code."""
    short = [a for a in aliases.split(";") if a.isascii() and 1 < len(a) < len(name)]
    return min(short, key=len, default=name)


def digits(value: float, significant: int = 4) -> str:
    """Plain decimal digits, never an exponent: spreadsheets and people read it alike."""
    return np.format_float_positional(value, precision=significant, fractional=False, trim="-")


def cells(measured: Measured, columns: list[Column], below_limit: str) -> list[list[str]]:
    """Text of every value, row by row; below the limit as the site writes it, empty if missing."""
    factor = np.array([column.factor for column in columns])
    reported: FloatArray = measured.values * factor
    marks = _limit_marks(measured.limit * factor, below_limit)
    return [
        [
            marks[j] if under else "" if np.isnan(value) else digits(value)
            for j, (value, under) in enumerate(zip(row, unders, strict=True))
        ]
        for row, unders in zip(reported, measured.below, strict=True)
    ]


def _limit_marks(limit: FloatArray, style: str) -> list[str]:
    return [f"<{digits(one, 3)}" if style == "number" else style for one in limit]


def wide(measured: Measured, columns: list[Column], below_limit: str) -> pd.DataFrame:
    """A row a sample or QC; a column a feature under ``name [unit]``."""
    headers = [f"{column.header} [{column.unit}]" for column in columns]
    table = pd.DataFrame(cells(measured, columns, below_limit), columns=headers)
    table.insert(0, "sample", measured.sample)
    table.insert(1, "sample_type", ["qc" if qc else "study" for qc in measured.is_qc])
    table.insert(2, "injection_order", [str(i + 1) for i in range(len(table))])
    return table


def long(measured: Measured, columns: list[Column], below_limit: str) -> pd.DataFrame:
    """A row a value, with its unit; QC rows too."""
    texts = cells(measured, columns, below_limit)
    rows = [
        (sample, column.header, text, column.unit, "qc" if qc else "study")
        for sample, qc, row in zip(measured.sample, measured.is_qc, texts, strict=True)
        for column, text in zip(columns, row, strict=True)
    ]
    return pd.DataFrame(rows, columns=["sample", "feature", "value", "unit", "sample_type"])
