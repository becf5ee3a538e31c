"""Counters that all processes share, in Valkey; without it nothing is counted and nobody waits."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counter:
    """A number that goes back to nothing ``seconds`` after it was last begun."""

    name: str
    seconds: int

    def add_one(self) -> int:
        """The number with this one; 0 where Valkey does not answer."""
        try:
            cache.add(self.name, 0, self.seconds)
            return int(cache.incr(self.name))
        except ValueError:  # it ended between the two
            return 1
        except (RedisError, OSError) as error:
            logger.warning("Valkey does not answer (%s): %s is not counted", error, self.name)
            return 0

    def take_one_back(self) -> None:
        """As if one had not been added."""
        try:
            cache.decr(self.name)
        except ValueError:  # it has ended
            return
        except (RedisError, OSError) as error:
            logger.warning("Valkey does not answer (%s): %s stays counted", error, self.name)

    def end(self) -> None:
        """Begin again with nothing."""
        try:
            cache.delete(self.name)
        except (RedisError, OSError) as error:
            logger.warning("Valkey does not answer (%s): %s is not ended", error, self.name)
