"""A checked assay table beside the batches on the books: what it adds, and what it corrects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.assay_batches import CheckedBatch
from cohorts.ingest.assay_tables.assay_heads import TYPES
from cohorts.ingest.assay_tables.assay_merge import Tally, merge, name_of
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.assays import AssayColumn, CheckedAssays
from cohorts.ingest.assays import AssayRowHead as Head
from cohorts.ingest.cells import quoted
from cohorts.ingest.comparison import Preview
from cohorts.ingest.facts import FeatureFacts
from cohorts.ingest.report import Fault, Report
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, AssayRow, BatchFeature, Site


@dataclass(frozen=True)
class Revision:
    """A batch with the table's cells put in: stored as a new version, the old one voided."""

    batch: AssayBatch
    merged: CheckedBatch


@dataclass(frozen=True)
class AssayPlan:
    """``added`` are batches that the books do not have; ``revisions`` replace those they do."""

    added: tuple[CheckedBatch, ...]
    revisions: tuple[Revision, ...]
    preview: Preview
    faults: tuple[Fault, ...] = ()

    @property
    def adds(self) -> bool:
        return bool(self.added or self.revisions)

    @property
    def is_all_new(self) -> bool:
        """Whether the books have none of these values, and nothing stands in the way."""
        return not (self.faults or self.revisions or self.preview.unchanged)


def plan(site: Site, checked: CheckedAssays, options: AssayOptions) -> AssayPlan:
    """Compare a checked table with the accepted batches of its platform, matrix and label."""
    tally = Tally()
    added: list[CheckedBatch] = []
    revisions: list[Revision] = []
    for batch in checked.batches:
        standing = _holders(site, batch, options)
        tally.faults += _unclear(batch, standing, options)
        known = [(each, _as_checked(each)) for each in standing]
        rest = set(range(len(batch.rows)))
        for stored, old in known:
            # What is new joins its batch where there is but one: a plate sent again in full.
            merged = merge(old, batch, tally, joins=len(known) == 1)
            rest -= merged.taken
            tally.faults += merged.faults
            revisions += [Revision(stored, merged.batch)] if merged.differs else []
        tally.new += len(rest)
        if rest:
            added.append(batch if not known else _part(batch, sorted(rest)))
    return AssayPlan(tuple(added), tuple(revisions), tally.preview(), tuple(tally.faults))


def in_one_step(
    site: Site, checked: CheckedAssays, options: AssayOptions
) -> tuple[Report, AssayPlan]:
    """As `plan`, of a table that nobody looks at before it is accepted: it corrects no value."""
    made = plan(site, checked, options)
    faults = made.faults or _corrections(made.preview)
    return (checked.report.refused_for(faults) if faults else checked.report), made


def _corrections(preview: Preview) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            cell.row,
            cell.column,
            "other_value",
            say(
                "%(record)s has %(earlier)s on the books, and here %(new)s; a correction needs a "
                "reason and a second person: send the table to be checked, then have it accepted. "
                'Of another measurement, name the run in the column "batch".',
                record=cell.record,
                earlier=quoted(cell.earlier) if cell.earlier else say("no value"),
                new=quoted(cell.new) if cell.new else say("no value"),
            ),
        )
        for cell in preview.cells
    )


def _holders(site: Site, batch: CheckedBatch, options: AssayOptions) -> list[AssayBatch]:
    """Accepted batches of that platform, matrix and label with samples and features of this one.

    Of the same samples another panel is another batch: it says nothing of what is on the books.
    """
    of_the_run = AssayBatch.objects.accepted().filter(
        site=site, platform=options.platform, matrix=options.matrix, label=batch.label
    )
    if not of_the_run.exists():  # then samples and features need not be looked up
        return []
    codes = [head.sample for head in batch.rows if head.sample]
    rows = AssayRow.objects.filter(sample__site=site, sample__code__in=codes)
    names = [name_of(column) for column in batch.features]
    columns = BatchFeature.objects.filter(feature__name__in=names)
    return list(
        of_the_run.filter(pk__in=rows.values("batch"))
        .filter(pk__in=columns.values("batch"))
        .order_by("pk")
    )


def _unclear(
    batch: CheckedBatch, standing: Sequence[AssayBatch], options: AssayOptions
) -> list[Fault]:
    """Faults where it is not certain which value a cell would correct."""
    where = {head.sample: head.row for head in batch.rows if head.sample}
    faults: list[Fault] = []
    holder: set[str | None] = set()
    for each in standing:
        held = AssayRow.objects.filter(batch=each, sample__code__in=where)
        codes = set(held.values_list("sample__code", flat=True))
        if each.scale != options.scale:
            first = min(codes, key=lambda code: where[code])
            words = say(
                "%(first)s has values of %(platform)s in %(matrix)s that were sent as "
                "%(scale)s, and this table is sent as %(sent_as)s; choose the same.",
                first=first,
                platform=each.platform,
                matrix=each.matrix,
                scale=each.scale,
                sent_as=options.scale,
            )
            faults.append(Fault(where[first], "sample", "another_scale", words))
        faults += [
            Fault(
                where[code],
                "sample",
                "in_two_batches",
                say(
                    "%(code)s has values in two batches of %(platform)s in %(matrix)s; have "
                    "one of them voided first.",
                    code=code,
                    platform=each.platform,
                    matrix=each.matrix,
                ),
            )
            for code in sorted(codes & holder)
        ]
        holder |= codes
    return faults


def _as_checked(batch: AssayBatch) -> CheckedBatch:
    """A stored batch in the shape of a checked one."""
    columns = tuple(
        AssayColumn(
            column.source_name,
            FeatureFacts(column.feature.name),
            column.unit,
            column.factor,
            column.lod,
        )
        for column in batch.columns.select_related("feature").order_by("position")
    )
    rows = list(batch.rows.select_related("sample").order_by("pk"))
    heads = tuple(
        Head(
            0,
            row.sample.code if row.sample else None,
            row.label,
            TYPES[row.sample_type],
            row.injection_order,
        )
        for row in rows
    )
    shape = (len(rows), len(columns))
    values: NDArray[np.float64] = np.array([row.values for row in rows], dtype=np.float64)
    flags: NDArray[np.uint8] = np.array([row.flags for row in rows], dtype=np.uint8)
    return CheckedBatch(batch.label, columns, heads, values.reshape(shape), flags.reshape(shape))


def _part(batch: CheckedBatch, rows: Sequence[int]) -> CheckedBatch:
    mine = list(rows)
    heads = tuple(batch.rows[i] for i in mine)
    return CheckedBatch(batch.label, batch.features, heads, batch.values[mine], batch.flags[mine])
