"""Assay batches as plain data that every repository format is written from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.values import BELOW_LOD, MEASURED
from cohorts.ingest.units import RELATIVE
from cohorts.language.sentences import Sentence, say

_MASS_SPECTROMETRY: Final = re.compile(
    r"\b(?:[a-z]+-)*ms\b|ms/ms|mass spec|orbitrap|tof\b|quadrupole", re.IGNORECASE
)
_NMR: Final = re.compile(r"\bnmr\b|nuclear magnetic", re.IGNORECASE)

STUDY: Final = "study"


class Unwritable(ValueError):
    """What a format has no word for; the sentence says what to do."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class OutFeature:
    """A column of a batch under its canonical name; identifiers are empty where unknown."""

    name: str
    source_name: str
    unit: str
    hmdb: str = ""
    chebi: str = ""
    inchikey: str = ""


@dataclass(frozen=True)
class OutAssayed:
    """A sample of a batch: ``kind`` study with whose it is, or qc and blank, which are nobody's.

    ``injection_order`` counts the injections of the batch; None where nobody recorded it.
    """

    sample: str
    participant: str = ""
    group: str = ""
    sex: str = ""
    kind: str = STUDY
    injection_order: int | None = None


@dataclass(frozen=True)
class OutBatch:
    """``values`` and ``flags`` have shape (n_samples, n_features); values in reported units."""

    key: int
    label: str
    platform: str
    matrix: str
    scale: str
    run_date: date | None
    features: tuple[OutFeature, ...]
    samples: tuple[OutAssayed, ...]
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]

    @property
    def has_controls(self) -> bool:
        """Whether pools or blanks stand among the samples."""
        return any(one.kind != STUDY for one in self.samples)

    @property
    def has_order(self) -> bool:
        """Whether the order of injection is known of any sample."""
        return any(one.injection_order is not None for one in self.samples)

    @property
    def technology(self) -> str:
        """``MS`` or ``NMR`` where the platform says so; empty for anything else."""
        if _NMR.search(self.platform):
            return "NMR"
        return "MS" if _MASS_SPECTROMETRY.search(self.platform) else ""


@dataclass(frozen=True)
class OutPart:
    """The features of a batch that share one unit: the formats give a file one unit."""

    batch: OutBatch
    unit: str
    at: tuple[int, ...]

    @property
    def name(self) -> str:
        """Such as ``batch-7-umol_L``, for files."""
        return f"batch-{self.batch.key}-{re.sub('[^A-Za-z0-9]+', '_', self.unit).strip('_')}"

    @property
    def features(self) -> tuple[OutFeature, ...]:
        return tuple(self.batch.features[j] for j in self.at)

    def cell(self, row: int, place: int) -> str:
        """The value as our own tables have it: a number, ``<limit``, ``<LOD``, or nothing."""
        value = float(self.batch.values[row, self.at[place]])
        flag = int(self.batch.flags[row, self.at[place]])
        if flag == BELOW_LOD:
            return "<LOD" if np.isnan(value) else f"<{value!r}"
        return repr(value) if flag == MEASURED else ""


def parts_of(batch: OutBatch) -> Iterator[OutPart]:
    """A part a unit, in the order of the columns."""
    units = dict.fromkeys(feature.unit for feature in batch.features)
    for unit in units:
        at = tuple(j for j, feature in enumerate(batch.features) if feature.unit == unit)
        yield OutPart(batch, _told(unit, batch.scale), at)


def _told(unit: str, scale: str) -> str:
    # A reader who took log2 of a concentration for the concentration would be wrong in silence.
    if scale == "raw":
        return unit or RELATIVE
    return scale if scale == "standardised" else f"{scale} {unit or RELATIVE}"


def refuse_letters(part: OutPart, letters: str, form: str) -> None:
    """Raises Unwritable for a feature whose name has a letter that the format reads as its own."""
    for feature in part.features:
        found = next((letter for letter in letters if letter in feature.name), "")
        if found:
            raise Unwritable(
                say(
                    'Batch %(batch)s: the name "%(feature)s" has a %(letter)s, which %(form)s '
                    "reads as the end of the name: rename the feature in the dictionary, or "
                    "choose another format.",
                    batch=part.batch.key,
                    feature=feature.name,
                    letter=repr(found),
                    form=form,
                )
            )
