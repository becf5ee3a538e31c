"""Reference data of the records: the study, the feature dictionary, the instruments.

Seeding adds what is not there and never touches what is: the records are edited in the admin.
"""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

from cohorts.models import Feature, FeatureAlias, Instrument, ReferenceRange, Study
from cohorts.retrying import transacted

FOLDER = Path(__file__).resolve().parent.parent / "reference"
STUDY = ("hikikomori", "Blood biomarkers of hikikomori")


@transacted
def seed() -> dict[str, int]:
    """Add missing reference data; how many of each were added."""
    _, new_study = Study.objects.get_or_create(code=STUDY[0], defaults={"title": STUDY[1]})
    return {
        "studies": int(new_study),
        "features": seed_features(),
        "ranges": seed_ranges(),
        "instruments": seed_instruments(),
    }


def seed_features() -> int:
    known = set(Feature.objects.values_list("name", flat=True))
    with (FOLDER / "features.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    rows = [row for row in listed if row["name"] not in known]
    _say_what_names_stand_for(listed)
    added = Feature.objects.bulk_create(
        Feature(
            name=row["name"],
            refmet_name=row["refmet_name"],
            hmdb=row["hmdb"],
            chebi=row["chebi"],
            inchikey=row["inchikey"],
            molar_mass=float(row["molar_mass"]) if row["molar_mass"] else None,
            canonical_unit=row["canonical_unit"],
            chemical_class=row["chemical_class"],
            kind=row["kind"],
            identity=row["identity"],
            reviewed=True,
        )
        for row in rows
    )
    FeatureAlias.objects.bulk_create(
        (
            FeatureAlias(feature=feature, name=alias)
            for feature, row in zip(added, rows, strict=True)
            for alias in row["aliases"].split(";")
            if alias
        ),
        ignore_conflicts=True,
    )
    return len(added)


@cache
def remarks() -> dict[str, str]:
    """Feature -> what the list says of it, such as why an identifier is not known."""
    with (FOLDER / "features.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["remark"] for row in csv.DictReader(file) if row["remark"]}


def _say_what_names_stand_for(listed: list[dict[str, str]]) -> None:
    """Of features that were there before the list said it; what somebody has said stays."""
    said = {row["name"]: row["identity"] for row in listed}
    unsaid = list(Feature.objects.filter(name__in=said, identity=""))
    for feature in unsaid:
        feature.identity = said[feature.name]
        if feature.identity != Feature.Identity.MOLECULE and feature.inchikey:
            feature.identity = ""  # somebody has given it a structure: theirs to say
    Feature.objects.bulk_update([each for each in unsaid if each.identity], ["identity"])


def seed_ranges() -> int:
    """Ranges of features that have none yet: an edited one is never touched."""
    with (FOLDER / "ranges.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ranged = set(ReferenceRange.objects.values_list("feature__name", flat=True))
    features = {f.name: f for f in Feature.objects.filter(name__in={r["feature"] for r in rows})}
    added = ReferenceRange.objects.bulk_create(
        ReferenceRange(
            feature=features[row["feature"]],
            matrix=row["matrix"],
            sex=row["sex"],
            age_from=float(row["age_from"]) if row["age_from"] else None,
            age_until=float(row["age_until"]) if row["age_until"] else None,
            low=float(row["low"]),
            high=float(row["high"]),
            source=row["source"],
            to_be_confirmed=row["to_be_confirmed"] == "yes",
        )
        for row in rows
        if row["feature"] in features and row["feature"] not in ranged
    )
    return len(added)


def seed_instruments() -> int:
    known = set(Instrument.objects.values_list("code", "version"))
    described = json.loads((FOLDER / "instruments.json").read_text(encoding="utf-8"))["instruments"]
    missing = [
        _instrument(facts, version)
        for facts in described
        for version in facts["versions"]
        if (facts["code"], version) not in known
    ]
    Instrument.objects.bulk_create(missing)
    return len(missing)


def _instrument(facts: dict[str, Any], version: str) -> Instrument:
    languages = [entry for entry in facts["languages"] if entry["version"] == version]
    return Instrument(
        code=facts["code"],
        version=version,
        title=facts["title"],
        n_items=facts["n_items"],
        item_min=facts["item_min"],
        item_max=facts["item_max"],
        total_min=facts["total_min"],
        total_max=facts["total_max"],
        languages=[entry["language"] for entry in languages],
        reversed_items=facts["reversed_items"],
        subscales=facts["subscales"],
        cut_offs={entry["language"]: entry["cut_off"] for entry in languages if entry["cut_off"]},
        max_missing_items=facts["missing_items"]["max_missing"],
        to_be_confirmed=_sentences(facts["to_be_confirmed"]),
        source=_sentences(facts.get("sources", facts.get("source", ""))),
    )


def _sentences(words: str | list[Any]) -> str:
    return words if isinstance(words, str) else "\n".join(str(word) for word in words)
