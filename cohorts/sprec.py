"""The standard preanalytical code of a blood sample (SPREC 2.0, fluids), of what was recorded.

Seven elements: kind of sample, first container, delay to the centrifuge, first and second
centrifugation, delay after it, storage (doi:10.1089/bio.2012.0012). An element of which only the
temperature is missing shows both its letters (``A/B``); X is not recorded, Z outside the letters.
How a tube was spun, and in what and how cold it is stored, is recorded as the letter itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Temperature = Literal["room", "cold"]
TEMPERATURES: tuple[Temperature, ...] = ("room", "cold")
UNKNOWN, OTHER = "X", "Z"
# (under so many hours, letter at room temperature, letter at 2-10 °C)
Letters = tuple[tuple[float, str, str], ...]
BEFORE: Letters = (
    *((2, "A", "B"), (4, "C", "D"), (8, "E", "F"), (12, "G", "H"), (24, "I", "J")),
    *((48, "K", "L"), (float("inf"), "M", "N")),
)
AFTER: Letters = ((1, "B", "A"), (2, "D", "C"), (8, "F", "E"), (24, "H", "G"), (48, "J", "I"))
# What can be recorded of both centrifugations, and of storage; N: it was not spun (again).
SPINS = tuple("ABCDEFGHIJMNZ")
SECOND_SPINS = tuple("ABCDEFGHIJNZ")
STORAGES = tuple("ABCDEFGHIJKLMNOQRSTVWYZ")
NOT_SPUN = "N"
# What of a sample is recorded as a letter, each with those that it can have.
LETTERS_OF = {
    "centrifugation": SPINS,
    "second_centrifugation": SECOND_SPINS,
    "storage": STORAGES,
}
# Whether cells are alive is not recorded.
KINDS = {
    "plasma": "PL1/PL2",
    "serum": "SER",
    "whole_blood": "BLD",
    "buffy_coat": "BUF/BFF",
    "pbmc": "CEL/PEL",
    "dried_blood_spot": "DWB",
    "red_cells": "RBC",
    "saliva": "SAL",
    "stool": "STL",
    "csf": "CSF",
}
# The first that fits; what a label says without saying which is shown as both.
CONTAINERS = (
    (r"edta.*gel|gel.*edta", "EDG"),
    (r"\bna\w*[- ]?edta|sodium edta", "ZZZ"),
    (r"edta", "PED"),
    (r"(lithium|\bli\b).*gel", "LHG"),
    (r"(lithium|\bli\b).*hep|hep.*(lithium|\bli\b)", "HEP"),
    (r"(sodium|\bna\b).*hep|hep.*(sodium|\bna\b)", "SHP"),
    (r"heparin", "HEP/SHP"),
    (r"fluoride|oxalate", "SPO"),
    (r"dextrose|\bacd\b", "ACD"),
    (r"citrate", "SCI"),
    (r"without clot activator|\bcat\b", "CAT"),
    (r"\bsst\b|separator|clot activator", "SST"),
)


@dataclass(frozen=True)
class Facts:
    """Of one sample; None and "" are "not recorded"."""

    material: str = ""
    tube: str = ""
    before_hours: float | None = None
    after_hours: float | None = None
    temperature: Temperature | None = None
    spin: str = ""
    second_spin: str = ""
    storage: str = ""


def code(facts: Facts) -> str:
    """Such as ``SER-SST-A-X-X-B-X``; empty for a material that has no code among the fluids."""
    kind = KINDS.get(facts.material)
    if kind is None:
        return ""
    if facts.material == "plasma" and facts.second_spin:
        kind = "PL1" if facts.second_spin == NOT_SPUN else "PL2"
    delays = (
        letter(facts.before_hours, facts.temperature, BEFORE),
        # Between the centrifuge and the freezer nobody records the temperature.
        letter(facts.after_hours, None, AFTER),
    )
    spins = (facts.spin or UNKNOWN, facts.second_spin or UNKNOWN)
    storage = facts.storage or UNKNOWN
    return "-".join((kind, container(facts.tube), delays[0], *spins, delays[1], storage))


def container(tube: str) -> str:
    """Three letters of what the tube's name says; XXX without a name, ZZZ for another tube."""
    if not tube.strip():
        return 3 * UNKNOWN
    said = tube.casefold().replace("_", " ")
    return next((letters for words, letters in CONTAINERS if re.search(words, said)), 3 * OTHER)


def letter(hours: float | None, temperature: Temperature | None, letters: Letters) -> str:
    """The letter of a delay; both where only the temperature is unknown."""
    if hours is None or hours < 0:
        return UNKNOWN
    for limit, room, cold in letters:
        if hours < limit:
            both = "/".join(sorted((room, cold)))
            return {"room": room, "cold": cold}.get(temperature or "", both)
    return OTHER
