"""Counting wrong passwords: each further one in a row makes the wait twice as long.

Counted in the database, so that a broken cache opens no door.
"""

from __future__ import annotations

import math
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from cohorts.models import SignInAttempt, User
from cohorts.models.account import digest_of
from cohorts.models.sign_in import SignInAttemptQuerySet
from cohorts.retrying import transacted

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=15)
# From all addresses together a name may be tried more often: one stranger cannot lock it for long.
FROM_ANYWHERE = 4
LOOKED_BACK, KEPT = timedelta(days=1), timedelta(days=90)


class MustWait(Exception):
    """Too many wrong passwords in a row; `seconds` until the next try is looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


def wait_after(n_wrong: int, free_tries: int) -> timedelta:
    """How long the next try has to wait after that many wrong ones in a row."""
    if n_wrong < free_tries:
        return timedelta(0)
    # The exponent is bounded, since 2 ** 2000 is no number of seconds.
    doubled: timedelta = FIRST_WAIT * 2 ** min(n_wrong - free_tries, 16)
    return min(doubled, LONGEST_WAIT)


@transacted
def begin(name: str, address: str) -> SignInAttempt:
    """Record a try, as wrong until `passed` says otherwise. MustWait while the name is locked."""
    digest = digest_of(name.strip().casefold())
    # A hundred tries at once are counted one after the other.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [digest])
    tries = SignInAttempt.objects.of_name(digest).since_the_last_that_passed(LOOKED_BACK)
    wait = max(
        _left(tries.filter(address=address), settings.SIGN_IN_FREE_TRIES),
        _left(tries, settings.SIGN_IN_FREE_TRIES * FROM_ANYWHERE),
    )
    if wait > timedelta(0):
        raise MustWait(math.ceil(wait.total_seconds()))
    made: SignInAttempt = SignInAttempt.objects.create(name_digest=digest, address=address)
    return made


def _left(tries: SignInAttemptQuerySet, free_tries: int) -> timedelta:
    times = list(tries.order_by("-at").values_list("at", flat=True))
    if not times:
        return timedelta(0)
    return times[0] + wait_after(len(times), free_tries) - timezone.now()


def passed(attempt: SignInAttempt, user: User) -> None:
    """The password was right."""
    SignInAttempt.objects.filter(pk=attempt.pk).update(passed=True, user=user)


def signed_in_before(user: User) -> bool:
    """Whether this is not the first time: the first browser of an account is nothing to tell."""
    just_now = timezone.now() - timedelta(minutes=1)
    return SignInAttempt.objects.filter(user=user, passed=True, at__lt=just_now).exists()


def forget_past() -> int:
    """Let go of tries older than 90 days; how many."""
    n_deleted, _ = SignInAttempt.objects.filter(at__lt=timezone.now() - KEPT).delete()
    return int(n_deleted)
