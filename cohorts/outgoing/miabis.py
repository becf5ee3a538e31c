"""MIABIS: the site's samples as one sample collection, in counts and ranges alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from cohorts.outgoing.records import OutSite

_MATERIAL: Final = {
    "plasma": "Plasma",
    "serum": "Serum",
    "whole_blood": "WholeBlood",
    "buffy_coat": "BuffyCoat",
    "pbmc": "PBMC",
    "dried_blood_spot": "DriedBloodSpot",
    "red_cells": "RedBloodCells",
    "urine": "Urine",
    "saliva": "Saliva",
    "stool": "Faeces",
    "csf": "CerebrospinalFluid",
    "dna": "DNA",
    "rna": "RNA",
}
_SEX: Final = {"female": "Female", "male": "Male", "intersex": "Intersex", "unknown": "Unknown"}


def write(site: OutSite) -> str:
    """The collection as JSON, of what is still there; years of age are whole, rounded outwards."""
    samples = [sample for sample in site.samples if sample.is_there]
    donors = {sample.participant for sample in samples}
    people = [person for person in site.people if person.code in donors]
    ages = [person.age_years for person in people if person.age_years is not None]
    collection = {
        "id": f"hikiproject:{site.study}:{site.site}",
        "acronym": site.site,
        "name": f"{site.title}, {site.name}",
        "country": site.country,
        "collectionType": ["CaseControl"],
        "dataCategories": ["BiologicalSamples", "PhysiologicalOrBiochemicalMeasurements"],
        "numberOfSamples": len(samples),
        "numberOfDonors": len(people),
        "sex": sorted({_SEX[person.sex] for person in people}),
        "ageLow": int(min(ages)) if ages else None,
        "ageHigh": -int(-max(ages) // 1) if ages else None,
        "ageUnit": "Year",
        "materialTypes": {
            _MATERIAL.get(material, "Other"): n
            for material, n in sorted(Counter(s.material for s in samples).items())
        },
    }
    return json.dumps({"sampleCollections": [collection]}, ensure_ascii=False, indent=1)
