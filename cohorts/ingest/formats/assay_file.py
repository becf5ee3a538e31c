"""What every reader of a repository format gives: one long assay table and the facts beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from cohorts.ingest.reading import MAX_CELLS, Table, UnreadableFile
from cohorts.ingest.units import spelled

LONGEST_LISTED = 5


@dataclass(frozen=True)
class NamedFeature:
    """A feature under the name of the file; ``identifiers`` by kind: hmdb, pubchem, chebi, ..."""

    name: str
    identifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DescribedSample:
    """What the file says of a sample; ``participant`` and ``material`` are empty if it is silent.

    ``factors`` are pairs of name and value in the order of the file; a name may come twice.
    """

    sample: str
    participant: str = ""
    material: str = ""
    factors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AssayFile:
    """A file of one of the formats, read.

    ``table`` is long: sample, feature, value, unit, and batch where samples were measured in
    several. Its row numbers are lines of the file. Values and units are as the file has them.
    """

    format: str
    table: Table
    features: tuple[NamedFeature, ...]
    samples: tuple[DescribedSample, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.table.warnings


@dataclass
class LongRows:
    """Collects the cells of a long table, in the order of the file."""

    name: str
    lines: list[int] = field(default_factory=list)
    cells: dict[str, list[str]] = field(
        default_factory=lambda: {
            column: [] for column in ("sample", "feature", "value", "unit", "batch")
        }
    )

    def extend(
        self,
        line: int,
        feature: str,
        samples: Iterable[str],
        values: Iterable[str],
        *,
        unit: str,
        batch: str = "",
    ) -> None:
        """Append the values of one feature, which all stand in one line."""
        before = len(self.cells["value"])
        self.cells["sample"].extend(samples)
        self.cells["value"].extend(values)
        added = len(self.cells["value"]) - before
        self.lines.extend([line] * added)
        for column, text in (("feature", feature), ("unit", unit), ("batch", batch)):
            self.cells[column].extend([text] * added)
        if len(self.lines) * 4 > MAX_CELLS:
            raise UnreadableFile(f"{self.name} has over {MAX_CELLS:,} cells; split it by samples.")

    def table(
        self, encoding: str, samples: Iterable[DescribedSample], warnings: Iterable[str] = ()
    ) -> Table:
        """The table; batch, sample_type and injection_order are there only if the file has them."""
        samples = list(samples)
        kinds = sample_types(samples)
        if kinds:
            self.cells["sample_type"] = [kinds.get(one, "study") for one in self.cells["sample"]]
        orders = injection_orders(samples)
        if orders:
            self.cells["injection_order"] = [orders.get(one, "") for one in self.cells["sample"]]
        columns = {
            column: pd.array(texts, dtype="str")
            for column, texts in self.cells.items()
            if column != "batch" or any(texts)
        }
        frame = pd.DataFrame(columns, index=pd.Index(self.lines, name="row"))
        return Table(frame, encoding, warnings=tuple(warnings))


def sample_types(samples: Iterable[DescribedSample]) -> dict[str, str]:
    """Sample -> qc or blank, of those that the file's factors call so."""
    return {
        sample.sample: kind
        for sample in samples
        for factor, value in sample.factors
        if _plain(factor) in _TYPE_FACTORS and (kind := _TYPES.get(_plain(value)))
    }


def injection_orders(samples: Iterable[DescribedSample]) -> dict[str, str]:
    """Sample -> its place in the order of injection, of those whose factors give a whole number."""
    return {
        sample.sample: value.strip()
        for sample in samples
        for factor, value in sample.factors
        if tells_order(factor) and re.fullmatch("[0-9]{1,9}", value.strip())
    }


def tells_order(factor: str) -> bool:
    """Whether a factor or parameter of that name is the order of injection."""
    return _plain(factor) in _ORDER_FACTORS


def _plain(word: str) -> str:
    return "_".join(re.split(r"[\s_-]+", word.strip().casefold()))


# By what the formats' files call the kind of a sample, and the words that say it is nobody's.
_TYPE_FACTORS: Final = frozenset(
    {"sample_type", "sampletype", "type", "class", "sample_class", "study_variable", "group"}
)
_ORDER_FACTORS: Final = frozenset({"injection_order", "run_order", "acquisition_order"})
_TYPES: Final = {
    **dict.fromkeys(("qc", "qc_pool", "pooled_qc", "pool_qc", "quality_control"), "qc"),
    **dict.fromkeys(("blank", "process_blank", "solvent_blank", "extraction_blank"), "blank"),
}


def plain_unit(unit: str) -> str:
    """The unit of the file; anything that is a signal and no amount is ``relative``."""
    text = unit.strip()
    signal = ("abundance", "arbitrary", "intensit", "peak", "area", "height", "count", "ratio")
    if any(word in text.casefold() for word in signal):
        return "relative"
    return text if spelled(text) != "relative" else "relative"


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - LONGEST_LISTED} more" if len(every) > LONGEST_LISTED else ""
    return f"{', '.join(every[:LONGEST_LISTED])}{more}"
