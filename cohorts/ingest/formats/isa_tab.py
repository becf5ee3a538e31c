"""ISA-Tab with metabolite assignment files (MAF), as a zip or as files -> a long assay table [1]_.

References
----------
.. [1] ISA-Tab specification 1.0, doi:10.5281/zenodo.161355; MAF as MetaboLights publishes it
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from cohorts.ingest.formats.assay_file import (
    AssayFile,
    DescribedSample,
    LongRows,
    NamedFeature,
    listed,
    tells_order,
)
from cohorts.ingest.formats.isa_maf import Maf, read_maf
from cohorts.ingest.formats.isa_sheets import Investigation, Sheet, read_investigation, read_sheet
from cohorts.ingest.reading import Table, UnreadableFile, refuse_size
from cohorts.ingest.sheets.workbook import DAMAGE, open_archive, refuse_bombs

_MAF_COLUMNS = ("Metabolite Assignment File", "Derived Spectral Data File")
_SAMPLE_KEYS = ("Raw Spectral Data File", "MS Assay Name", "NMR Assay Name", "Sample Name")
_PARAMETER = re.compile(r"Parameter Value\[(.+)\]", re.IGNORECASE)
_MATERIAL = "characteristics[organism part]"


@dataclass(frozen=True)
class _Injections:
    """What an assay sheet says of one MAF: ``sample_of`` column stem -> sample name.

    ``orders`` are pairs of sample and place in the order of injection.
    """

    assay: str
    sample_of: Mapping[str, str]
    protocols: tuple[str, ...]
    orders: tuple[tuple[str, str], ...] = ()


def is_isa_zip(content: bytes) -> bool:
    """Whether a zip archive holds an ISA-Tab investigation (a text file ``i_*.txt``)."""
    try:
        with open_archive(content) as archive:
            return any(_is_investigation(part) for part in archive.namelist())
    except DAMAGE:
        return False


def read_zip(content: bytes, *, filename: str = "") -> AssayFile:
    """Read a zip of one ISA-Tab. Raises UnreadableFile, also for a zip that unpacks too large."""
    name = filename or "The file"
    refuse_size(content, name)
    try:
        with open_archive(content) as archive:
            refuse_bombs(archive, len(content), name)
            files = {
                part: archive.read(part)
                for part in archive.namelist()
                if part.casefold().endswith((".txt", ".tsv"))
            }
    except DAMAGE as error:
        raise UnreadableFile(f"{name} is not a readable zip archive; pack it anew.") from error
    return read(files)


def read(files: Mapping[str, bytes]) -> AssayFile:
    """Read investigation, study, assays and MAFs; rows of the table are lines of their MAF.

    A value that the kit calls below detection comes as ``<LOD`` or ``<LLOQ`` (``<0.5`` where
    the file has a column of the limit): what it computed below its limit is no limit.

    Raises
    ------
    UnreadableFile
        A file is missing or malformed; the message names file and line.
    """
    by_name = _by_name(files)
    investigation = _investigation(by_name)
    samples = _samples(investigation, by_name)
    warnings: list[str] = []
    mafs: list[Maf] = []
    found = _injections(investigation, by_name)
    samples = _with_orders(samples, found.values())
    for maf_name, injections in found.items():
        _refuse_unknown_samples(injections, samples)
        sheet = read_sheet(_needed(by_name, maf_name, injections.assay), maf_name)
        mafs.append(read_maf(sheet, injections.sample_of, injections.protocols, warnings))
    if not mafs:
        raise UnreadableFile(f"{investigation.name}: no assay names a metabolite file (MAF).")
    return AssayFile(
        "ISA-Tab",
        _table(mafs, investigation, samples.values(), warnings),
        _features(mafs),
        tuple(samples.values()),
    )


def _by_name(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The sheets name each other without their folder, so no two may share a name."""
    found: dict[str, bytes] = {}
    for path, content in files.items():
        name = PurePosixPath(path).name
        if name in found:
            raise UnreadableFile(f"ISA-Tab: two files are named {name}; send one study a time.")
        found[name] = content
    return found


