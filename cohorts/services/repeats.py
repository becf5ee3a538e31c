"""A request sent twice under one Idempotency-Key is carried out once."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from cohorts.errors import DomainError
from cohorts.models import SentRequest, User


class StillAtWork(DomainError):
    """The first of two equal requests has not been answered yet."""

    code = "still_at_work"


class OtherRequest(DomainError):
    """A key that was used for something else."""

    code = "key_used_before"


def begin(user: User, *, key: str, route: str, digest: str) -> SentRequest:
    """The request under that key: a new one without a status, or one that has its answer."""
    forget_past()
    try:
        with transaction.atomic():
            made: SentRequest = SentRequest.objects.create(
                user=user, key=key, route=route, digest=digest
            )
            return made
    except IntegrityError:
        known: SentRequest = SentRequest.objects.get(user=user, key=key, route=route)
    if known.digest != digest:
        raise OtherRequest(
            f"The Idempotency-Key {key!r} came with another body before: a new request needs a "
            "new key."
        )
    if known.status is None:
        raise StillAtWork("The same request is being carried out; ask again in a moment.")
    return known


def answered(sent: SentRequest, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Keep the answer for whoever sends the request again."""
    SentRequest.objects.filter(pk=sent.pk).update(status=status, headers=dict(headers), body=body)


def give_up(sent: SentRequest) -> None:
    """Nothing was done: the same request may be tried again."""
    SentRequest.objects.filter(pk=sent.pk, status=None).delete()


def forget_past() -> None:
    """Let go of answers of yesterday, and of requests whose process died."""
    now = timezone.now()
    (SentRequest.objects.past(now) | SentRequest.objects.abandoned(now)).delete()
