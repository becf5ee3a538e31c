"""A worker and a sweeper that are quick to notice: real processes on the test database."""

from __future__ import annotations

import pytest

from hikiproject.processes import Processes
from tests.analysis.conftest import consortium, plan  # noqa: F401 - fixtures
from tests.fixtures_worker import worker_environment

QUICK = {
    "HIKI_RUN_LEASE_SECONDS": "3",
    "HIKI_SWEEP_SECONDS": "1",
    "HIKI_SETTLE_SECONDS": "0.2",
}


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
