"""The audit trail of a site: who wrote, changed, deleted or read what, when and why, newest first.

It is read from the events that triggers keep of each row (`cohorts.models.history`) and from the
log of readings; nothing is kept for it alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from heapq import merge
from itertools import islice
from typing import Any

from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.text import capfirst

from cohorts import access
from cohorts.language.sentences import say
from cohorts.models import EVENTS, Participant, RecordReading, Sample, Site, User
from cohorts.models.history import FOLLOWED
from cohorts.services.audit.history import changes_between

READ = "read"
PIECE = 500
_CURSOR = re.compile(r"[0-9]{1,18}(?:-[0-9]{1,18})*")
LONGEST = timedelta(days=1)  # of a transaction, and of what a clock was wrong by
_NEVER_READ = 10**18 - 1  # as many digits as a cursor takes


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did. ``changed``: field, what it was, what it became."""

    at: datetime
    kind: str
    what: str
    record: str
    row_id: int | None
    by: str
    reason: str
    changed: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True)
class Asked:
    """What is looked for; empty is everything. Days are those of the clocks of ``zone``."""

    by: str = ""
    kind: str = ""
    since: date | None = None
    until: date | None = None
    zone: tzinfo = UTC


def kinds_for(user: User, site: Site) -> dict[str, str]:
    """Kinds of record whose trail the user may read at the site, with their words."""
    found = {
        model._meta.model_name or "": str(capfirst(model._meta.verbose_name))
        for model, (resource, _) in FOLLOWED.items()
        if access.may(user, resource, "R", site.pk)
    }
    if access.may(user, "reading_log", "R", site.pk):
        found[READ] = str(capfirst(RecordReading._meta.verbose_name))
    return found


def sees_others(user: User, site: Site) -> bool:
    """Whether the trail shows what others did, and not one's own doings alone."""
    return access.may(user, "audit_trail", "R", site.pk)


class Trail:
    """What one user may read of the trail of one site."""

    def __init__(self, user: User, site: Site, asked: Asked) -> None:
        self._site, self._asked = site, asked
        self._only = None if sees_others(user, site) else user.pk
        kinds = kinds_for(user, site)
        self._kinds = [kind for kind in kinds if asked.kind in ("", kind)]

    def page(self, n: int, after: str = "") -> tuple[list[Entry], str]:
        """``n`` entries older than the cursor ``after``, and the cursor of those that follow.

        The cursor is empty where none follow; one that is none of ours begins at the newest.
        """
        seen = self._marks(after)
        found = list(islice(self._merged(seen, n + 1), n + 1))
        for kind, row in found[:n]:
            seen[kind] = row.pk
        cursor = "-".join(str(seen[kind]) for kind in self._kinds) if len(found) > n else ""
        return self._told(found[:n]), cursor

    def entries(self) -> Iterator[Entry]:
        """All of them, in pieces."""
        entries, after = self.page(PIECE)
        yield from entries
        while after:
            entries, after = self.page(PIECE, after)
            yield from entries

    def count(self) -> int:
        """How many there are."""
        return sum(self._rows(kind).count() for kind in self._kinds)

    def _marks(self, cursor: str) -> dict[str, int]:
        told = cursor.split("-") if _CURSOR.fullmatch(cursor) else []
        if len(told) != len(self._kinds):
            told = [str(_NEVER_READ)] * len(self._kinds)
        return dict(zip(self._kinds, map(int, told), strict=True))

    def _merged(self, seen: Mapping[str, int], n: int) -> Iterator[tuple[str, Any]]:
        # Within one kind the order of the numbers: that of the writing, which cannot tie.
        pieces = [
            [(kind, row) for row in self._rows(kind).filter(pk__lt=seen[kind])[:n]]
            for kind in self._kinds
        ]
        return merge(*pieces, key=lambda each: _at(each[1]), reverse=True)

    def _rows(self, kind: str) -> QuerySet[Any]:
        if kind == READ:
            rows: QuerySet[Any] = RecordReading.objects.filter(site=self._site)
            by, at = "read_by_id", "read_at"
        else:
            model = _MODELS[kind]
            rows = EVENTS[model]._default_manager.filter(**{FOLLOWED[model][1]: self._site.pk})
            by, at = "pgh_context__user", "pgh_created_at"
        rows = rows.order_by("-pk")
        if self._only is not None:
            rows = rows.filter(**{by: self._only})
        if self._asked.by:
            # Nobody has the number 0.
            rows = rows.filter(**{by: self._id_of_asked or 0})
        return _within(rows, at, *self._bounds)

    @cached_property
    def _id_of_asked(self) -> int | None:
        found = User.objects.filter(username=self._asked.by).values_list("pk", flat=True)
        return found.first()

    @property
    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        asked = self._asked
        first, last = asked.since, asked.until and asked.until + timedelta(days=1)
        return (
            datetime.combine(first, time.min, asked.zone) if first else None,
            datetime.combine(last, time.min, asked.zone) if last else None,
        )

    def _told(self, found: Sequence[tuple[str, Any]]) -> list[Entry]:
        users, codes = _names(found), _codes(found)
        before = _before(found)
        return [
            _of_reading(row, users)
            if kind == READ
            else replace(
                _of_event(kind, row, users, codes),
                changed=_changed(before.get((kind, row.pk)), row),
            )
            for kind, row in found
        ]


