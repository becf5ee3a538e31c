"""304 to whoever polls a run with a token: one read, before sessions and REST begin.

The ETag is keyed and holds the roles of the asker and the version of the run, so that nobody can
have one that was not given to them: who sends it back, under the same roles, of the same run, may
have the same answer still. Everything else goes the ordinary way.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models import F, Func, Subquery, TextField, Value
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotModified, QueryDict
from django.utils import timezone

from analysis.models import Run
from analysis.prepared import Prepared
from analysis.services.run_versions import (
    is_working,
    marked,
    may_see_unreleased,
    newest_of_plan,
    release_rules,
)
from cohorts.api import bearer, conditional
from cohorts.models.account import digest_of

Answer = Callable[[HttpRequest], HttpResponseBase]
Row = tuple[str | None, ...]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
POLL_SECONDS, VARY = "2", "Authorization, Cookie, Accept"
REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")  # as hikiproject/logs.py takes one
POLLED = re.compile(
    r"/api/v1/runs/(?:latest|(?P<run>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?P<part>/(?:effects|pooled|claims|harmonisation|classifier|severity))?)/?"
)
# They stand in the SQL that is made once, and give way to the values of each request.
DIGEST, TODAY = "a token's digest", date.min
AT, USED_SINCE = (datetime(year, 1, 1, tzinfo=UTC) for year in (1, 2))
RUN, PLAN = uuid.UUID(int=0), "a plan's name"
EACH = frozenset({DIGEST, AT, USED_SINCE, TODAY, RUN, PLAN})


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
        headers["X-Request-ID"] = given if REQUEST_ID.fullmatch(given) else token_hex(16)
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
    return _etag(conditional.question_of(request), standing, release_rules(), mark)


def _etag(question: list[str], standing: list[object], rules: tuple[int, int], mark: str) -> str:
    return conditional.etag_of(question, standing, *rules, mark.split(":"))


def unchanged(meta: dict[str, Any]) -> dict[str, str] | None:
    """Headers of a 304; None for everything that goes the ordinary way."""
    held = meta.get("HTTP_IF_NONE_MATCH")
    if held is None or meta["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return None
    asked = POLLED.fullmatch(meta["PATH_INFO"])
    key = bearer.key_of(meta.get("HTTP_AUTHORIZATION", "")) if asked else None
    if asked is None or not key:
        return None
    today, moment = _moment(timezone.now().replace(microsecond=0))
    try:
        row = _row(meta.get("QUERY_STRING", ""), asked, {DIGEST: digest_of(key), **moment})
    except Error:
        # The connection is gone, or its plan is of tables that a migration has changed since: the
        # ordinary way makes a new one, or says that there is none.
        connection.close()
        return None
    return _headers(meta, held, today, row) if row is not None else None


@lru_cache(maxsize=2)
def _moment(second: datetime) -> tuple[date, Mapping[Any, str]]:
    """The day and what is asked of times, once a second for all polls in it.

    A token that ends in this second is left to the ordinary way, which knows the very moment.
    """
    today = timezone.localdate(second)
    times = {AT: second + timedelta(seconds=1), USED_SINCE: bearer.used_since(second), TODAY: today}
    return today, {place: at.isoformat() for place, at in times.items()}


def _row(query: str, asked: re.Match[str], given: dict[Any, str]) -> Row | None:
    if asked["run"] is not None:
        read = _of_result if asked["part"] else _of_run
        return read().read(given | {RUN: asked["run"]})
    plan = QueryDict(query).get("plan", "")
    return _of_latest().read(given | {PLAN: plan}) if "\0" not in plan else None


def _headers(meta: dict[str, Any], held: str, today: date, row: Row) -> dict[str, str] | None:
    query = meta.get("QUERY_STRING", "")
    path = meta.get("SCRIPT_NAME", "") + meta["PATH_INFO"]
    told = _told(path, query, meta.get("HTTP_ACCEPT", ""), today, release_rules(), row)
    waits = "Retry-After" in told and "wait=" in query
    return dict(told) if told and not waits and conditional.holds(held, told["ETag"]) else None


@lru_cache(maxsize=2_000)
def _told(
    path: str, query: str, accept: str, today: date, rules: tuple[int, int], row: Row
) -> Mapping[str, str]:
    """Headers of an answer that rests on these, and on nothing else; none where there is none.

    The mark is the last that the asker may see: a run before its release only for few roles.
    """
    user_id, held, only, released, *newest = row
    roles = bearer.standing((held or "").split(), [int(site) for site in (only or "").split()])
    mark = newest[0] if newest and may_see_unreleased(roles) else released
    if not mark:
        return {}
    question = conditional.question_in({"QUERY_STRING": query, "HTTP_ACCEPT": accept}, path)
    tag = _etag(question, conditional.standing(int(user_id or 0), today, roles), rules, mark)
    told = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": VARY}
    return told | ({"Retry-After": POLL_SECONDS} if is_working(mark) else {})


@cache
def _of_result() -> Prepared:
    return _prepared(marked(Run.objects.filter(pk=RUN)).order_by())


@cache
def _of_run() -> Prepared:
    """What is told of a run beside its results: also whether a newer one supersedes it."""
    run, every = Run.objects.filter(pk=RUN), Run.objects.all()
    return _prepared(*(marked(run, among).order_by() for among in (every.released(), every)))


@cache
def _of_latest() -> Prepared:
    every = marked(newest_of_plan(Run.objects.all(), PLAN))
    return _prepared(every.filter(released_at__isnull=False), every)


def _prepared(*runs: Any) -> Prepared:
    """A use that is to be written down finds nothing here: the ordinary way writes it."""
    marks = {f"mark_{n}": Subquery(each.values("mark")[:1]) for n, each in enumerate(runs)}
    found = bearer.tokens(DIGEST, AT, TODAY).filter(last_used_at__gte=USED_SINCE)
    told = found.annotate(held_text=_one_text("held"), only_text=_one_text("only"), **marks)
    columns = ("user_id", "held_text", "only_text", *marks)
    return Prepared.of(told.order_by().values_list(*columns).query, EACH)


def _one_text(array: str) -> Func:
    return Func(F(array), Value(" "), function="array_to_string", output_field=TextField())
