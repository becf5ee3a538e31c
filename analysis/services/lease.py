"""Holding a run while it computes: a renewed lease, so that a dead worker's run is taken over."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from analysis.models import Run, RunPart

logger = logging.getLogger(__name__)


class LostLease(Exception):
    """Somebody else holds the run now: stop, and publish nothing."""


@contextmanager
def held(run_id: uuid.UUID, token: uuid.UUID) -> Iterator[None]:
    """Renew the lease from a thread until the block ends; a killed process renews no more."""
    with _renewed(lambda: renew(run_id, token), settings.RUN_LEASE_SECONDS, f"run {run_id}"):
        yield


@contextmanager
def part_held(part: RunPart) -> Iterator[None]:
    """The same for a part of a run that another worker holds."""
    seconds = settings.PART_LEASE_SECONDS

    def again() -> bool:
        until = Now() + timedelta(seconds=seconds)
        return bool(RunPart.objects.held_by(part).update(lease_until=until))

    with _renewed(again, seconds, str(part)):
        yield


@contextmanager
def _renewed(again: Callable[[], bool], seconds: float, what: str) -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(again, seconds, what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _renew(again: Callable[[], bool], seconds: float, what: str, done: threading.Event) -> None:
    try:
        while not done.wait(seconds / 3):
            try:
                if not again():
                    return
            except DatabaseError:
                # The next turn tries again; if the lease runs out meanwhile, publication refuses.
                logger.warning("%s: the lease could not be renewed", what, exc_info=True)
                connection.close()
    finally:
        connection.close()


def renew(run_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Lengthen the lease on the database's clock; False if the token no longer holds the run."""
    until = Now() + timedelta(seconds=settings.RUN_LEASE_SECONDS)
    return bool(Run.objects.held_by(run_id, token).update(lease_until=until))
