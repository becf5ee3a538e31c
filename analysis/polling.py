"""304 to whoever polls a run with a token: one read, before sessions and REST begin.

The ETag is keyed and holds the roles of the asker and the version of the run, so that nobody can
have one that was not given to them: who sends it back, under the same roles, of the same run, may
have the same answer still. Everything else goes the ordinary way.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import psycopg
from django.db import NotSupportedError, OperationalError, connection
from django.db.models import Subquery
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from psycopg import sql

from analysis.models import Run
from analysis.services import waiting
from analysis.services.run_versions import (
    is_working,
    marked,
    may_see_unreleased,
    newest_of_plan,
    release_rules,
)
from cohorts import access, bearer, conditional
from cohorts.models.account import digest_of

Answer = Callable[[HttpRequest], HttpResponseBase]
POLL_SECONDS = "2"
POLLED = re.compile(
    r"/api/v1/runs/(?:latest|(?P<run>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:/(?:effects|pooled|claims|harmonisation|classifier|severity))?)/?"
)
# They stand in the SQL that is made once, and give way to the values of each request.
DIGEST, AT, TODAY = "a token's digest", datetime.min.replace(tzinfo=UTC), date.min
RUN, PLAN = uuid.UUID(int=0), "a plan's name"
EACH = frozenset({DIGEST, AT, TODAY, RUN, PLAN})


@dataclass(frozen=True)
class Prepared:
    """SQL that the query sets have made, and the places of each request's values."""

    sql: str
    places: tuple[Any, ...]

    def read(self, given: dict[Any, Any]) -> tuple[Any, ...] | None:
        """Its one row."""
        # The connection is tried by the read itself, not by another one before it.
        connection.health_check_done = True  # type: ignore[attr-defined]  # not in its stubs
        connection.ensure_connection()
        driver: Any = connection.connection
        with connection.wrap_database_errors:
            # Past Django's cursor, which writes values into the text, and past its refusal to
            # prepare: only where values stay beside the text can the server keep a plan.
            driver.prepare_threshold = 0
            try:
                cursor = psycopg.Cursor(driver)
                cursor.execute(self.sql, [given[place] for place in self.places], prepare=True)
                return cursor.fetchone()
            finally:
                driver.prepare_threshold = None


def unchanged_runs(answer: Answer) -> Answer:
    """Middleware: what has not moved is said at once."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        return _unchanged(request) or answer(request)

    return answered


def etag(request: HttpRequest, standing: list[object], mark: str) -> str:
    """The ETag of an answer about a run, the same here and in the ordinary way."""
    return conditional.etag_of(
        conditional.question_of(request), standing, *release_rules(), mark.split(":")
    )


def _unchanged(request: HttpRequest) -> HttpResponseBase | None:
    key = bearer.key_of(request.META.get("HTTP_AUTHORIZATION", ""))
    if not key or "HTTP_IF_NONE_MATCH" not in request.META:
        return None
    asked = POLLED.fullmatch(request.path_info)
    if asked is None:
        return None
    today = timezone.localdate()
    given = {DIGEST: digest_of(key), AT: timezone.now(), TODAY: today}
    try:
        seen = _seen(request, asked["run"], given)
    except (OperationalError, NotSupportedError):
        # Gone, or its plan is of tables that a migration has changed since: the ordinary way makes
        # a new connection, or says that there is none.
        connection.close()
        return None
    return _answer(request, today, seen) if seen is not None else None


@dataclass(frozen=True)
class Seen:
    """Who asks, and the mark of what they ask for."""

    user_id: int
    roles: access.Standing
    last_used_at: datetime | None
    mark: str


def _seen(request: HttpRequest, run: str | None, given: dict[Any, Any]) -> Seen | None:
    if run is not None:
        row = _of_run().read(given | {RUN: uuid.UUID(run)})
    else:
        plan = QueryDict(request.META.get("QUERY_STRING", "")).get("plan", "")
        row = _of_latest().read(given | {PLAN: plan})
    if row is None:
        return None
    user_id, last_used_at, held, only, mark, *before_release = row
    roles = bearer.standing(held, only)
    if before_release and may_see_unreleased(roles):
        mark = before_release[0]
    return Seen(user_id, roles, last_used_at, mark) if mark else None


def _answer(request: HttpRequest, today: date, seen: Seen) -> HttpResponseBase | None:
    if bearer.due_for_writing(seen.last_used_at):
        return None
    tag = etag(request, conditional.standing(seen.user_id, today, seen.roles), seen.mark)
    working = is_working(seen.mark)
    if not conditional.not_modified(request, tag) or (working and waiting.is_asked(request)):
        return None
    answer = conditional.unchanged(tag)
    answer["Cache-Control"] = "private, no-cache"
    patch_vary_headers(answer, ("Authorization", "Cookie", "Accept"))
    if working:
        answer["Retry-After"] = POLL_SECONDS
    return answer


@cache
def _of_run() -> Prepared:
    return _prepared(marked(Run.objects.filter(pk=RUN)).order_by())


@cache
def _of_latest() -> Prepared:
    every = marked(newest_of_plan(Run.objects.all(), PLAN))
    return _prepared(every.filter(released_at__isnull=False), every)


def _prepared(*runs: Any) -> Prepared:
    marks = {f"mark_{n}": Subquery(each.values("mark")[:1]) for n, each in enumerate(runs)}
    found = bearer.tokens(DIGEST, AT, TODAY).annotate(**marks).order_by()
    query = found.values_list("user_id", "last_used_at", "held", "only", *marks).query
    text, values = query.sql_with_params()
    first, *pieces = text.split("%s")
    # What is always the same stands in the text, so that few values travel.
    whole = first + "".join(
        ("%s" if value in EACH else sql.Literal(value).as_string()) + piece
        for value, piece in zip(values, pieces, strict=True)
    )
    return Prepared(whole, tuple(value for value in values if value in EACH))
