"""The bell: the broker tells workers that there is something to do. What it is stands elsewhere."""

from __future__ import annotations

import logging
import time

from django.conf import settings
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

# After a broker that did not answer, uploads do not wait for it again before this has passed.
_SILENCE_SECONDS = 10.0
BELL_SECONDS = 0.3
_silent_until = 0.0


def ring(task: str, *args: str, countdown: float = 0) -> bool:
    """Send a task name if the broker answers at once; False if it does not."""
    global _silent_until
    from celery import current_app

    if time.monotonic() < _silent_until:
        return False
    try:
        with current_app.connection_for_write(transport_options=_impatient()) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            current_app.send_task(
                task, args=args, countdown=countdown, connection=connection, retry=False
            )
    except (OperationalError, OSError) as error:
        _silent_until = time.monotonic() + _SILENCE_SECONDS
        logger.warning("the broker does not answer (%s); the next sweep finds what is owed", error)
        return False
    return True


def _impatient() -> dict[str, object]:
    """A request waits for the broker no longer than this: the work is safe in the database."""
    return settings.CELERY_BROKER_TRANSPORT_OPTIONS | {
        "socket_connect_timeout": BELL_SECONDS,
        "socket_timeout": BELL_SECONDS,
    }
