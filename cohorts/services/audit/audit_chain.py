"""Sealing the audit trail: entries are chained soon after they are written, never while.

A writer neither waits for the chain nor computes a hash: the sweep seals what it finds without a
link. An erasure, which empties entries, seals them again in its own transaction.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Func, Model, OuterRef, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.encoding import force_bytes

from cohorts.advisory import Advisory, hold, hold_if_free
from cohorts.models import EVENTS, AuditLink, AuditSeal, Change, RecordReading

logger = logging.getLogger(__name__)

# What the chain covers: events of rows, the change log, who read people's records in bulk.
_CHAINED: Final[tuple[type[Model], ...]] = (*EVENTS.values(), Change, RecordReading)
KINDS: Final[dict[str, type[Model]]] = {model._meta.model_name or "": model for model in _CHAINED}
PIECE = 5_000
AT_ONCE = 10
ERASURE = "erasure"
_SALT_BYTES = 16


@dataclass(frozen=True)
class Entry:
    """An entry of the trail, with all that it says in one text."""

    kind: str
    id: int
    said: str


def seal_new() -> int:
    """Chain what has no link yet; how many entries. What is left over waits for the next call."""
    n = 0
    for _ in range(AT_ONCE):
        found = _seal_piece()
        n += found
        if found < PIECE:
            break
    return n


def seal_again(touched: Mapping[str, Collection[int]]) -> None:
    """Chain entries as an erasure left them; of what they said before, nothing can be guessed.

    Call it in the transaction that changed them. Entries without a link are sealed with the rest.
    """
    hold_chain()
    again: list[Entry] = []
    for kind, ids in touched.items():
        links = AuditLink.objects.filter(kind=kind, entry_id__in=ids)
        known = set(links.values_list("entry_id", flat=True))
        links.update(salt=None)
        again += entries_of(KINDS[kind]._default_manager.filter(pk__in=known), kind)
    last = newest()
    if again and last:
        _append(again, last, ERASURE, _Window(last.seen, last.settled, last.horizon))


def hold_chain() -> None:
    """Wait until nobody seals, and keep them from it until this transaction ends."""
    hold(Advisory.AUDIT_CHAIN)


def newest() -> AuditSeal | None:
    """The head of the chain; None before the first seal."""
    found: AuditSeal | None = AuditSeal.objects.last()
    return found


def without_link(kind: str) -> QuerySet[Any]:
    """Entries that the chain does not hold yet."""
    linked = AuditLink.objects.filter(kind=kind, entry_id=OuterRef("pk"))
    return KINDS[kind]._default_manager.filter(~Exists(linked))


def columns_of(kind: str) -> list[str]:
    """Every column of an entry of that kind."""
    return sorted(field.attname for field in KINDS[kind]._meta.concrete_fields)


def entries_of(
    rows: QuerySet[Any], kind: str, columns: Collection[str] | None = None
) -> Iterable[Entry]:
    """Entries by their number, with what the columns say (all of them unless told)."""
    said = Func(*map(F, columns or columns_of(kind)), function="jsonb_build_array")
    ordered = rows if rows.query.is_sliced else rows.order_by("pk")
    told = ordered.annotate(said=Cast(said, TextField()))
    for pk, text in told.values_list("pk", "said").iterator(chunk_size=PIECE):
        yield Entry(kind, pk, text)


def digest_of(entry: Entry, salt: bytes) -> bytes:
    """The hash of an entry under the installation's key."""
    said = f"{entry.kind}\0{entry.id}\0{entry.said}".encode()
    return hmac.digest(_key(), salt + said, "sha256")


def seal_digest(
    before: str, seal: AuditSeal, links: Iterable[tuple[str, int, bytes | memoryview]]
) -> str:
    """The hash of a seal: over the hash of the one before, what the seal says, and its links."""
    said = [before, seal.number, seal.sealed_at.isoformat(), seal.why, seal.columns, seal.n_links]
    total = hmac.new(_key(), json.dumps(said, sort_keys=True).encode(), "sha256")
    for kind, entry_id, digest in links:
        total.update(f"\0{kind}\0{entry_id}\0".encode())
        total.update(digest)
    return total.hexdigest()


