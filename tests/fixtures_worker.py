"""A real Celery worker on the test database, for tests that a task must really pass through.

Such a test needs ``@pytest.mark.django_db(transaction=True)``: the worker is another process and
sees committed rows only. Under xdist each worker process of pytest has a queue of its own.
"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from hikiproject.celery import app
from hikiproject.processes import Processes


def empty_queues() -> None:
    """Drop what earlier tests rang for: a worker of this one would work through it first."""
    with app.connection_for_write() as connection:
        for queue in (settings.CELERY_TASK_DEFAULT_QUEUE, settings.LIGHT_QUEUE):
            connection.default_channel.queue_purge(queue)


def worker_environment() -> dict[str, str]:
    """What a child needs to share this test's database, broker and queue."""
    empty_queues()
    database = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    return {
        "DATABASE_URL": database._replace(path=f"/{name}").geturl(),
        "REDIS_URL": os.environ["REDIS_URL"],
        "HIKI_QUEUE": settings.CELERY_TASK_DEFAULT_QUEUE,
        "HIKI_FILES": str(settings.MEDIA_ROOT),
        "HIKI_ARTEFACTS": settings.STORAGES["artefacts"]["OPTIONS"]["location"],
    }


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Processes]:
    """A running worker; ``worker.pid("worker")`` is its process id, to be killed."""
    with Processes.start(["worker"], environment=worker_environment(), concurrency=1) as running:
        running.wait_until_ready()
        yield running
