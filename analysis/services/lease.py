"""Holding a run while it computes: a renewed lease, so that a dead worker's run is taken over."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from analysis.models import Run

logger = logging.getLogger(__name__)


class LostLease(Exception):
    """Somebody else holds the run now: stop, and publish nothing."""


@contextmanager
def held(run_id: uuid.UUID, token: uuid.UUID) -> Iterator[None]:
    """Renew the lease from a thread until the block ends; a killed process renews no more."""
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(run_id, token, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _renew(run_id: uuid.UUID, token: uuid.UUID, done: threading.Event) -> None:
    try:
        while not done.wait(settings.RUN_LEASE_SECONDS / 3):
            try:
                if not renew(run_id, token):
                    return
            except DatabaseError:
                # The next turn tries again; if the lease runs out meanwhile, publication refuses.
                logger.warning("run %s: the lease could not be renewed", run_id, exc_info=True)
                connection.close()
    finally:
        connection.close()


def renew(run_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Lengthen the lease on the database's clock; False if the token no longer holds the run."""
    until = Now() + timedelta(seconds=settings.RUN_LEASE_SECONDS)
    return bool(Run.objects.held_by(run_id, token).update(lease_until=until))
