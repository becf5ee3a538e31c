"""Questions that the disclosure rules refused, counted by account and day.

A person who reads results meets hidden rows now and then; one who asks for them one by one is
trying to work them out. The count lives in the cache alone: while that is away, nobody is stopped.
That somebody was stopped is kept, and the consortium's data managers get a mail.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db.models.functions import Now
from django.utils import timezone

from analysis.services.release import sees_everything
from cohorts.models import User
from cohorts.services.counting import ValkeyAway, asked

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

logger = logging.getLogger(__name__)
A_DAY = 20
KEPT_SECONDS = 2 * 24 * 3600


def note(user: User | AnonymousUser, question: str) -> None:
    """Count a refused question once a day, however often it is polled."""
    if sees_everything(user):
        return
    day = _day_of(user)
    digest = hashlib.sha256(question.encode()).hexdigest()[:32]
    try:
        with asked():
            if not cache.add(f"{day}:{digest}", 1, KEPT_SECONDS):
                return
            cache.add(day, 0, KEPT_SECONDS)
            n = cache.incr(day)
    except (ValkeyAway, ValueError) as error:
        logger.warning("a refusal could not be counted: %s", error)
        return
    if n == A_DAY and user.is_authenticated:
        logger.warning(
            "disclosure: account %s was refused %d times today and is stopped", user.pk, n
        )
        User.objects.filter(pk=user.pk).update(stopped_at=Now())


def stopped(user: User | AnonymousUser) -> bool:
    """Whether the account has used up its refusals of today; False while the cache is away."""
    if sees_everything(user):
        return False
    try:
        with asked():
            return int(cache.get(_day_of(user)) or 0) >= A_DAY
    except ValkeyAway as error:
        logger.warning("refusals cannot be looked up: %s", error)
        return False


def seconds_left_today() -> float:
    now = timezone.localtime()
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=now.tzinfo)
    return (tomorrow - now).total_seconds()


def _day_of(user: User | AnonymousUser) -> str:
    # With the account's birth: a number is given again when a database is made anew.
    born = int(user.date_joined.timestamp()) if user.is_authenticated else 0
    return f"refusals:{user.pk}:{born}:{timezone.localdate()}"
