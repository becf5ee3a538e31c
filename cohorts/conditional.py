"""ETags: what an answer rests on, told before the answer is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Count, Max, Sum
from django.db.models.expressions import RawSQL
from django.http import HttpResponseNotModified
from django.utils import timezone
from django.utils.http import parse_etags
from rest_framework.request import Request

from cohorts.models import Change, Membership, Site, User


def etag_of(*parts: object) -> str:
    """A strong ETag: equal parts, equal answer."""
    text = json.dumps(parts, default=str, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def not_modified(request: Request, etag: str) -> bool:
    """Whether the caller holds this very answer (RFC 9110, 13.1.2: compared weakly)."""
    if request.method not in ("GET", "HEAD"):
        return False
    held = parse_etags(request.headers.get("If-None-Match", ""))
    return held == ["*"] or etag in {tag.removeprefix("W/") for tag in held}


def unchanged(etag: str) -> HttpResponseNotModified:
    """304 under the same ETag."""
    return HttpResponseNotModified(headers={"ETag": etag})


def row_version(model: type[models.Model]) -> RawSQL:
    """The transaction that last wrote the row: moves at every UPDATE, whoever made it."""
    table = model._meta.db_table
    return RawSQL(f'"{table}"."xmin"::text::bigint', [])  # noqa: S611 - a table's own name


def version_of(rows: models.QuerySet[Any]) -> list[object]:
    """Moves when one of these rows is added, changed or deleted; a scan, so for short tables."""
    seen = rows.order_by().annotate(row_version=row_version(rows.model))
    return list(seen.aggregate(Count("pk"), Sum("row_version")).values())


def standing_of(user: User | AnonymousUser) -> list[object]:
    """What the caller's rights rest on today: they begin and end on calendar days."""
    today = timezone.localdate()
    roles = Membership.objects.filter(user_id=user.pk or 0).in_force(today).order_by("pk")
    return [user.pk, str(today), *map(str, roles.values_list("role", "site_id"))]


def records_version(user: User | AnonymousUser) -> list[object]:
    """Moves with the records and sites that the caller may see, and with nobody else's."""
    newest = Change.objects.visible_to(user).aggregate(n=Max("pk"))["n"]
    return [newest, *version_of(Site.objects.visible_to(user))]


def page_version(page: Iterable[Any]) -> list[tuple[str, int]]:
    """Versions of the rows of a page, which were read with ``row_version``."""
    return [(str(row.pk), row.row_version) for row in page]
