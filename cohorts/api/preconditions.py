"""If-Match on corrections: nobody overwrites what they have not seen (RFC 9110, RFC 6585)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rest_framework import exceptions, status
from rest_framework.request import Request

from cohorts.errors import ChangedMeanwhile

# The ETag of a record that is corrected begins with the version of its row.
_OF_A_VERSION = re.compile(r'"v([1-9][0-9]{0,8})-[0-9a-f]+"')
IF_MATCH: Final[dict[str, Any]] = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "description": "ETag of the record as you have read it; or send its `version` in the body.",
}
ANSWERS: Final = {
    "412": "Somebody else has changed the record since that ETag.",
    "428": "Neither If-Match nor a version: say which state of the record you correct.",
}


class NotThatState(exceptions.APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "precondition_failed"
    default_detail = (
        "The record is not as that ETag says: read it again, then correct it "
        "if that is still right."
    )


class StateNotNamed(exceptions.APIException):
    status_code = 428
    default_code = "precondition_required"
    default_detail = (
        "Say which state of the record you correct: send the ETag that you have read as If-Match, "
        "or its version in the body."
    )


def etag_of_version(etag: str, version: int) -> str:
    """The same ETag, which now also tells the version of the row."""
    return f'"v{version}-{etag.strip(chr(34))}"'


def version_seen(request: Request, in_body: int | None, current: int) -> int:
    """The version that the caller corrects; NotThatState where If-Match names another."""
    tags = _tags(request)
    if not tags:
        if in_body is None:
            raise StateNotNamed
        return in_body
    named = {int(found[1]) for tag in tags if (found := _OF_A_VERSION.fullmatch(tag))}
    if current not in named or in_body not in (None, current):
        raise NotThatState
    return current


@contextmanager
def told_as_named(request: Request) -> Iterator[None]:
    """412 too for who named a state by If-Match that a faster one changed before the lock."""
    try:
        yield
    except ChangedMeanwhile as error:
        if _tags(request):
            raise NotThatState from error
        raise


def _tags(request: Request) -> list[str]:
    """What If-Match names; a weak tag names no state."""
    header = request.headers.get("If-Match", "").strip()
    # "*" says that there is a record, not which state of it was seen.
    return [] if header in ("", "*") else [each.strip() for each in header.split(",")]
