"""The bell: the broker tells workers that there is something to do. What it is stands elsewhere."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from cohorts.services import counting

logger = logging.getLogger(__name__)

# After a broker that did not answer, uploads do not wait for it again before this has passed.
_SILENCE_SECONDS = 10.0
BELL_SECONDS = 0.3
_silent_until = 0.0


def ring(task: str, *args: str, countdown: float = 0, each: bool = False) -> bool:
    """Send a task name if the broker answers at once; False if it does not.

    While the same message waits to be heard no second one is sent, unless ``each`` ring is meant
    for somebody else.
    """
    global _silent_until
    from celery import current_app

    # The cache is the same server: who has waited for that one does not wait here again.
    if time.monotonic() < _silent_until or counting.silent():
        return False
    try:
        with _broker() as (connection, client):
            mark, seconds = _mark(task, args, delayed=countdown > 0), _mark_seconds(countdown)
            # First the mark, then the message: whoever hears it must find the mark to remove.
            if each or client.set(mark, 1, nx=True, ex=seconds):
                current_app.send_task(
                    task, args=args, countdown=countdown, connection=connection, retry=False
                )
    except (OperationalError, RedisError, OSError) as error:
        _silent_until = time.monotonic() + _SILENCE_SECONDS
        logger.warning("the broker does not answer (%s); the next sweep finds what is owed", error)
        return False
    return True


def heard(task: str, *args: str) -> None:
    """To be called before looking at the database: who rings from now on rings for news."""
    try:
        with _broker() as (_, client):
            client.delete(*(_mark(task, args, delayed=delayed) for delayed in (False, True)))
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("the broker does not answer (%s); the mark of the bell runs out", error)


@contextmanager
def _broker() -> Iterator[tuple[Any, Any]]:
    """A connection that waits for nobody, and its client of Redis."""
    from celery import current_app

    with current_app.connection_for_write(transport_options=_impatient()) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        channel: Any = connection.default_channel  # of Redis, which alone has a client
        yield connection, channel.client


def _mark(task: str, args: tuple[str, ...], *, delayed: bool) -> str:
    """Stands in the broker while a message waits there, so that a thousand rings are one message.

    A message for later does not stand for one for now, and runs of one queue for those of another.
    """
    when = "later" if delayed else "now"
    return ":".join(("rung", settings.CELERY_TASK_DEFAULT_QUEUE, when, task, *args))


def _mark_seconds(countdown: float) -> int:
    """A message that was lost is rung for again by the next sweep or the one after."""
    every = settings.SWEEP_SECONDS
    return max(1, math.ceil(countdown + every))


def _impatient() -> dict[str, object]:
    """A request waits for the broker no longer than this: the work is safe in the database."""
    return settings.CELERY_BROKER_TRANSPORT_OPTIONS | {
        "socket_connect_timeout": BELL_SECONDS,
        "socket_timeout": BELL_SECONDS,
    }
