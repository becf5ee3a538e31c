"""A published run as files: what a statistician takes away, complete or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.models import Run, RunDocument, RunTable
from analysis.services.pruning import require_tables
from analysis.services.results import run_facts, verdict_rows
from analysis.services.runs import as_json
from cohorts.errors import DomainError

FORMATS = ("csv", "parquet", "json")
TABLES = ("effects", "pooled")
DOCUMENTS = ("classifier", "severity", "harmonisation", "handling")
_FIELDS = {
    "classifier": ("auc", "ci_low", "ci_high"),
    "severity": ("r2", "q2", "rmsee", "rmsecv", "spearman_rho2"),
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class NotExportable(DomainError):
    """The run cannot be exported; the message says why and what else to do."""

    code = "not_exportable"


def find_run(name: str) -> Run:
    """The run with that id or beginning; for ``latest`` or a plan's name the newest published.

    Raises NotExportable for none, and for a beginning that several runs share.
    """
    runs = Run.objects.select_related("plan__study", "snapshot")
    published = runs.published().order_by("-published_at")
    newest = published.first() if name == "latest" else published.filter(plan__name=name).first()
    if newest is not None:
        return newest
    folded = name.casefold()
    found = [pk for pk in runs.values_list("pk", flat=True) if _is_beginning(folded, str(pk))]
    if len(found) == 1:
        return runs.get(pk=found[0])
    if found:
        listed = ", ".join(sorted(map(str, found))[:5])
        raise NotExportable(f"{name!r} begins {len(found)} runs ({listed}); write more of it.")
    raise NotExportable(
        f"There is no run {name!r}; write an id, its beginning, `latest`, or the name of a plan "
        "with a published run (`runs` lists them)."
    )


def _is_beginning(start: str, identity: str) -> bool:
    return bool(start) and (identity.startswith(start) or identity.replace("-", "") == start)


def require_published(run: Run) -> None:
    """Raises NotExportable with the run's state and reason, TablesPruned where it is too old."""
    require_tables(run)
    if run.state == Run.State.PUBLISHED:
        return
    reason = {
        Run.State.QUEUED: "it waits for a worker; `refresh --wait` computes it",
        Run.State.RUNNING: f"it is at {run.share_done:.0%} ({run.step or 'starting'})",
        Run.State.FAILED: run.failure,
        Run.State.CANCELLED: run.failure,
        Run.State.MERGED: f"its results are those of {run.same_as_id}; name that run",
    }[Run.State(run.state)]
    raise NotExportable(f"Run {run.pk} is {run.state}, not published: {reason}.".replace("..", "."))


def export(run: Run, folder: Path, form: str) -> list[Path]:
    """Write every file of the run into ``folder`` and return them; a failure leaves none.

    Raises NotExportable where the run is not published, OSError where the folder cannot be written.
    """
    return write_whole(run, folder, lambda staged: _write_all(run, staged, form))


def write_whole(run: Run, folder: Path, write: Callable[[Path], None]) -> list[Path]:
    """As `export`: ``write`` fills a folder beside it, whose files move when all are there."""
    require_published(run)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        write(staged)
        staged.chmod(0o755)
        return _publish(staged, folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _publish(staged: Path, folder: Path) -> list[Path]:
    """Everything is written: move it into place, whole where the folder is new or empty."""
    names = sorted(path.name for path in staged.iterdir())
    if not folder.exists() or not any(folder.iterdir()):
        staged.replace(folder)
    else:
        for name in names:
            (staged / name).replace(folder / name)
    return [folder / name for name in names]


def _write_all(run: Run, folder: Path, form: str) -> None:
    for table in RunTable.objects.filter(run=run):
        WRITERS[form](table.frame, folder / f"{table.name}.{form}")
    stored = dict(RunDocument.objects.filter(run=run).values_list("name", "data"))
    for name in dict.fromkeys((*DOCUMENTS, *sorted(stored))):
        empty = dict.fromkeys(_FIELDS.get(name, ()))
        write_json({**empty, **stored.get(name, {})}, folder / f"{name}.json")
    write_json(verdict_rows(run), folder / "claims.json")
    write_json(run_facts(run), folder / "run.json")


def write_json(content: Any, path: Path) -> None:
    text = json.dumps(as_json(content), ensure_ascii=False, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [safe_cell(cell) for cell in safe[name]]
    safe.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def safe_cell(cell: Any) -> Any:
    """A text that a spreadsheet would compute, with an apostrophe before it; others as they are."""
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False, compression="zstd")


def _write_records(frame: pd.DataFrame, path: Path) -> None:
    records = [dict(zip(frame.columns, row, strict=True)) for row in frame.astype(object).values]
    write_json(records, path)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": write_csv,
    "parquet": _write_parquet,
    "json": _write_records,
}
