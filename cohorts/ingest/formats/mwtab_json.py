"""mwTab as JSON: the same parts, each refusal naming the section and the entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cohorts.ingest.cells import quoted
from cohorts.ingest.formats.assay_file import tells_order
from cohorts.ingest.formats.mwtab_parts import (
    DATA_SECTIONS,
    Parts,
    described,
    fault_in_header,
)
from cohorts.ingest.reading import UnreadableFile

_NAMES = ("Metabolite", "Bin range(ppm)")


class _Twice(dict[str, Any]):
    """An object of JSON that names ``twice`` a second time: the parser would keep the last."""

    twice: str = ""


def _noticing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = _Twice()
    for key, value in pairs:
        if key in entry:
            entry.twice = key
        entry[key] = value
    return entry


def read_json(text: str, name: str) -> Parts:
    """Read one analysis; numbers stay the text that the file has.

    Raises UnreadableFile naming the line (of JSON) or the section and entry.
    """
    try:
        whole = json.loads(
            text,
            object_pairs_hook=_noticing,
            parse_int=str,
            parse_float=str,
            parse_constant=str,
        )
    except json.JSONDecodeError as error:
        raise UnreadableFile(
            f"{name}: line {error.lineno}: not well-formed JSON ({error.msg}); send it whole."
        ) from error
    except RecursionError as error:
        raise UnreadableFile(
            f"{name}: line 1: JSON nested beyond reason; no mwTab is so."
        ) from error
    if not isinstance(whole, dict) or "METABOLOMICS WORKBENCH" not in whole:
        raise UnreadableFile(f"{name}: line 1: JSON, but not of the Metabolomics Workbench.")
    _refuse_twice(whole, "the top level", name)
    parts = Parts()
    _take_samples(whole, parts, name)
    _take_data(whole, parts, name)
    return parts


def _refuse(name: str, section: str, message: str) -> UnreadableFile:
    return UnreadableFile(f"{name}: section {section}: {message}")


def _refuse_twice(entry: Mapping[str, Any], section: str, name: str) -> None:
    if isinstance(entry, _Twice) and entry.twice:
        raise _refuse(name, section, f"{quoted(entry.twice)} comes twice; keep one.")


def _texts(entry: object, section: str, place: str, name: str) -> dict[str, str]:
    """An object whose values are text; numbers have been kept as text."""
    if not isinstance(entry, dict):
        raise _refuse(name, section, f"{place} is not an object of names and values.")
    wrong = [key for key, value in entry.items() if value is not None and not _is_plain(value)]
    if wrong:
        raise _refuse(name, section, f"{place}: {quoted(wrong[0])} is not one value.")
    _refuse_twice(entry, f"{section}, {place}", name)
    texts = {key.strip(): str(value or "").strip() for key, value in entry.items()}
    if len(texts) < len(entry):
        raise _refuse(name, section, f"{place}: two names differ by white space alone.")
    return texts


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and "\n" not in value


def _entries(whole: Mapping[str, Any], key: str, section: str, name: str) -> list[Any]:
    entries = whole.get(key, [])
    if not isinstance(entries, list):
        raise _refuse(name, section, f"{key} is not a list.")
    return entries


def _take_samples(whole: Mapping[str, Any], parts: Parts, name: str) -> None:
    section = "SUBJECT_SAMPLE_FACTORS"
    collection = whole.get("COLLECTION")
    material = collection.get("SAMPLE_TYPE", "") if isinstance(collection, dict) else ""
    seen: dict[str, int] = {}
    for number, entry in enumerate(_entries(whole, section, section, name), start=1):
        place = f"sample {number}"
        if not isinstance(entry, dict):
            raise _refuse(name, section, f"{place} is not an object of names and values.")
        factors = _texts(entry.get("Factors") or {}, section, place, name)
        more = entry.get("Additional sample data")
        own = _texts(
            {key: entry.get(key, "") for key in ("Subject ID", "Sample ID")}, section, place, name
        )
        sample = own["Sample ID"]
        if not sample or seen.setdefault(sample, number) != number:
            raise _refuse(name, section, f"{place} has no Sample ID of its own; give it one.")
        if isinstance(more, _Twice) and more.twice:
            parts.warnings.append(
                f"Sample {number}: the additional data name {quoted(more.twice)} twice; "
                "it is not in the table."
            )
        parts.samples.append(
            described(own["Subject ID"], sample, [*factors.items(), *_order(more)], str(material))
        )


def _order(more: object) -> list[tuple[str, str]]:
    pairs = more.items() if isinstance(more, dict) else ()
    return [(key, value) for key, value in pairs if tells_order(key) and isinstance(value, str)]


def _take_data(whole: Mapping[str, Any], parts: Parts, name: str) -> None:
    present = [section for section in DATA_SECTIONS if section in whole]
    if len(present) != 1:
        raise UnreadableFile(
            f"{name}: {len(present)} sections of values ({', '.join(DATA_SECTIONS)}); "
            "send a file with one."
        )
    section = parts.section = present[0]
    block = whole[section]
    if not isinstance(block, dict):
        raise _refuse(name, section, "it is not an object of names and values.")
    _refuse_twice(block, section, name)
    parts.unit = str(block.get("Units") or "").strip()
    first: dict[str, int] = {}
    for number, entry in enumerate(_entries(block, "Data", section, name), start=1):
        cells = _texts(entry, section, f"entry {number} of Data", name)
        feature = next((cells.pop(key) for key in _NAMES if key in cells), "")
        _take_row(parts, number, feature, cells, name)
        if first.setdefault(feature, number) != number:
            raise _refuse(
                name, section, f"{quoted(feature)} is entry {first[feature]} and {number} of Data."
            )
    if not parts.rows:
        raise _refuse(name, section, "Data is empty; nothing to take.")
    for number, entry in enumerate(_entries(block, "Metabolites", section, name), start=1):
        cells = _texts(entry, section, f"entry {number} of Metabolites", name)
        parts.metabolites[cells.pop("Metabolite", "")] = cells


def _take_row(parts: Parts, number: int, feature: str, cells: dict[str, str], name: str) -> None:
    place = f"entry {number} of Data"
    if not feature:
        raise _refuse(name, parts.section, f"{place} does not name its Metabolite; name it.")
    if not parts.header:
        parts.header = list(cells)
        wrong = fault_in_header(parts.header)
        if wrong:
            raise _refuse(name, parts.section, f"{place} {wrong}")
    if set(cells) != set(parts.header):
        odd = sorted(set(cells) ^ set(parts.header))
        raise _refuse(
            name, parts.section, f"{place}: {quoted(odd[0])} is not in every entry; send all."
        )
    parts.rows.append((number + 1, feature, [cells[sample] for sample in parts.header]))
