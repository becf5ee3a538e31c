"""How many requests an account may make in a minute, over all its programs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from cohorts.services.counting import Counter

if TYPE_CHECKING:  # the other way round they import this, by the settings
    from rest_framework.views import APIView

WINDOW_SECONDS = 60


class AccountThrottle(BaseThrottle):
    """A 304 is not counted: to who polls a run it is answered before, another is taken back."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        who = request.user.pk
        if who is None:
            return True  # told to log in, whatever is asked
        window, spent = divmod(int(time.time()), WINDOW_SECONDS)
        made = _of(who, window).add_one()
        if made <= settings.RATE_PER_MINUTE:
            return True
        wait = WINDOW_SECONDS - spent
        refused = Throttled(
            detail=f"Your account has made its {settings.RATE_PER_MINUTE} requests of this minute. "
            f"Go on in {wait} seconds; polls that send If-None-Match and get 304 are not counted."
        )
        # Given to it above, it would be said a second time.
        refused.wait = wait  # type: ignore[attr-defined]  # the stubs lack it
        raise refused


def take_back(request: Request) -> None:
    """Do not count the request, which was answered 304."""
    if request.user.pk is not None:
        _of(request.user.pk, int(time.time()) // WINDOW_SECONDS).take_one_back()


def _of(user_id: int, window: int) -> Counter:
    return Counter(f"rate:{user_id}:{window}", WINDOW_SECONDS)