def _is_investigation(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.startswith("i_") and name.endswith(".txt")


def _investigation(by_name: Mapping[str, bytes]) -> Investigation:
    found = sorted(name for name in by_name if _is_investigation(name))
    if len(found) != 1:
        told = listed(found) or "none"
        raise UnreadableFile(f"ISA-Tab: one investigation file i_*.txt is needed, found {told}.")
    return read_investigation(by_name[found[0]], found[0])


def _needed(by_name: Mapping[str, bytes], name: str, named_by: str) -> bytes:
    if name not in by_name:
        raise UnreadableFile(f"{named_by} names the file {name}, which was not sent; send it too.")
    return by_name[name]


def _samples(
    investigation: Investigation, by_name: Mapping[str, bytes]
) -> dict[str, DescribedSample]:
    samples: dict[str, DescribedSample] = {}
    for file in investigation.study_files:
        sheet = read_sheet(_needed(by_name, file, investigation.name), file)
        source, sample = sheet.column("Source Name"), sheet.column("Sample Name")
        if source is None or sample is None:
            raise UnreadableFile(
                f"{file}: line 1: no Source Name or Sample Name; add both columns."
            )
        material = sheet.column(_MATERIAL)
        factors = [
            (header[len("Factor Value[") : -1], j)
            for j, header in enumerate(sheet.header)
            if header.casefold().startswith("factor value[")
        ]
        for _, cells in sheet.rows:
            samples[cells[sample]] = DescribedSample(
                cells[sample],
                cells[source],
                "" if material is None else cells[material],
                tuple((factor, cells[j]) for factor, j in factors),
            )
    return samples


def _injections(
    investigation: Investigation, by_name: Mapping[str, bytes]
) -> dict[str, _Injections]:
    """MAF file name -> its columns, of all assays of the investigation."""
    found: dict[str, _Injections] = {}
    for file in investigation.assay_files:
        sheet = read_sheet(_needed(by_name, file, investigation.name), file)
        sample = sheet.column("Sample Name")
        maf = next((j for name in _MAF_COLUMNS if (j := sheet.column(name)) is not None), None)
        if sample is None or maf is None:
            raise UnreadableFile(
                f"{file}: line 1: no Sample Name or no {_MAF_COLUMNS[0]}; add both columns."
            )
        named = dict.fromkeys(cells[maf] for _, cells in sheet.rows if cells[maf])
        for name in named:
            if name in found:
                raise UnreadableFile(
                    f"{file}: {name} is also the metabolite file of {found[name].assay}; "
                    "give each assay its own."
                )
            mine = [cells for _, cells in sheet.rows if cells[maf] == name]
            protocols = {cells[j] for cells in mine for j in sheet.columns("Protocol REF")}
            found[name] = _Injections(
                file,
                _columns_of(sheet, mine, sample),
                tuple(sorted(protocols & set(investigation.protocols))),
                tuple(_orders(sheet, mine, sample)),
            )
    return found


def _orders(sheet: Sheet, rows: Iterable[Sequence[str]], sample: int) -> Iterator[tuple[str, str]]:
    for j, header in enumerate(sheet.header):
        parameter = _PARAMETER.fullmatch(header)
        if parameter and tells_order(parameter[1]):
            yield from ((row[sample], row[j]) for row in rows)


def _with_orders(
    samples: Mapping[str, DescribedSample], assays: Iterable[_Injections]
) -> dict[str, DescribedSample]:
    """The samples with their place in the order of injection, where all assays give the same."""
    said: dict[str, set[str]] = {}
    for assay in assays:
        for sample, order in assay.orders:
            said.setdefault(sample, set()).add(order)
    agreed = {name: orders.pop() for name, orders in said.items() if len(orders) == 1}
    return {
        name: replace(one, factors=(*one.factors, ("Injection order", agreed[name])))
        if name in agreed
        else one
        for name, one in samples.items()
    }


def _columns_of(sheet: Sheet, rows: Sequence[Sequence[str]], sample: int) -> dict[str, str]:
    """By what name a MAF may call the column of each sample; shared names call none."""
    found: dict[str, str] = {}
    for header in _SAMPLE_KEYS:
        j = sheet.column(header)
        if j is None:
            continue
        times = Counter(row[j] for row in rows)
        for row in rows:
            if row[j] and times[row[j]] == 1:
                found.setdefault(row[j], row[sample])
                found.setdefault(row[j].rpartition(".")[0] or row[j], row[sample])
    return found


def _refuse_unknown_samples(
    injections: _Injections, samples: Mapping[str, DescribedSample]
) -> None:
    unknown = [sample for sample in injections.sample_of.values() if sample not in samples]
    if unknown:
        raise UnreadableFile(
            f"{injections.assay}: no study file describes {listed(dict.fromkeys(unknown))}; "
            "correct the Sample Name."
        )


def _table(
    mafs: Sequence[Maf],
    investigation: Investigation,
    samples: Iterable[DescribedSample],
    warnings: list[str],
) -> Table:
    rows = LongRows(investigation.name)
    groups = list(dict.fromkeys(frozenset(maf.samples) for maf in mafs))
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    for maf in mafs:
        # Plates of other samples are other batches; kits of the same samples are one.
        batch = f"batch {groups.index(frozenset(maf.samples)) + 1}" if len(groups) > 1 else ""
        for line, feature, values in maf.rows:
            here = seen.setdefault((batch, feature), (maf.name, line))
            if here != (maf.name, line):
                raise UnreadableFile(
                    f'{maf.name}: line {line}: "{feature}" is also in {here[0]}, line {here[1]}; '
                    "keep one, or give each its own name."
                )
            rows.extend(line, feature, maf.samples, values, unit=maf.unit, batch=batch)
    if not any(maf.unit for maf in mafs):
        warnings.append("The metabolite files name no unit; give the unit with the file.")
    return rows.table("UTF-8", samples, warnings)


def _features(mafs: Sequence[Maf]) -> tuple[NamedFeature, ...]:
    found: dict[str, NamedFeature] = {}
    for maf in mafs:
        for _, feature, _ in maf.rows:
            found.setdefault(feature, NamedFeature(feature, maf.identifiers.get(feature, {})))
    return tuple(found.values())
