"""304 to whoever polls a run with a token: one read, before sessions and REST begin.

The ETag is keyed and holds the roles of the asker and the version of the run, so that nobody can
have one that was not given to them: who sends it back, under the same roles, of the same run, may
have the same answer still. Everything else goes the ordinary way.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models import Subquery
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotModified, QueryDict
from django.utils import timezone
from psycopg import sql

from analysis.api import unmoved
from analysis.models import Run
from analysis.prepared import Prepared
from analysis.services.run_versions import (
    is_working,
    marked,
    may_see_unreleased,
    newest_of_plan,
    release_rules,
)
from cohorts import access
from cohorts.api import bearer, conditional
from cohorts.models.account import digest_of

Answer = Callable[[HttpRequest], HttpResponseBase]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
POLL_SECONDS, VARY = "2", "Authorization, Cookie, Accept"
REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")  # as hikiproject/logs.py takes one
POLLED = re.compile(
    r"/api/v1/runs/(?:latest|(?P<run>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?:/(?:effects|pooled|claims|harmonisation|classifier|severity))?)/?"
)
# They stand in the SQL that is made once, and give way to the values of each request.
DIGEST, AT, TODAY = "a token's digest", datetime.min.replace(tzinfo=UTC), date.min
RUN, PLAN = uuid.UUID(int=0), "a plan's name"
EACH = frozenset({DIGEST, AT, TODAY, RUN, PLAN})


def unchanged_runs(answer: Answer) -> Answer:
    """Middleware: what has not moved is said at once."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        headers = unchanged(request.META)
        return HttpResponseNotModified(headers=headers) if headers else answer(request)

    return answered


def at_the_door(
    application: Application, before: Callable[[], None] = close_old_connections
) -> Application:
    """The same before Django makes a request of it: most of what an empty view costs is saved.

    Where plain HTTP is sent on to HTTPS, that stays Django's to do. ``before`` is what Django does
    at the start of each request.
    """

    def answered(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = None
        if "HTTP_IF_NONE_MATCH" in environ and _secure_enough(environ):
            before()
            headers = unchanged(environ)
        if headers is None:
            return application(environ, start_response)
        given = environ.get("HTTP_X_REQUEST_ID", "")
        headers["X-Request-ID"] = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        start_response("304 Not Modified", list(headers.items()))
        return ()

    return answered


def _secure_enough(environ: dict[str, Any]) -> bool:
    if not settings.SECURE_SSL_REDIRECT or environ["wsgi.url_scheme"] == "https":
        return True
    name, value = settings.SECURE_PROXY_SSL_HEADER or ("", "")
    return bool(name) and environ.get(name, "").split(",")[0].strip() == value


def etag(request: HttpRequest, standing: list[object], mark: str) -> str:
    """The ETag of an answer about a run, the same here and in the ordinary way."""
    return _etag(conditional.question_of(request), standing, mark)


def _etag(question: list[str], standing: list[object], mark: str) -> str:
    return conditional.etag_of(question, standing, *release_rules(), mark.split(":"))


def unchanged(meta: dict[str, Any]) -> dict[str, str] | None:
    """Headers of a 304; None for everything that goes the ordinary way."""
    held = meta.get("HTTP_IF_NONE_MATCH")
    if held is None or meta["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return None
    question = unmoved.question_of(meta)
    try:
        return unmoved.told(question) or _read_anew(meta, held, question)
    except Error:
        # The connection is gone, or its plan is of tables that a migration has changed since: the
        # ordinary way makes a new one, or says that there is none.
        connection.close()
        return None


def _read_anew(meta: dict[str, Any], held: str, question: bytes) -> dict[str, str] | None:
    asked = POLLED.fullmatch(meta["PATH_INFO"])
    key = bearer.key_of(meta.get("HTTP_AUTHORIZATION", "")) if asked else None
    if asked is None or not key:
        return None
    today = timezone.localdate()
    given = {DIGEST: digest_of(key), AT: timezone.now(), TODAY: today}
    seen = _seen(meta.get("QUERY_STRING", ""), asked["run"], given)
    headers = _headers(meta, held, today, seen) if seen is not None else None
    if seen is not None and headers is not None:
        unmoved.remember(question, headers, seen.snapshot, _ends_at(seen, today))
    return headers


@dataclass(frozen=True)
class Seen:
    """Who asks, and the mark of what they ask for."""

    user_id: int
    roles: access.Standing
    last_used_at: datetime | None
    expires_at: datetime
    snapshot: str
    mark: str


def _seen(query: str, run: str | None, given: dict[Any, Any]) -> Seen | None:
    if run is not None:
        row = _of_run().read(given | {RUN: uuid.UUID(run)})
    else:
        plan = QueryDict(query).get("plan", "")
        row = _of_latest().read(given | {PLAN: plan})
    if row is None:
        return None
    user_id, last_used_at, expires_at, held, only, snapshot, mark, *before_release = row
    roles = bearer.standing(held, only)
    if before_release and may_see_unreleased(roles):
        mark = before_release[0]
    return Seen(user_id, roles, last_used_at, expires_at, snapshot, mark) if mark else None


def _ends_at(seen: Seen, today: date) -> datetime:
    """When the same rows may mean another answer: at the token's end, at midnight, or when its use
    is to be written down."""
    midnight = timezone.make_aware(datetime.combine(today + timedelta(days=1), time.min))
    return min(seen.expires_at, midnight, bearer.written_until(seen.last_used_at))


def _headers(meta: dict[str, Any], held: str, today: date, seen: Seen) -> dict[str, str] | None:
    if bearer.due_for_writing(seen.last_used_at):
        return None
    question = conditional.question_in(meta, meta.get("SCRIPT_NAME", "") + meta["PATH_INFO"])
    tag = _etag(question, conditional.standing(seen.user_id, today, seen.roles), seen.mark)
    working = is_working(seen.mark)
    waits = working and "wait=" in meta.get("QUERY_STRING", "")
    if waits or not conditional.holds(held, tag):
        return None
    told = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": VARY}
    return told | ({"Retry-After": POLL_SECONDS} if working else {})


@cache
def _of_run() -> Prepared:
    return _prepared(marked(Run.objects.filter(pk=RUN)).order_by())


@cache
def _of_latest() -> Prepared:
    every = marked(newest_of_plan(Run.objects.all(), PLAN))
    return _prepared(every.filter(released_at__isnull=False), every)


def _prepared(*runs: Any) -> Prepared:
    marks = {f"mark_{n}": Subquery(each.values("mark")[:1]) for n, each in enumerate(runs)}
    found = bearer.tokens(DIGEST, AT, TODAY).annotate(snapshot=unmoved.snapshot(), **marks)
    columns = ("user_id", "last_used_at", "expires_at", "held", "only", "snapshot", *marks)
    query = found.order_by().values_list(*columns).query
    text, values = query.sql_with_params()
    first, *pieces = text.split("%s")
    # What is always the same stands in the text, so that few values travel.
    whole = first + "".join(
        ("%s" if value in EACH else sql.Literal(value).as_string()) + piece
        for value, piece in zip(values, pieces, strict=True)
    )
    return Prepared(whole, tuple(value for value in values if value in EACH))