def _known_columns() -> dict[str, list[str]]:
    """Kind: the columns that its newest entries are sealed with."""
    known: dict[str, list[str]] = {}
    told = AuditSeal.objects.exclude(columns={}).order_by("number")
    for columns in told.values_list("columns", flat=True):
        known |= columns
    return known


def _key() -> bytes:
    return hashlib.sha256(b"cohorts.audit_chain" + force_bytes(settings.ERASURE_KEY)).digest()


@dataclass(frozen=True)
class _Window:
    """Where entries without a link can still be.

    ``seen``: the highest number of each kind that has a link. ``settled``: up to there all have
    one. ``horizon``: the first transaction that was not begun yet when ``seen`` was looked up.
    """

    seen: dict[str, int]
    settled: dict[str, int]
    horizon: int


@transaction.atomic
def _seal_piece() -> int:
    # Whoever erases or checks holds it for seconds: this then waits for the next sweep.
    if not hold_if_free(Advisory.AUDIT_CHAIN):
        return 0
    last = newest()
    window = _Window(last.seen, last.settled, last.horizon) if last else _Window({}, {}, 0)
    first_running, first_to_come = _transactions()
    # Numbers are given before the commit: below the highest seen, one may still come in, until
    # whatever ran then has ended. A horizon ahead of us is that of the server of a backup.
    quiet = window.horizon <= first_running or window.horizon > first_to_come
    found: list[Entry] = []
    seen, settled = dict(window.seen), dict(window.settled)
    for kind in KINDS:
        room = PIECE - len(found)
        if not room:
            break
        rows = without_link(kind).filter(pk__gt=settled.get(kind, 0))
        new = list(entries_of(rows.order_by("pk")[:room], kind))
        if quiet:
            highest = window.seen.get(kind, 0)
            settled[kind] = min(highest, new[-1].id) if len(new) == room else highest
        seen[kind] = max([window.seen.get(kind, 0), *(entry.id for entry in new)])
        found += new
    if found:
        _append(found, last, "", _Window(seen, settled, _transactions()[1]))
    return len(found)


def _transactions() -> tuple[int, int]:
    """The oldest that still runs, and the first that is still to come."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
            " FROM pg_current_snapshot() AS s"
        )
        oldest, next_one = cursor.fetchone()
    return int(oldest), int(next_one)


def _append(entries: list[Entry], last: AuditSeal | None, why: str, window: _Window) -> None:
    known, kinds = _known_columns(), {entry.kind for entry in entries}
    seal = AuditSeal(
        number=last.number + 1 if last else 1,
        why=why,
        columns={k: columns_of(k) for k in sorted(kinds) if known.get(k) != columns_of(k)},
        n_links=len(entries),
        seen=window.seen,
        settled=window.settled,
        horizon=window.horizon,
    )
    salts = [secrets.token_bytes(_SALT_BYTES) for _ in entries]
    links = [
        (entry.kind, entry.id, digest_of(entry, salt))
        for entry, salt in zip(entries, salts, strict=True)
    ]
    seal.digest = seal_digest(last.digest if last else "", seal, links)
    seal.save(force_insert=True)
    _write(seal, links, salts)
    # Kept where logs are kept, it shows later that nothing was cut off the end.
    logger.info("audit chain: %s entries sealed, the head is %s", len(links), seal)


def _write(seal: AuditSeal, links: list[tuple[str, int, bytes]], salts: list[bytes]) -> None:
    """By COPY: a table of a million rows leaves as many entries, and a sweep may not take long."""
    table = AuditLink._meta.db_table
    command = f"COPY {table} (seal_id, kind, entry_id, salt, digest) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for (kind, entry_id, digest), salt in zip(links, salts, strict=True):
            copy.write_row((seal.number, kind, entry_id, salt, digest))
