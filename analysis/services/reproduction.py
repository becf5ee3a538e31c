"""Computing a published run once more from its snapshot, and comparing every number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import frames
from analysis.models import Run, RunDocument, RunTable, Snapshot
from analysis.pipeline import Results, compute
from analysis.services import runs, versions
from analysis.services.exports import require_published
from analysis.services.results import verdict_rows
from cohorts import clock
from cohorts.errors import DomainError
from cohorts.models import AssayRow, Assessment, Participant

MOST_DIFFERENCES = 20


class NotReproducible(DomainError):
    """The run cannot be computed again as it was; the message says why."""

    code = "not_reproducible"


@dataclass(frozen=True)
class Reproduction:
    """What was compared; ``differences`` is empty where everything is equal, bit for bit."""

    n_values: int
    differences: tuple[str, ...]


def reproduce(run: Run) -> Reproduction:
    """Compute the run again and compare tables, documents and verdicts with what is stored.

    Raises NotExportable where it is not published, NotReproducible where the code, the libraries,
    the records or the rights of participants are no longer those of the run.
    """
    require_published(run)
    snapshot = run.snapshot
    if snapshot is None:
        raise NotReproducible(f"Run {run.pk} has no snapshot any more; a new run replaces it.")
    plan = run.plan.parsed
    _require_rights(snapshot, plan.scopes)
    _require_same_code(run, snapshot)
    read = frames.read(snapshot, plan)
    results = compute(read, plan, runs.claim_facts(run.plan), on_step=lambda name, done: None)
    found = list(_differences(run, results))
    more = len(found) - MOST_DIFFERENCES
    told = found[:MOST_DIFFERENCES] + ([f"and {more} more"] if more > 0 else [])
    return Reproduction(_n_values(results), tuple(told))


def _require_rights(snapshot: Snapshot, scopes: tuple[str, ...]) -> None:
    people = Participant.objects.filter(pk__in=snapshot.participant_ids)
    n_erased = snapshot.later_erased + len(snapshot.participant_ids) - people.count()
    if n_erased:
        raise NotReproducible(
            f"{n_erased} of its participants were erased since: their rows are gone, and the run "
            "cannot be computed in full. `refresh --wait` makes the run that replaces it."
        )
    n_withdrawn = people.count() - people.consenting_to(scopes, clock.today()).count()
    if n_withdrawn:
        raise NotReproducible(
            f"{n_withdrawn} of its participants may no longer be used (withdrawal, or consent "
            "that has ended), so nothing is computed from them. `refresh --wait` makes a new run."
        )
    kept = AssayRow.objects.filter(pk__in=snapshot.assay_row_ids).count()
    scored = Assessment.objects.filter(pk__in=snapshot.assessment_ids).count()
    n_gone = len(snapshot.assay_row_ids) + len(snapshot.assessment_ids) - kept - scored
    if n_gone:
        raise NotReproducible(f"{n_gone} records that the run read have been deleted since.")


def _require_same_code(run: Run, snapshot: Snapshot) -> None:
    if run.code_version != versions.code_version():
        raise NotReproducible(
            f"The run was computed by the code {run.code_version[:12]}, this is "
            f"{versions.code_version()[:12]}: check that version out, then reproduce."
        )
    here = versions.library_versions()
    other = [
        f"{name} {run.libraries.get(name, 'unknown')} (here {version})"
        for name, version in here.items()
        if run.libraries.get(name) != version
    ]
    if other:
        raise NotReproducible(
            f"The run was computed with {', '.join(other)}: install these, then reproduce."
        )
    if run.key != runs.run_key(run.plan, snapshot):
        raise NotReproducible("The claims that the run judged have been edited since.")


def _differences(run: Run, results: Results) -> Iterator[str]:
    for name, frame in results.tables.items():
        # Through Parquet and back, as the stored one went.
        again = RunTable.of(run, name, frame).frame
        yield from table_differences(name, RunTable.objects.get(run=run, name=name).frame, again)
    stored = dict(RunDocument.objects.filter(run=run).values_list("name", "data"))
    for name, document in results.documents.items():
        yield from document_differences(f"{name}.json", stored.get(name), runs.as_json(document))
    verdicts = [
        {"claim": found.code, "stratum": found.stratum, "verdict": found.verdict}
        | {key: getattr(found, key) for key in runs.NUMBERS}
        for found in results.verdicts
    ]
    before = {(row["claim"], row["stratum"]): row for row in verdict_rows(run)}
    for verdict in verdicts:
        row = before.get((str(verdict["claim"]), str(verdict["stratum"])), {})
        was = {key: row.get(key) for key in verdict}
        where = f"claims.json {verdict['claim']} {verdict['stratum']}"
        yield from document_differences(where, was, runs.as_json(verdict))
    assert run.snapshot is not None  # noqa: S101 - reproduce has looked
    left_out = [*run.snapshot.left_out, *results.left_out]
    yield from document_differences("run.json left_out", run.left_out, runs.as_json(left_out))


def table_differences(name: str, stored: pd.DataFrame, again: pd.DataFrame) -> Iterator[str]:
    """Where two tables differ: table, row and field. Numbers are compared bit for bit."""
    if list(stored.columns) != list(again.columns) or len(stored) != len(again):
        yield f"{name}: {stored.shape} rows and columns are stored, {again.shape} were computed"
        return
    keys = [key for key in ("stratum", "feature", "site") if key in stored]
    for column in stored.columns:
        for row in np.flatnonzero(~_equal(stored[column], again[column])).tolist():
            where = " ".join(str(stored[key].iloc[row]) for key in keys)
            yield (
                f"{name}, row {row + 1} ({where}), {column}: "
                f"{stored[column].iloc[row]!r} is stored, {again[column].iloc[row]!r} was computed"
            )


def _equal(one: pd.Series, other: pd.Series) -> NDArray[np.bool_]:
    # Any two missing numbers are equal, whatever bits they carry.
    if pd.api.types.is_float_dtype(one) and pd.api.types.is_float_dtype(other):
        bits = [column.to_numpy(dtype=np.float64).view(np.int64) for column in (one, other)]
        equal: NDArray[np.bool_] = bits[0] == bits[1]
    else:
        equal = one.eq(other).to_numpy(dtype=bool)
    both_missing: NDArray[np.bool_] = (one.isna() & other.isna()).to_numpy(dtype=bool)
    return np.logical_or(equal, both_missing)


def document_differences(where: str, stored: Any, again: Any) -> Iterator[str]:
    """Where two JSON documents differ, by the path to the field."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in dict.fromkeys([*stored, *again]):
            yield from document_differences(f"{where} {key}", stored.get(key), again.get(key))
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for number, (one, other) in enumerate(zip(stored, again, strict=True), start=1):
            yield from document_differences(f"{where} {number}", one, other)
    elif stored != again:
        yield f"{where}: {stored!r} is stored, {again!r} was computed"


def _n_values(results: Results) -> int:
    return sum(frame.size for frame in results.tables.values())
