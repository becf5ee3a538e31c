"""What was told to whom, for as long as nothing at all was committed since.

PostgreSQL's snapshot names the transactions that are over. While it is the same, every statement
sees the same rows, so whatever was worked out from them holds still: the token, its owner, their
roles, the run. It is the cheapest thing that the database can be asked, and it is asked each time.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Func, TextField

from analysis.prepared import Prepared
from cohorts.joined import Joined

AT_MOST = 2_000  # questions that are remembered
ASKED = (
    *("HTTP_AUTHORIZATION", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT"),
    "HTTP_IF_NONE_MATCH",
)
# With the start of the server, since a restored one counts its transactions from earlier.
PARTS = ("pg_current_snapshot", "pg_postmaster_start_time")
NOW = Prepared(f"SELECT concat_ws(' ', {', '.join(f'{part}()' for part in PARTS)})")


def snapshot() -> Joined:
    """For a statement: the snapshot that it reads in."""
    return Joined(" ", *(Func(function=part, output_field=TextField()) for part in PARTS))


@dataclass(frozen=True)
class Told:
    """Headers that were sent, the snapshot of what they rest on, and the time that may end them."""

    headers: dict[str, str]
    snapshot: str
    until: float


_told: dict[bytes, Told] = {}


def question_of(meta: dict[str, Any]) -> bytes:
    """Who asks what, as a digest: no key stays in memory for it."""
    text = "\0".join([meta.get(name, "") for name in ASKED])
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def told(question: bytes) -> dict[str, str] | None:
    """What was told before, where the same would be told again."""
    known = _told.get(question)
    # One's own writes in an open transaction are in no snapshot.
    if known is None or time.time() >= known.until or connection.in_atomic_block:
        return None
    return dict(known.headers) if NOW.read({}) == (known.snapshot,) else None


def remember(question: bytes, headers: dict[str, str], snapshot: str, until: datetime) -> None:
    """``snapshot`` is of the statement that read what the headers rest on."""
    if connection.in_atomic_block:
        return
    if len(_told) >= AT_MOST:
        _told.clear()
    _told[question] = Told(dict(headers), snapshot, until.timestamp())
