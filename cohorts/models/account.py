"""People who log in, and the tokens that their programs use."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from cohorts import access

TOKEN_PREFIX = "hiki_"  # noqa: S105 - a public mark, so that a leaked token is recognised
TOKEN_LIFE = timedelta(days=365)


class User(AbstractUser):
    """Somebody who works for a site or for the consortium; what they may do is in `Membership`."""

    # Set for one request by `access.hold_to`.
    held_to: access.Standing | None = None


def digest_of(key: str) -> str:
    """SHA-256 of a token: the key itself is shown once and never stored."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, at: datetime) -> Self:
        """Neither expired nor revoked, and its owner still active."""
        return self.filter(expires_at__gt=at, revoked_at=None, user__is_active=True)

    def issue(self, user: User, name: str) -> tuple[ApiToken, str]:
        """A new token and its key, which is not kept and cannot be shown again."""
        key = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = self.create(
            user=user, name=name, digest=digest_of(key), expires_at=timezone.now() + TOKEN_LIFE
        )
        return token, key

    def visible_to(self, user: User) -> Self:
        """Everybody sees their own tokens only."""
        return self.filter(user_id=user.pk) if user.is_authenticated else self.none()


class ApiToken(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(
        max_length=80, help_text="What it is for, such as 'notebook on my laptop'."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.user})"
