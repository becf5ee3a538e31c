"""Transactions that met another one: tried again a few times before anybody is told."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

logger = logging.getLogger(__name__)
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
TRIES = 3
# serialization_failure, deadlock_detected, lock_not_available: nothing was written, and the next
# try may well find the way free.
PASSING = frozenset({"40001", "40P01", "55P03"})


def retried(service: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Carry out a service that owns its transaction up to `TRIES` times.

    The last refusal goes on to the caller, which is told to come back (503, Retry-After). Inside a
    transaction of somebody else there is one try: what it read may no longer be true.
    """

    @functools.wraps(service)
    def trying(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        for attempt in range(1, TRIES):
            try:
                return service(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not is_passing(error):
                    raise
                logger.warning("%s met another transaction, try %d", service.__name__, attempt)
        return service(*args, **kwargs)

    return trying


def transacted(service: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """A service that owns its transaction: all of it or nothing, and `retried`."""
    return retried(transaction.atomic(service))


def is_passing(error: OperationalError) -> bool:
    """Whether the database refused because of what another transaction was doing."""
    return getattr(error.__cause__, "sqlstate", None) in PASSING
