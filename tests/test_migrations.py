"""No migration takes anything from the release before it, which still runs beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from hikiproject.state import BASE

# What came before the first release was never applied beside anybody at work.
BEFORE_THE_FIRST_RELEASE = {"cohorts": 35, "analysis": 11}
TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
)


def ours() -> list[migrations.Migration]:
    loader = MigrationLoader(None)
    return [
        migration
        for (app, name), migration in sorted(loader.disk_migrations.items())
        if app in BEFORE_THE_FIRST_RELEASE and int(name[:4]) > BEFORE_THE_FIRST_RELEASE[app]
    ]


def faults(migration: migrations.Migration, release: str) -> list[str]:
    """What the code of the release before would miss, or wait for, in words."""
    made = {op.name_lower for op in migration.operations if isinstance(op, migrations.CreateModel)}
    return [
        f"{migration.app_label} {migration.name}: {operation.describe()}: {said}"
        for operation in in_database(migration.operations)
        for said in _said(operation, migration, made, release)
    ]


def in_database(operations: list[Operation]) -> Iterator[Operation]:
    """Operations that change the database, and not only what the code knows of it."""
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from in_database(operation.database_operations)
        else:
            yield operation


def _said(
    operation: Operation, migration: migrations.Migration, made: set[str], release: str
) -> Iterator[str]:
    if isinstance(operation, TAKES_AWAY):
        last_read = getattr(migration, "last_read_by", release)
        if _number(last_read) >= _number(release):
            yield (
                "code that still runs reads it. Let this release stop reading it (state operations "
                "alone), and take it away in the next one, with last_read_by = the release that "
                "read it last"
            )
    on_old_table = getattr(operation, "model_name", "").lower() not in made
    if isinstance(operation, migrations.AddField) and on_old_table:
        field = operation.field
        optional = field.null or field.many_to_many or field.db_default is not models.NOT_PROVIDED
        if not optional:
            yield "code that still runs inserts rows without it: allow NULL, or give a db_default"
    plain_index = isinstance(operation, migrations.AddIndex)
    if plain_index and on_old_table and not isinstance(operation, AddIndexConcurrently):
        yield "nobody can write while it is built: use AddIndexConcurrently, atomic = False"


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def this_release() -> str:
    return tomllib.loads((BASE / "pyproject.toml").read_text())["project"]["version"]


def test_what_the_release_before_reads_and_writes_is_still_there():
    found = [fault for migration in ours() for fault in faults(migration, this_release())]
    assert not found, "\n".join(found)


def made_of(*operations, **more):
    kind = type("Migration", (migrations.Migration,), {"operations": list(operations), **more})
    return kind("0099_made_up", "cohorts")


NOTE = models.CharField(max_length=10)
INDEX = models.Index(fields=["code"], name="made_up")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (migrations.RemoveField("participant", "code"), "still runs reads it"),
        (migrations.RenameField("participant", "code", "study_code"), "still runs reads it"),
        (migrations.DeleteModel("visit"), "still runs reads it"),
        (migrations.RenameModel("visit", "appointment"), "still runs reads it"),
        (migrations.AddField("participant", "note", NOTE), "inserts rows without it"),
        (migrations.AddIndex("participant", INDEX), "nobody can write"),
        (
            migrations.SeparateDatabaseAndState([migrations.RemoveField("participant", "code")]),
            "still runs reads it",
        ),
    ],
)
def test_a_migration_that_old_code_cannot_live_with_is_found(operation, said):
    """The seeded faults."""
    (found,) = faults(made_of(operation), "0.2.0")
    assert found.startswith("cohorts 0099_made_up: ")
    assert said in found


@pytest.mark.parametrize(
    "migration",
    [
        made_of(migrations.AddField("site", "note", models.CharField(max_length=10, null=True))),
        made_of(migrations.AddField("site", "n", models.IntegerField(db_default=0))),
        made_of(AddIndexConcurrently("site", INDEX), atomic=False),
        made_of(migrations.CreateModel("book", []), migrations.AddIndex("book", INDEX)),
        made_of(migrations.SeparateDatabaseAndState([], [migrations.RemoveField("site", "note")])),
        made_of(migrations.RemoveField("site", "note"), last_read_by="0.1.0"),
    ],
)
def test_a_migration_that_only_adds_or_takes_what_nobody_reads_is_not(migration):
    assert faults(migration, "0.2.0") == []


def test_a_column_that_this_release_still_reads_stays():
    assert faults(made_of(migrations.RemoveField("site", "note"), last_read_by="0.2.0"), "0.2.0")
