"""What stands in the books of a site, counted for one reader: the numbers of the portal's pages."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from cohorts import access, clock
from cohorts.consent_state import ConsentState, state_of
from cohorts.models import (
    AssayBatch,
    Assessment,
    Participant,
    Query,
    Sample,
    Shipment,
    Site,
    Upload,
    User,
)
from cohorts.models.upload import UploadQuerySet


@dataclass(frozen=True)
class SiteCounts:
    """None stands for what this reader may not see."""

    site: Site
    groups: tuple[tuple[str, int], ...] | None
    gaps: ConsentState | None
    n_samples: int | None
    n_batches: int | None
    n_queries: int | None
    last_upload: Upload | None

    @property
    def n_participants(self) -> int | None:
        return None if self.groups is None else sum(n for _, n in self.groups)


def counts_of(site: Site, user: User) -> SiteCounts:
    """The site's numbers as this user may see them; what the role does not open stays None."""

    def reads(resource: str) -> bool:
        return access.may(user, resource, "R", site.pk)

    return SiteCounts(
        site=site,
        groups=_groups(site) if reads("participant") else None,
        gaps=state_of(site, clock.today()) if reads("participant") and reads("consent") else None,
        n_samples=Sample.objects.filter(site=site).count() if reads("sample") else None,
        n_batches=AssayBatch.objects.filter(site=site).accepted().count()
        if reads("assay")
        else None,
        n_queries=Query.objects.visible_to(user).filter(site=site).unsettled().count()
        if reads("query")
        else None,
        last_upload=uploads_of(site, user).first(),
    )


def _groups(site: Site) -> tuple[tuple[str, int], ...]:
    found = (
        Participant.objects.filter(site=site)
        .counted()
        .values_list("group")
        .annotate(n=Count("pk"))
        .order_by("-n", "group")
    )
    return tuple((group, n) for group, n in found)


def uploads_of(site: Site, user: User) -> UploadQuerySet:
    """Uploads of the site, newest first, of the kinds whose content this user may read."""
    found: UploadQuerySet = (
        Upload.objects.visible_to(user)
        .filter(site=site, kind__in=kinds_for(user, site, "R"))
        .select_related("site", "sent_by")
    )
    return found


def kinds_for(user: User, site: Site, verbs: str) -> Sequence[str]:
    """Kinds of table on whose rows the role at that site gives this user any of the verbs."""
    return [
        kind
        for kind, resource in access.UPLOAD_KINDS.items()
        if any(access.may(user, resource, verb, site.pk) for verb in verbs)
    ]


Record = Participant | Sample | Upload | AssayBatch | Assessment | Shipment


def record_of(user: User, site_code: str, kind: str, key: str) -> Record | None:
    """The record that a person names by kind and by code or id, if they see it at that site."""
    rows: Any
    if kind == "participant":
        rows = Participant.objects.filter(code=key)
    elif kind == "sample":
        rows = Sample.objects.filter(code=key)
    elif kind == "upload":
        rows = Upload.objects.filter(pk__in=_uuids(key))
    elif kind == "batch":
        rows = AssayBatch.objects.filter(pk__in=_numbers(key))
    elif kind == "shipment":
        rows = Shipment.objects.filter(pk__in=_numbers(key))
    else:
        rows = Assessment.objects.filter(pk__in=_numbers(key))
    paths = {"assessment": "participant__site", "shipment": "from_site"}
    path = paths.get(kind, "site")
    found: Record | None = rows.filter(**{f"{path}__code": site_code}).visible_to(user).first()
    if isinstance(found, Upload) and found.kind not in kinds_for(user, found.site, "R"):
        return None
    return found


def _numbers(key: str) -> list[int]:
    return [int(key)] if key.isascii() and key.isdigit() and len(key) < 18 else []


def _uuids(key: str) -> list[uuid.UUID]:
    try:
        return [uuid.UUID(key)]
    except ValueError:
        return []
