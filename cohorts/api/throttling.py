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
    """A 304 to a polling program is answered before this, and is not counted."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        who = request.user.pk
        if who is None:
            return True  # told to log in, whatever is asked
        window, spent = divmod(int(time.time()), WINDOW_SECONDS)
        made = Counter(f"rate:{who}:{window}", WINDOW_SECONDS).add_one()
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
