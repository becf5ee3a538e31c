"""Real studies, each imported and computed once; the tests read what a user would take away."""

from __future__ import annotations

import io
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import call_command

from analysis.models import Run

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Taken:
    """A real study after import, run and export. ``raw``: its own files; ``out``: the export."""

    raw: Path
    out: Path
    first: dict
    second: dict
    import_seconds: float
    reproduced: str

    def table(self, name: str, stratum: str = "all") -> pd.DataFrame:
        frame = pd.read_csv(self.out / f"{name}.csv")
        return frame[frame["stratum"] == stratum].drop(columns="stratum")

    def document(self, name: str):
        return json.loads((self.out / f"{name}.json").read_text(encoding="utf-8"))


def said_by(command: str, *arguments: str, **options) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def take(name: str, source: Path, folder: Path) -> Taken:
    """Import a study from its files and the study.toml here, run its plan, export the run."""
    raw = folder / name
    shutil.copytree(source, raw, copy_function=shutil.copyfile)
    for folder in (raw, *(path for path in raw.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # the data may lie where nobody writes
    shutil.copy(HERE / name / "study.toml", raw)
    begin = time.monotonic()
    first = json.loads(said_by("import_study", str(raw), json=True))
    seconds = time.monotonic() - begin
    second = json.loads(said_by("import_study", str(raw), json=True))
    plan = first["plan"]["name"]
    said_by("refresh", plan=plan, wait=True)
    run = Run.objects.newest_of(plan)
    assert run is not None, "the run was not published"
    out = folder / f"{name}-export"
    said_by("export", str(run.pk)[:8], form="csv", to=out)
    said_by("export", plan, form="parquet", to=folder / f"{name}-parquet")
    return Taken(raw, out, first, second, seconds, said_by("reproduce", plan))


@pytest.fixture(scope="session")
def take_in(real_data, tmp_path_factory, django_db_setup, django_db_blocker):
    """A function that takes a study in and leaves the database as empty as it was.

    Session fixtures call it, before the transaction of any test: a snapshot opens its own.
    """

    def taken_in(name: str) -> Taken:
        with django_db_blocker.unblock():
            try:
                return take(name, real_data / name, tmp_path_factory.mktemp("real"))
            finally:
                call_command("flush", verbosity=0, interactive=False)

    return taken_in


@pytest.fixture(scope="session")
def gut(take_in) -> Taken:
    return take_in("gut_cohorts")


@pytest.fixture(scope="session")
def heart(take_in) -> Taken:
    return take_in("heart_four_sites")
