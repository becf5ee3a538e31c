"""ETags: what an answer rests on, told before the answer is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils import timezone
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import access
from cohorts.api import throttling
from cohorts.models import Change, Site, User


def etag_of(*parts: object) -> str:
    """A strong ETag: equal parts, equal answer."""
    text = json.dumps(parts, default=str, separators=(",", ":"))
    return f'"{hashlib.blake2b(text.encode(), key=_key(), digest_size=16).hexdigest()}"'


@cache
def _key() -> bytes:
    # Keyed, so that nobody can ask by an ETag of their own making whether something is so.
    return hashlib.sha256(f"etag {settings.SECRET_KEY}".encode()).digest()


def question_of(request: HttpRequest) -> list[str]:
    """What is asked, and in which form; how long to wait for it is no part of the answer."""
    return question_in(request.META, request.path)


def question_in(meta: dict[str, Any], path: str) -> list[str]:
    """The same before there is a request."""
    parts = meta.get("QUERY_STRING", "").split("&")
    query = "&".join(part for part in parts if part[:5] != "wait=")
    return [path, query, meta.get("HTTP_ACCEPT", "")]


def not_modified(request: Request | HttpRequest, etag: str) -> bool:
    """Whether the caller holds this very answer (RFC 9110, 13.1.2: compared weakly)."""
    if request.method not in ("GET", "HEAD"):
        return False
    return holds(request.META.get("HTTP_IF_NONE_MATCH", ""), etag)


def holds(if_none_match: str, etag: str) -> bool:
    """Whether the header names this answer."""
    if if_none_match == etag:  # nearly always, and many times quicker than to take it apart
        return True
    held = parse_etags(if_none_match)
    return held == ["*"] or etag in {tag.removeprefix("W/") for tag in held}


def unchanged(etag: str) -> HttpResponseNotModified:
    """304 under the same ETag."""
    return HttpResponseNotModified(headers={"ETag": etag})


class RowVersion(models.Func):
    """The transaction that last wrote the row: moves at every UPDATE, whoever made it."""

    def __init__(self) -> None:
        super().__init__(models.F("pk"), output_field=models.BigIntegerField())

    def as_sql(  # type: ignore[override]  # it takes no template
        self, compiler: Any, connection: Any, **more: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        (key,) = self.get_source_expressions()
        return f'{compiler.quote_name_unless_alias(key.alias)}."xmin"::text::bigint', ()


def version_of(rows: models.QuerySet[Any]) -> list[object]:
    """Moves when one of these rows is added, changed or deleted; a scan, so for short tables."""
    seen = rows.order_by().annotate(row_version=RowVersion())
    return list(seen.aggregate(Count("pk"), Sum("row_version")).values())


def standing_of(user: User | AnonymousUser) -> list[object]:
    """What the caller's rights rest on today: they begin and end on calendar days."""
    roles = access.standing_of(user) if user.is_authenticated else ()
    return standing(user.pk, timezone.localdate(), roles)


def standing(user_id: int | None, today: date, roles: access.Standing) -> list[object]:
    """The same of somebody whose roles have been read already."""
    return [user_id, str(today), *roles]


def records_version(user: User | AnonymousUser) -> list[object]:
    """Moves with the records and sites that the caller may see, and with nobody else's."""
    newest = Change.objects.visible_to(user).aggregate(n=Max("pk"))["n"]
    return [newest, *version_of(Site.objects.visible_to(user))]


def page_version(page: Iterable[Any]) -> list[tuple[str, int]]:
    """Versions of the rows of a page, which were read with ``row_version``."""
    return [(str(row.pk), row.row_version) for row in page]


def with_etag(request: Request, answer: Any) -> Any:
    """The answer with an ETag of its content where it has none yet, or the 304 to it.

    It spares the line and not the database: what is polled has one that needs no answer made.
    """
    if answer.has_header("ETag") or answer.streaming:
        return answer
    if isinstance(answer, Response):  # its content is made when it is sent
        answer.add_post_render_callback(partial(_of_content, request))
        return answer
    return _of_content(request, answer)


def _of_content(request: Request, answer: HttpResponse) -> HttpResponse:
    etag = etag_of(hashlib.sha256(answer.content).hexdigest())
    told: HttpResponse = answer
    if not_modified(request, etag):
        told = unchanged(etag)
        throttling.take_back(request)
    for name in ("Cache-Control", "Vary"):
        told[name] = answer[name]
    told["ETag"] = etag
    return told
