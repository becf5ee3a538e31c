"""Whose key a request brings, and what that person may do today: one read."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, QuerySet
from django.utils import timezone

from cohorts import access
from cohorts.joined import Joined
from cohorts.models import ApiToken, Membership
from cohorts.models.account import digest_of

SCHEME = "bearer"
# The last use is written at most this often: polling must not cost a write each time.
LAST_USE_STEP = timedelta(minutes=10)


def key_of(header: str) -> str | None:
    """The key in an Authorization header; "" for one that is not a key, None for another scheme."""
    scheme, _, key = header.strip().partition(" ")
    if scheme.lower() != SCHEME:
        return None
    key = key.strip()
    return key if key.isascii() and " " not in key else ""


def tokens(digest: str, at: datetime, today: date) -> QuerySet[ApiToken]:
    """The usable token of that digest; its owner's roles in ``held``, its sites in ``only``."""
    roles = (
        Membership.objects.in_force(today)
        .filter(user_id=OuterRef("user_id"))
        .order_by("pk")
        .values_list(Joined(":", F("role"), F("site_id")))
    )
    found: QuerySet[ApiToken] = ApiToken.objects.usable(at).filter(digest=digest)
    only = ApiToken.sites.through.objects.filter(apitoken_id=OuterRef("pk")).values("site_id")
    return found.annotate(held=ArraySubquery(roles), only=ArraySubquery(only.order_by("site_id")))


def standing(held: list[str], only: list[int]) -> access.Standing:
    """Roles and sites out of what `tokens` reads: a role of all sites holds at the token's.

    The token's sites stand among them, since whoever is held to them reads as an insider does.
    """
    pairs = (each.partition(":") for each in held)
    roles = tuple((role, int(site) if site else None) for role, _, site in pairs)
    if not only:
        return roles
    wide = ((role, each) for role, site in roles if site is None for each in only)
    limits = ((access.LIMIT, each) for each in only)
    return (*(pair for pair in roles if pair[1] in only), *wide, *limits)


def token_of(key: str) -> ApiToken | None:
    """The token with that key; its owner is judged by what this read brought along."""
    now = timezone.now()
    found = tokens(digest_of(key), now, timezone.localdate()).select_related("user").first()
    if found is not None:
        access.hold_to(found.user, standing(found.held, found.only))  # type: ignore[attr-defined]  # annotated
    return found


def due_for_writing(last_used_at: datetime | None) -> bool:
    """Whether a use now is to be written down."""
    return last_used_at is None or last_used_at < used_since(timezone.now())


def used_since(now: datetime) -> datetime:
    """A use that was written since then stands for one now."""
    return now - LAST_USE_STEP
