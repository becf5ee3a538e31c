"""Which browsers an account was signed in to before: a signed cookie in each, nothing here."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from cohorts.models import User
from cohorts.models.account import digest_of

REMEMBERED = timedelta(days=365)
SALT = "cohorts.known_browsers"


def _name(user: User) -> str:
    # One each, since people of a laboratory share a browser; the digest tells nobody who they are.
    return f"known_{digest_of(f'{SALT}:{user.pk}')[:12]}"


def knows(request: HttpRequest, user: User) -> bool:
    """Whether the browser holds the mark that this account once left in it."""
    try:
        mark = request.get_signed_cookie(_name(user), salt=SALT, max_age=REMEMBERED)
    except (KeyError, signing.BadSignature):
        return False
    return str(mark) == str(user.pk)


def remember(answer: HttpResponse, user: User) -> None:
    """Leave the mark of the account in the browser."""
    answer.set_signed_cookie(
        _name(user),
        str(user.pk),
        salt=SALT,
        max_age=REMEMBERED,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