def _within(
    rows: QuerySet[Any], at: str, first: datetime | None, last: datetime | None
) -> QuerySet[Any]:
    """Rows of those days, looked for no further than where their numbers can be.

    Rows are numbered when they are written and dated when their transaction began: somebody's of
    later number may be the earlier by as long as a transaction lasts, and no longer.
    """
    times = rows.model._default_manager.order_by(at)
    if first:
        before = times.filter(**{f"{at}__lt": first - LONGEST}).reverse()
        rows = rows.filter(**{f"{at}__gte": first}, pk__gt=Coalesce(_first_key(before), 0))
    if last:
        after = times.filter(**{f"{at}__gte": last + LONGEST})
        rows = rows.filter(**{f"{at}__lt": last}, pk__lt=Coalesce(_first_key(after), _NEVER_READ))
    return rows


def _first_key(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.values("pk")[:1])


_MODELS: dict[str, type[Model]] = {model._meta.model_name or "": model for model in FOLLOWED}


def _changed(before: Any, row: Any) -> tuple[tuple[str, Any, Any], ...]:
    """What an update changed; the number of another row tells a reader nothing."""
    found = changes_between(before, row) if before else ()
    return tuple(each for each in found if not each[0].endswith("_id"))


def _at(row: Any) -> datetime:
    found: datetime = row.read_at if isinstance(row, RecordReading) else row.pgh_created_at
    return found


def _of_reading(row: RecordReading, users: Mapping[int, str]) -> Entry:
    by = users.get(row.read_by_id, "")
    read = say("%(what)s, rows: %(n_rows)s", what=row.what, n_rows=row.n_rows)
    return Entry(row.read_at, READ, READ, read, None, by, "")


def _of_event(kind: str, row: Any, users: Mapping[int, str], codes: Mapping[Any, str]) -> Entry:
    said: dict[str, Any] = row.pgh_context or {}
    by = users.get(said.get("user") or 0) or said.get("source", "")
    record = getattr(row, "code", None) or codes.get(_whose(row), "")
    return Entry(
        row.pgh_created_at,
        kind,
        row.pgh_label,
        record or f"#{row.pgh_obj_id}",
        row.pgh_obj_id,
        by,
        said.get("reason", ""),
    )


def _whose(row: Any) -> tuple[type[Model], int] | None:
    """The person or the tube that an event's row is about, or the account."""
    for model, name in ((Sample, "sample_id"), (Participant, "participant_id"), (User, "user_id")):
        if number := getattr(row, name, None):
            return model, number
    return None


def _names(found: Iterable[tuple[str, Any]]) -> dict[int, str]:
    told = (
        row.read_by_id if kind == READ else (row.pgh_context or {}).get("user")
        for kind, row in found
    )
    ids = {int(user) for user in told if user}
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))


def _codes(found: Iterable[tuple[str, Any]]) -> dict[Any, str]:
    """Model and number -> the code by which people know it."""
    asked: dict[type[Model], set[int]] = defaultdict(set)
    for kind, row in found:
        if kind != READ and (whose := _whose(row)):
            asked[whose[0]].add(whose[1])
    return {
        (model, pk): name
        for model, ids in asked.items()
        for pk, name in model._default_manager.filter(pk__in=ids).values_list(
            "pk", "username" if model is User else "code"
        )
    }


def _before(found: Iterable[tuple[str, Any]]) -> dict[tuple[str, int], Any]:
    """Kind and number of an event -> the event of the same row before it."""
    asked: dict[str, list[int]] = defaultdict(list)
    for kind, row in found:
        if kind != READ and row.pgh_label == "update":
            asked[kind].append(row.pk)
    known: dict[tuple[str, int], Any] = {}
    for kind, ids in asked.items():
        events = EVENTS[_MODELS[kind]]._default_manager.all()
        earlier = events.filter(pgh_obj_id=OuterRef("pgh_obj_id"), pk__lt=OuterRef("pk"))
        latest = Subquery(earlier.order_by("-pk").values("pk")[:1])
        pairs = dict(events.filter(pk__in=ids).annotate(was=latest).values_list("pk", "was"))
        rows = events.in_bulk([was for was in pairs.values() if was])
        known |= {(kind, pk): rows.get(was) for pk, was in pairs.items()}
    return known
