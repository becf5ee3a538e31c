"""What the columns of an assay table measure, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cohorts.ingest.cells import EATEN_DATE
from cohorts.ingest.facts import FeatureFacts, FeatureIndex, identifiers_in, normalise
from cohorts.ingest.report import Findings
from cohorts.ingest.units import RELATIVE, UnitMismatch, factor_to, is_known, spelled
from cohorts.language.sentences import say

_BRACKETED = re.compile(r"(.*\S)\s*\[([^\[\]]*)\]")
_EATEN_NUMBER = re.compile(r"[0-9](?:\.[0-9]+)?e\+[0-9]+", re.IGNORECASE)
_ADDUCT = re.compile(r"[0-9]*M[+-].*")


LONGEST_UNIT = 20


class UnitOptions(Protocol):
    """The part of the options that units depend on."""

    @property
    def unit(self) -> str | None: ...
    @property
    def scale(self) -> str: ...


@dataclass(frozen=True)
class AssayColumn:
    """One feature of a batch.

    ``feature`` None is a name that the project does not know yet. ``factor`` takes a value on
    the raw scale from ``unit`` to the canonical unit; None is never converted. ``lod`` is the
    highest limit of detection that the cells name, in ``unit``.
    """

    source_name: str
    feature: FeatureFacts | None
    unit: str
    factor: float | None
    lod: float | None = None


def split_unit(header: str, features: FeatureIndex) -> tuple[str, str]:
    """``"Uric acid [mg/dL]"`` -> name and unit; a name that itself ends in brackets stays whole."""
    match = _BRACKETED.fullmatch(header)
    if match is None or normalise(header) in features.by_name:
        return header, ""
    if identifiers_in(match[2]) or _ADDUCT.fullmatch(match[2].strip()):
        return header, ""
    return match[1], match[2].strip()


def resolve_columns(
    named: Sequence[tuple[str, str]],
    headers: Sequence[str],
    features: FeatureIndex,
    options: UnitOptions,
    findings: Findings,
) -> tuple[AssayColumn, ...]:
    """Feature, unit and factor of each (name, unit); ``headers`` say where a fault stands."""
    columns = [
        _resolve(name, unit, header, features, options, findings)
        for (name, unit), header in zip(named, headers, strict=True)
    ]
    _warn_without_unit([name for name, unit in named if not unit], options, findings)
    _warn_new([column.source_name for column in columns if column.feature is None], findings)
    _warn_ignored(columns, findings)
    _fault_same_feature(columns, headers, findings)
    return tuple(columns)


def _resolve(
    name: str,
    own_unit: str,
    header: str,
    features: FeatureIndex,
    options: UnitOptions,
    findings: Findings,
) -> AssayColumn:
    unit = spelled(own_unit or options.unit or RELATIVE)
    feature = features.find(name)
    eaten = EATEN_DATE.fullmatch(name) or _EATEN_NUMBER.fullmatch(name)
    if feature is None and eaten:
        findings.fault(
            None,
            header,
            "eaten_name",
            say(
                '"%(name)s" is a name that a spreadsheet turned into a date or a '
                "number (SEPT2 becomes 2-Sep); format the cell as text and type the name "
                "anew.",
                name=name,
            ),
        )
    _fault_two_identities(name, header, features, findings)
    factor = None
    if feature and convertible(unit, feature.canonical_unit, options.scale):
        try:
            factor = conversion(unit, feature, options.scale)
        except UnitMismatch as mismatch:
            findings.fault(None, header, "unit_mismatch", f"{name}: {mismatch.message}")
    elif len(unit) > LONGEST_UNIT:
        findings.fault(
            None,
            header,
            "unknown_unit",
            say(
                "%(name)s: the unit is over %(longest_unit)s letters; write it as "
                "umol/L, mg/dL, ...",
                name=name,
                longest_unit=LONGEST_UNIT,
            ),
        )
    elif not is_known(unit):
        findings.warn(
            None,
            header,
            "unknown_unit",
            say('%(name)s: "%(unit)s" is not a known unit; kept as sent.', name=name, unit=unit),
        )
    return AssayColumn(name, feature, unit, factor)


def convertible(unit: str, canonical_unit: str | None, scale: str) -> bool:
    """Whether values in that unit mean to be brought to the canonical one at all."""
    if not canonical_unit or scale == "standardised":
        return False
    return RELATIVE not in (unit, spelled(canonical_unit))


def conversion(unit: str, feature: FeatureFacts, scale: str) -> float | None:
    """The factor of a column; None is never converted. Raises UnitMismatch."""
    if not convertible(unit, feature.canonical_unit, scale):
        return None
    return factor_to(unit, feature.canonical_unit or "", feature.molar_mass)


def _fault_two_identities(
    name: str, header: str, features: FeatureIndex, findings: Findings
) -> None:
    found = features.candidates(name)
    if len(found) > 1:
        one, other = found[0].name, found[1].name
        findings.fault(
            None,
            header,
            "two_identities",
            say(
                '"%(name)s" names both %(one)s and %(other)s: correct the identifier or the name.',
                name=name,
                one=one,
                other=other,
            ),
        )


def _warn_ignored(columns: Sequence[AssayColumn], findings: Findings) -> None:
    names = [c.source_name for c in columns if c.feature is not None and c.feature.ignored]
    if names:
        findings.warn(
            None,
            None,
            "ignored_feature",
            say(
                "stored, not analysed, as the data managers decided (%(n_names)s): %(listed)s.",
                n_names=len(names),
                listed=_listed(names),
            ),
        )


def _warn_without_unit(names: Sequence[str], options: UnitOptions, findings: Findings) -> None:
    if names and not options.unit:
        findings.warn(
            None,
            None,
            "no_unit",
            say(
                "no unit is given for %(listed)s: taken as relative, never converted; "
                "write name [unit] if they are concentrations.",
                listed=_listed(names),
            ),
        )


def _warn_new(names: Sequence[str], findings: Findings) -> None:
    if names:
        findings.warn(
            None,
            None,
            "new_feature",
            say(
                "%(n_names)s names are new and go to the review list: %(listed)s.",
                n_names=len(names),
                listed=_listed(names),
            )
            if len(names) > 1
            else say("One name is new and goes to the review list: %(name)s.", name=names[0]),
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{', '.join(names[:20])}{more}"


def _fault_same_feature(
    columns: Sequence[AssayColumn], headers: Sequence[str], findings: Findings
) -> None:
    first: dict[str, str] = {}
    for column, header in zip(columns, headers, strict=True):
        known = column.feature.name if column.feature else f"new {normalise(column.source_name)}"
        if known in first:
            findings.fault(
                None,
                header,
                "duplicate_feature",
                say(
                    '"%(source_name)s" is the same feature as "%(first)s"; keep one, or '
                    "send two tables.",
                    source_name=column.source_name,
                    first=first[known],
                ),
            )
        first.setdefault(known, column.source_name)
