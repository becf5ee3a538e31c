"""A worker and a sweeper that are quick to notice: real processes on the test database."""

from __future__ import annotations

import pytest

from analysis.services import bell
from hikiproject.processes import Processes
from tests import sessions
from tests.analysis.conftest import consortium, plan  # noqa: F401 - fixtures
from tests.fixtures_worker import worker_environment

QUICK = {
    "HIKI_RUN_LEASE_SECONDS": "3",
    "HIKI_SWEEP_SECONDS": "1",
    "HIKI_SETTLE_SECONDS": "0.2",
}


@pytest.fixture(autouse=True)
def _nothing_of_an_earlier_fault(request, monkeypatch):
    """A broker that was away in the test before is rung at once; who is left lets go of the tables.

    A process that was killed may leave a session behind that holds locks, and emptying the tables
    after the test would wait for it.
    """
    monkeypatch.setattr(bell, "_silent_until", 0.0)
    if "transactional_db" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    sessions.end_others()


@pytest.fixture
def platform(transactional_db, tmp_path):
    """Worker and sweeper, supervised: what is killed is started again."""
    with (
        (tmp_path / "log").open("w") as log,
        Processes.start(
            ["sweeper", "worker"], environment=worker_environment() | QUICK, concurrency=1, log=log
        ) as running,
    ):
        running.wait_until_ready()
        yield running
