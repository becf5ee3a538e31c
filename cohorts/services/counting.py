"""Counters that all processes share, in Valkey; without it nothing is counted and nobody waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# After a Valkey that did not answer, requests do not wait for it again before this has passed.
SILENCE_SECONDS = 10.0
_silent_until = 0.0


class ValkeyAway(Exception):
    """It does not answer, or did not a moment ago."""


def silent() -> bool:
    """Whether it was silent a moment ago."""
    return time.monotonic() < _silent_until


@contextmanager
def asked() -> Iterator[None]:
    """What is asked of Valkey by the cache. Raises ValkeyAway, at once after it was silent."""
    global _silent_until
    if silent():
        raise ValkeyAway("silent")
    try:
        yield
    except (RedisError, OSError) as error:
        _silent_until = time.monotonic() + SILENCE_SECONDS
        raise ValkeyAway(str(error)) from error


@dataclass(frozen=True)
class Counter:
    """A number that goes back to nothing ``seconds`` after it was last begun."""

    name: str
    seconds: int

    def add_one(self) -> int:
        """The number with this one; 0 where Valkey does not answer."""
        try:
            with asked():
                cache.add(self.name, 0, self.seconds)
                return int(cache.incr(self.name))
        except ValueError:  # it ended between the two
            return 1
        except ValkeyAway as error:
            logger.warning("Valkey does not answer (%s): %s is not counted", error, self.name)
            return 0

    def take_one_back(self) -> None:
        """As if one had not been added."""
        try:
            with asked():
                cache.decr(self.name)
        except ValueError:  # it has ended
            return
        except ValkeyAway as error:
            logger.warning("Valkey does not answer (%s): %s stays counted", error, self.name)

    def end(self) -> None:
        """Begin again with nothing."""
        try:
            with asked():
                cache.delete(self.name)
        except ValkeyAway as error:
            logger.warning("Valkey does not answer (%s): %s is not ended", error, self.name)
