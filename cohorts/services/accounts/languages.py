"""The language that a person reads: kept with the account, for pages and for mails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import translation

from cohorts.models import User


def keep(user: User, language: str) -> None:
    """Remember what the person chose; a language that the platform does not speak is no choice."""
    if language in dict(settings.LANGUAGES) and language != user.language:
        user.language = language
        user.save(update_fields=["language"])


@contextmanager
def of_address(email: str) -> Iterator[None]:
    """Write to an address in the language of its account; else in the one that is active."""
    found = User.objects.filter(email__iexact=email, is_active=True).exclude(language="").first()
    with of_person(found):
        yield


@contextmanager
def of_person(user: User | None) -> Iterator[None]:
    """Write in the language of an account that has one; else in the one that is active."""
    language = user.language if user is not None else ""
    # One that was chosen when the platform still spoke it may be gone.
    known = language if language in dict(settings.LANGUAGES) else translation.get_language()
    with translation.override(known):
        yield
