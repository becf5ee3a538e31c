"""People who log in, and the tokens that their programs use."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cohorts import access

if TYPE_CHECKING:
    from cohorts.models.site import Site

TOKEN_PREFIX = "hiki_"  # noqa: S105 - a public mark, so that a leaked token is recognised
TOKEN_LIFE = timedelta(days=365)
# Scope -> verbs of the permission table. A token never does more than its owner may.
SCOPES = {"read": "RX", "write": "CUWA", "start": "S"}
SCOPE_WORDS = {
    "read": _("Read records and results"),
    "write": _("Send tables, record and correct"),
    "start": _("Start runs"),
}


def every_scope() -> list[str]:
    return list(SCOPES)


class User(AbstractUser):
    """Somebody who works for a site or for the consortium; what they may do is in `Membership`."""

    language = models.CharField(
        max_length=12,
        blank=True,
        help_text=_("Of pages and mails; empty until the person has chosen one."),
    )
    query_mails = models.BooleanField(
        _("mails on new data queries"),
        default=True,
        db_default=True,
        help_text=_("At most one a day, on queries at the sites of the person."),
    )
    failure_mails = models.BooleanField(
        _("mails on failed runs"),
        default=True,
        db_default=True,
        help_text=_("One a failure, to those who see to the platform's work."),
    )
    queries_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(
        _("results closed for a day at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("After too many questions in a day for numbers that are hidden."),
    )
    stop_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Set for one request by `access.hold_to`.
    held_to: access.Standing | None = None


def digest_of(key: str) -> str:
    """SHA-256 of a token: the key itself is shown once and never stored."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, at: datetime) -> Self:
        """Neither expired nor revoked, and its owner still active."""
        return self.filter(expires_at__gt=at, revoked_at=None, user__is_active=True)

    def issue(
        self,
        user: User,
        name: str,
        *,
        scopes: Iterable[str] = tuple(SCOPES),
        sites: Iterable[Site] = (),
        life: timedelta = TOKEN_LIFE,
    ) -> tuple[ApiToken, str]:
        """A new token and its key, which is not kept and cannot be shown again."""
        key = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = ApiToken(
            user=user,
            name=name,
            digest=digest_of(key),
            scopes=list(scopes),
            expires_at=timezone.now() + life,
        )
        token.full_clean()
        with transaction.atomic():
            token.save()
            token.sites.set(sites)
        return token, key

    def visible_to(self, user: User) -> Self:
        """Everybody sees their own tokens only."""
        return self.filter(user_id=user.pk) if user.is_authenticated else self.none()


class ApiToken(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(
        max_length=80, help_text=_("What it is for, such as 'notebook on my laptop'.")
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10), default=every_scope)
    sites = models.ManyToManyField(
        "cohorts.Site",
        blank=True,
        help_text=_("Records of these sites only; of all where empty."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="token_scopes_known",
                condition=models.Q(scopes__contained_by=list(SCOPES), scopes__len__gt=0),
                violation_error_message=_("A token has one or more of: read, write, start."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.user})"

    def covers(self, verb: str) -> bool:
        """Whether its scopes hold a verb of the permission table."""
        return any(verb in SCOPES[scope] for scope in self.scopes)

    @property
    def scope_words(self) -> list[str]:
        """Its scopes as the page says them."""
        return [str(SCOPE_WORDS[scope]) for scope in self.scopes]
