"""What the broker must be like, looked at when a worker starts: a wrong one fails later."""

from __future__ import annotations

import logging
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

logger = logging.getLogger(__name__)


def faults_of(app: Any) -> list[str]:
    """Why this broker must not be worked with, each as a sentence that says what to do.

    The effective values are read, from the connection and from the server: what the settings say
    may be overruled by another program or by the server's own file.
    """
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        channel = connection.default_channel
        return [
            sentence
            for sentence in (
                _of_timeout(float(channel.visibility_timeout), float(app.conf.task_time_limit)),
                _of_memory(channel.client),
            )
            if sentence
        ]


def _of_timeout(visible_after: float, longest_task: float) -> str:
    if visible_after > longest_task:
        return ""
    return (
        f"The broker gives a task out again after {visible_after:.0f} s, but a run may take "
        f"{longest_task:.0f} s: raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS above "
        "HIKI_RUN_TIME_LIMIT, or lower that."
    )


def _of_memory(client: Any) -> str:
    try:
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "")
    except ResponseError as error:
        logger.warning("the broker does not tell its maxmemory-policy (%s): see to it", error)
        return ""
    if policy in ("noeviction", ""):
        return ""
    return (
        f"The broker's maxmemory-policy is {policy}: it would throw queued tasks away when its "
        "memory is full. Set `maxmemory-policy noeviction` in its configuration."
    )


def refuse_a_wrong_broker(app: Any) -> None:
    """End with the reasons; a broker that is away is waited for as ever.

    Asked before Celery is at work, which would end without these words and with code 0.
    """
    try:
        found = faults_of(app)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("the broker does not answer yet (%s); it is not looked at", error)
        return
    if found:
        raise SystemExit("The worker does not start. " + " ".join(found))
