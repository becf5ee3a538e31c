"""Log-in that guessing does not get through: closed names are refused before any password is."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import PermissionDenied, ValidationError
from django.dispatch import receiver
from django.http import HttpRequest

from cohorts.models import User
from cohorts.services import lockout


class ClosedAfterFailures:
    """First of the backends: while a name is closed none of the others is asked."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **more: Any,
    ) -> None:
        if username and lockout.seconds_left(username):
            raise PermissionDenied


class LoginForm(AuthenticationForm):
    """Says how long a name is closed; alike for names that exist and names that do not."""

    closed = False

    def clean(self) -> dict[str, Any]:
        wait = lockout.seconds_left(self.cleaned_data.get("username") or "")
        if wait:
            self.closed = True
            raise ValidationError(
                f"Too many wrong passwords for this name. Try again in {wait} seconds.",
                code="closed",
            )
        return super().clean()


@receiver(user_login_failed, dispatch_uid="lockout.failed")
def _failed(credentials: dict[str, Any], **_signal: object) -> None:
    name = credentials.get("username") or ""
    if name and not lockout.seconds_left(name):
        lockout.note_failure(name)


@receiver(user_logged_in, dispatch_uid="lockout.over")
def _logged_in(user: User, **_signal: object) -> None:
    lockout.forget(user.get_username())
