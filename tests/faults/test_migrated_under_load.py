"""The database moves on to the next version while people work, and then the processes do."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import override_settings

from analysis.models import Run
from cohorts.models import ApiToken, Participant
from hikiproject.credentials import free_port
from hikiproject.processes import Processes
from tests.factories import user_with
from tests.faults.load import Load
from tests.faults.next_version import VERSION_HEADER
from tests.faults.next_version.settings import INSTALLED_APPS as NEXT_APPS
from tests.faults.proxy import Proxy
from tests.faults.test_locks import impatient  # noqa: F401 - a fixture
from tests.faults.test_worker import published, wait_for
from tests.fixtures_worker import worker_environment

pytestmark = pytest.mark.django_db(transaction=True)
NEXT = {"DJANGO_SETTINGS_MODULE": "tests.faults.next_version.settings"}
READ = ("/api/v1/participants?page_size=20", "/api/v1/changes")
# By the command the load goes on for longer on either side of the migration.
ANSWERS = 200 if "HIKI_FAULT_KILLS" in os.environ else 6
STAGES = 3  # old code on the old schema and on the new one, new code on the new one
SECONDS_A_STAGE = float(os.environ.get("HIKI_FAULT_SECONDS", "0")) / STAGES


@pytest.fixture(autouse=True)
def undone(transactional_db):
    """The database is left as this version knows it."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cohorts_participant DROP COLUMN IF EXISTS next_note")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'next_version'")


@contextmanager
def serving(names, environment, log):
    """Processes of one version, and where they are reached."""
    port = free_port()
    with Processes.start(
        names, port=port, concurrency=1, environment=environment, log=log
    ) as running:
        running.wait_until_ready()
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def key(consortium):
    _, key = ApiToken.objects.issue(user_with("SC", consortium[0]), "script")
    return key


def migrate(**options):
    """As ``manage.py migrate`` of the next version does."""
    with override_settings(INSTALLED_APPS=NEXT_APPS):
        call_command("migrate", "next_version", verbosity=0, **options)


def some_more(load):
    """Wait until as many have been answered again."""
    before = len(load.answers), load.sent
    wait_for(lambda: len(load.answers) >= before[0] + ANSWERS and load.sent >= before[1] + 1)


def a_stage(load):
    """Some more, and for as long as the command asks."""
    end = time.monotonic() + SECONDS_A_STAGE
    some_more(load)
    while (left := end - time.monotonic()) > 0 and not load.failed:
        time.sleep(min(left, 1.0))


def told(load):
    """What the load has met, for whoever ran it by the command."""
    took = sorted(answer.elapsed.total_seconds() for answer in load.answers)
    late = took[int(0.99 * len(took))]
    return (
        f"{len(took)} answers in {STAGES} stages of at least {SECONDS_A_STAGE:.0f} s, "
        f"{load.sent} of them tables, {len(load.failed)} failed; 99 of 100 within {late:.2f} s, "
        f"all within {took[-1]:.2f} s"
    )


def has_column():
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_description(cursor, "cohorts_participant")
    return "next_note" in {column.name for column in found}


def test_nobody_notices_that_database_and_processes_moved_on(plan, key, tmp_path):
    environment = worker_environment() | {"HIKI_SETTLE_SECONDS": "0.2"}
    with (
        (tmp_path / "log").open("w") as log,
        serving(["web", "worker"], environment, log) as old,
        Proxy(old) as door,
        Load(door.url, key, "FUK", READ) as load,
    ):
        a_stage(load)
        migrate()
        assert has_column()
        a_stage(load)  # old code on the new schema
        run = wait_for(published)
        with serving(["web"], environment | NEXT, log) as new:
            door.turn_to(new)
            a_stage(load)
            wait_for(lambda: VERSION_HEADER in load.answers[-1].headers)
            load.__exit__(None, None, None)
    print(told(load))  # noqa: T201
    assert load.failed == []
    assert VERSION_HEADER not in load.answers[0].headers
    assert Participant.objects.filter(code__startswith="L").count() == 2 * load.sent
    assert run.attempts == 1
    assert not Run.objects.filter(state=Run.State.FAILED).exists()


@contextmanager
def locked(mode, seconds=30.0):
    """Somebody else's transaction that holds the table of participants."""
    taken, enough = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE cohorts_participant IN {mode} MODE")
            taken.set()
            enough.wait(seconds)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(10)
    try:
        yield
    finally:
        enough.set()
        holder.join()


def test_a_migration_that_meets_a_lock_gives_way_and_says_so(live_server, key):
    with Load(live_server.url, key, "FUK", READ) as load:
        some_more(load)
        with locked("ACCESS SHARE"):  # a report that takes long; others read and write beside it
            with pytest.raises(CommandError, match="Another session held a table all 2 times"):
                migrate(lock_tries=2)
            some_more(load)
        assert not has_column()
        migrate()
        assert has_column()
        some_more(load)
    assert load.failed == []


def test_a_migration_that_held_the_table_would_be_noticed(impatient, live_server, key):  # noqa: F811
    """The seeded fault: a table rewritten, or indexed in one transaction, while people work."""
    with Load(live_server.url, key, "FUK", READ) as load:
        some_more(load)
        with locked("ACCESS EXCLUSIVE"):
            wait_for(lambda: load.failed)
    assert load.failed[0].startswith("503")
