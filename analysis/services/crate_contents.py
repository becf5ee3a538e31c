"""What a run's crate holds, as one person may see it: files by name, and nothing read around."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.models import Run, RunDocument, RunTable
from analysis.services import plan_locks, results, told_verdicts
from analysis.services.departures import departure_of
from analysis.services.exports import write_csv, write_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

PLAN_FILE = "plan.json"


def facts_of(run: Run, user: User | AnonymousUser | None) -> dict[str, Any]:
    """What the run is; ``user`` None is the operator, who sees it as it is stored."""
    return results.run_facts(run) if user is None else results.facts_for(run, user)


def files_of(run: Run, user: User | AnonymousUser | None) -> dict[str, bytes]:
    """Every file of the crate by its name, past the disclosure rules for this person."""
    with tempfile.TemporaryDirectory(prefix="crate-") as folder:
        place = Path(folder)
        _write_tables(run, user, place)
        for name, content in _documents(run, user):
            write_json(content, place / f"{name}.json")
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def _write_tables(run: Run, user: User | AnonymousUser | None, place: Path) -> None:
    for table in RunTable.objects.filter(run=run):
        frame = table.frame if user is None else results.table_for(run, table.name, user)
        write_csv(frame, place / f"{table.name}.csv")


def _documents(run: Run, user: User | AnonymousUser | None) -> Iterator[tuple[str, Any]]:
    plan = run.plan
    yield (
        "plan",
        {
            "name": plan.name,
            "version": plan.version,
            "digest": plan.parsed.digest,
            "data": plan.data,
            "preregistered": plan_locks.registration_of(plan),
            "departure": departure_of(plan),
        },
    )
    for document in RunDocument.objects.filter(run=run):
        told = document.data if user is None else results.document_for(run, document.name, user)
        yield document.name, told
    rows = results.verdict_rows(run) if user is None else told_verdicts.verdicts_for(run, user)
    yield "claims", rows
    yield "run", facts_of(run, user)
