"""Signing in with a password and a second factor: what allauth leaves to the platform."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import ngettext

from cohorts import access, known_browsers
from cohorts.models import User
from cohorts.services.accounts import languages, sign_in

logger = logging.getLogger(__name__)
# Pages of somebody who still has to set up a second factor: that one, and the way out.
SETTING_UP = ("/account/second-factor/", "/account/reauthenticate/", "/login/", "/logout/")
KNOWN_IN_SESSION = "second_factor_is_set"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Accounts come by invitation; wrong passwords make the next try wait."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """ValidationError while the name has to wait after too many wrong passwords."""
        name, address = str(credentials.get("username", "")), self.get_client_ip(request)
        try:
            self._attempt = sign_in.begin(name, address)
        except sign_in.MustWait as wait:
            raise ValidationError(
                ngettext(
                    "Too many wrong passwords. Try again in %(n)d second.",
                    "Too many wrong passwords. Try again in %(n)d seconds.",
                    wait.seconds,
                )
                % {"n": wait.seconds},
                code="too_many_login_attempts",
            ) from wait

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is not None:
            sign_in.passed(self._attempt, user)
        return user

    def post_login(self, request: HttpRequest, user: Any, **how: Any) -> HttpResponse:
        """Go on in the language of the account; tell its owner where this browser is new to it."""
        answer: HttpResponse = super().post_login(request, user, **how)
        if not known_browsers.knows(request, user):
            known_browsers.remember(answer, user)
            if sign_in.signed_in_before(user):
                self._tell_of_a_new_browser(user)
        if user.language:
            answer.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                user.language,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                secure=settings.LANGUAGE_COOKIE_SECURE,
                httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
                samesite="Lax",
            )
        return answer

    def _tell_of_a_new_browser(self, user: User) -> None:
        try:
            self.send_notification_mail("account/email/new_device", user)
        except (SMTPException, OSError) as error:
            # Nobody is kept out because a mail server is away.
            logger.warning("the mail on a new browser could not be sent: %s", error)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        with languages.of_address(email):
            super().send_mail(template_prefix, email, context)

    def _rollback_login_failed_rl_usage(self) -> None:
        """Nothing to take back: tries are counted in the database, by `sign_in`."""

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """As for a wrong password: who is no longer active is nobody's business."""
        return redirect("login")

    def add_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """No page says what the person just did: that they are signed in is plain to see."""
        template = str(args[1]) if len(args) > 1 else str(kwargs.get("message_template", ""))
        if "logged_in" not in template and "logged_out" not in template:
            super().add_message(request, *args, **kwargs)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Secrets of authenticator apps are stored encrypted; a required factor cannot be dropped."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """cryptography's InvalidToken if neither the secret key nor a fallback made it."""
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        if not is_required_of(authenticator.user):
            return True
        others = Authenticator.objects.filter(user=authenticator.user).exclude(
            type=Authenticator.Type.RECOVERY_CODES
        )
        return bool(others.exclude(pk=authenticator.pk).exists())


def _cipher() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = (hashlib.sha256(b"second factor\0" + key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def is_required_of(user: User) -> bool:
    """Whether that person may do nothing before a second factor is set."""
    if settings.SECOND_FACTOR == "consortium":
        return bool(access.roles_of(user) & access.CONSORTIUM_ROLES)
    return bool(settings.SECOND_FACTOR == "everybody")


class SecondFactorMiddleware:
    """Leads whoever needs a second factor and has none to the page where it is set up.

    Programs are not concerned: a token is itself made by somebody who passed here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SECOND_FACTOR != "nobody" and self._lacks_it(request):
            return redirect("mfa_index")
        return self.get_response(request)

    def _lacks_it(self, request: HttpRequest) -> bool:
        user = request.user
        if not user.is_authenticated or request.path.startswith((*SETTING_UP, "/static/")):
            return False
        if request.session.get(KNOWN_IN_SESSION) or not is_required_of(user):
            return False
        # Recovery codes alone stand for no factor: they are gone after ten uses.
        has_one = (
            Authenticator.objects.filter(user=user)
            .exclude(type=Authenticator.Type.RECOVERY_CODES)
            .exists()
        )
        if has_one:
            request.session[KNOWN_IN_SESSION] = True
        return not has_one
