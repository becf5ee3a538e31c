"""A database killed by SIGKILL keeps what it acknowledged, nothing by halves, and runs go on."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest
from django.core.management import call_command
from django.db import Error, connection, connections

from analysis.models import Run
from analysis.services import freshness, runs
from cohorts.models import Change, Participant, Upload
from cohorts.services import uploads
from hikiproject import backup
from hikiproject.processes import Processes
from tests.analysis.conftest import consortium, plan  # noqa: F401 - fixtures
from tests.factories import SiteFactory
from tests.faults import private
from tests.faults.conftest import QUICK
from tests.faults.test_kills import one_result_each, owed, run_of
from tests.faults.test_locks import table
from tests.faults.test_worker import SECONDS, wait_for
from tests.fixtures_worker import worker_environment

WRITERS = 4
KILLS = 3
TABLES_BETWEEN = 6


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker, tmp_path_factory):
    """A durable PostgreSQL with the project's tables: copied, as to migrate takes 20 s."""
    with private.postgres() as started:
        with django_db_blocker.unblock():
            tables = backup.write(tmp_path_factory.mktemp("tables") / "backup")
            with private.in_use(started):
                backup.restore(tables)
        yield started


@pytest.fixture
def transactional_db(server, transactional_db, monkeypatch):
    """This test works on that server; afterwards nothing of it is left there."""
    monkeypatch.setattr(freshness, "ring", lambda *_args, **_kwargs: True)
    with private.in_use(server):
        yield
        connection.close()
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)


def killed_and_back(server):
    private.kill(server)
    server.start()


class Writers:
    """Threads that send tables of two people, one after another, and note what was acknowledged."""

    def __init__(self, site):
        self.site, self.acknowledged, self._end = site, [], threading.Event()
        self._threads = [threading.Thread(target=self._write, args=[n]) for n in range(WRITERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self, number):
        for n in count():
            if self._end.is_set():
                break
            try:
                sent = uploads.submit(self.site, table(*pair(f"{number}-{n}")), by=None)
            except Error:  # a failure is no acknowledgement
                connection.close()
                self._end.wait(0.05)
            else:
                assert sent.status == Upload.Status.ACCEPTED
                self.acknowledged.append(f"{number}-{n}")
        connections.close_all()

    def wait_for_more(self, n=TABLES_BETWEEN):
        before = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) >= before + n)


def pair(name):
    return f"W{name}-a", f"W{name}-b"


def lost_and_half(acknowledged):
    """Acknowledged tables that are not there, and tables of which a part is."""
    people = set(Participant.objects.values_list("code", flat=True))
    tables = {code[1:-2] for code in people}
    half = [name for name in tables if not people.issuperset(pair(name))]
    accepted = Upload.objects.filter(status=Upload.Status.ACCEPTED).count()
    if (accepted, Change.objects.count()) != (len(tables), len(tables)):
        half.append("uploads or changes without their people, or people without them")
    return [name for name in acknowledged if name not in tables], half


@pytest.mark.django_db(transaction=True)
def test_a_database_killed_in_mid_transaction_keeps_what_it_acknowledged(server, transactional_db):
    with Writers(SiteFactory(code="FUK")) as writers:
        for _ in range(KILLS):
            writers.wait_for_more()
            killed_and_back(server)
        writers.wait_for_more()
    connection.close()
    assert lost_and_half(writers.acknowledged) == ([], [])
    # The counting is awake: a row that goes is found, as a loss and as a half.
    gone = writers.acknowledged[0]
    Participant.objects.filter(code=f"W{gone}-a").delete()
    assert lost_and_half(writers.acknowledged)[1] == [gone]


@pytest.mark.django_db(transaction=True)
def test_a_database_killed_in_mid_run_is_found_again_by_all_and_nothing_owed_is_lost(
    server,
    transactional_db,
    plan,  # noqa: F811
    consortium,  # noqa: F811
    tmp_path,
):
    environment = QUICK | {"DATABASE_URL": server.credentials.database_url}
    with (
        (tmp_path / "log").open("w") as log,
        Processes.start(
            ["sweeper", "worker"],
            environment=worker_environment() | environment,
            concurrency=1,
            log=log,
        ) as running,
    ):
        running.wait_until_ready()
        alive = [running.pid(name) for name in ("sweeper", "worker")]
        computing = owed(plan, 1)
        wait_for(lambda: run_of(computing, state=Run.State.RUNNING))
        waiting = runs.request(owed(plan, 2), cause="test").plan
        killed_and_back(server)
        connection.close()
        back = time.monotonic()
        for version in (computing, waiting):
            wait_for(lambda version=version: run_of(version, state=Run.State.PUBLISHED))
        assert time.monotonic() - back < SECONDS
        assert alive == [running.pid(name) for name in ("sweeper", "worker")]
    assert not Run.objects.filter(state=Run.State.FAILED).exists()
    assert all(run.attempts <= 2 for run in Run.objects.all())
    one_result_each()
