"""The parts of an mwTab file that both of its spellings share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cohorts.ingest.cells import quoted
from cohorts.ingest.formats.assay_file import DescribedSample

DATA_SECTIONS = ("MS_METABOLITE_DATA", "NMR_METABOLITE_DATA", "NMR_BINNED_DATA")
_MATERIALS = ("tissue/fluid", "sample source", "sample type", "sample_source", "tissue")

Refuse = Callable[[int, str], Exception]


@dataclass
class Parts:
    """What is read: ``rows`` are (line, feature, one text a sample of ``header``)."""

    section: str = ""
    unit: str = ""
    header: list[str] = field(default_factory=list)
    rows: list[tuple[int, str, list[str]]] = field(default_factory=list)
    metabolites: dict[str, Mapping[str, str]] = field(default_factory=dict)
    samples: list[DescribedSample] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def described(
    subject: str, sample: str, factors: Sequence[tuple[str, str]], material: str = ""
) -> DescribedSample:
    """A line of SUBJECT_SAMPLE_FACTORS; ``-`` says that there is no subject."""
    own = [value for name, value in factors if name.casefold() in _MATERIALS]
    return DescribedSample(
        sample, "" if subject == "-" else subject, own[0] if own else material, tuple(factors)
    )


def repeated(names: Sequence[str]) -> str:
    """The first name that comes a second time, or nothing."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def fault_in_header(header: Sequence[str]) -> str:
    """What is wrong with the samples of a block of values, in words; empty if nothing is."""
    if not header:
        return "names no samples; add one name a column."
    if "" in header:
        return f"has no sample name in column {list(header).index('') + 2}; name every sample."
    twice = repeated(header)
    return f"names the sample {quoted(twice)} twice; give each column its own." if twice else ""
