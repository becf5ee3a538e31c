"""Guessing a password gets slower: after five failures each further one doubles the wait."""

from __future__ import annotations

import hashlib
import logging
import math
import time

from django.core.cache import cache
from redis.exceptions import RedisError

from cohorts.services.counting import Counter

logger = logging.getLogger(__name__)
FREE_FAILURES = 5
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2, 900
REMEMBERED_SECONDS = 24 * 3600


def _key(username: str) -> str:
    # Not the name itself: what somebody types there may be a password.
    return hashlib.sha256(username.strip().casefold().encode(errors="replace")).hexdigest()[:32]


def note_failure(username: str) -> int:
    """Count a wrong password for that name; the seconds to wait before the next try."""
    failures = Counter(f"login-failures:{_key(username)}", REMEMBERED_SECONDS).add_one()
    wait = _wait(failures)
    if wait:
        try:
            cache.set(f"login-closed:{_key(username)}", time.time() + wait, wait)
        except (RedisError, OSError) as error:
            logger.warning("Valkey does not answer (%s): a log-in is not closed", error)
    return wait


def _wait(failures: int) -> int:
    if failures < FREE_FAILURES:
        return 0
    doublings = min(failures - FREE_FAILURES, 20)
    return int(min(FIRST_WAIT_SECONDS * 2**doublings, LONGEST_WAIT_SECONDS))


def seconds_left(username: str) -> int:
    """How long nobody can log in under that name, known or not; 0 if one can."""
    try:
        until: float | None = cache.get(f"login-closed:{_key(username)}")
    except (RedisError, OSError) as error:
        logger.warning("Valkey does not answer (%s): a log-in is not held back", error)
        return 0
    return max(0, math.ceil(until - time.time())) if until else 0


def forget(username: str) -> None:
    """The right password was given: the failures before it are over."""
    Counter(f"login-failures:{_key(username)}", REMEMBERED_SECONDS).end()
