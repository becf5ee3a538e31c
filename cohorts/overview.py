"""What stands in the books of a site, counted for one reader: the numbers of the portal's pages."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from cohorts import access, kept_counts
from cohorts.consent_state import ConsentState
from cohorts.models import (
    AssayBatch,
    Assessment,
    Participant,
    Sample,
    Shipment,
    Site,
    Upload,
    User,
)
from cohorts.models.upload import UploadQuerySet

COUNTED = ("participant", "consent", "sample", "assay")


@dataclass(frozen=True)
class SiteCounts:
    """None stands for what this reader may not see."""

    site: Site
    groups: tuple[tuple[str, int], ...] | None
    gaps: ConsentState | None
    n_samples: int | None
    n_batches: int | None
    last_upload: Upload | None

    @property
    def n_participants(self) -> int | None:
        return None if self.groups is None else sum(n for _, n in self.groups)


def counts_of(sites: Sequence[Site], user: User) -> list[SiteCounts]:
    """Each site's numbers as this user may see them; what the role does not open stays None."""
    shown = {
        site.pk: {name: access.may(user, name, "R", site.pk) for name in COUNTED} for site in sites
    }
    counted = kept_counts.counted([site for site in sites if any(shown[site.pk].values())])
    uploads = _last_uploads(sites, user)
    found = []
    for site in sites:
        reads, all_of_it = shown[site.pk], counted.get(site.pk)
        people = all_of_it if reads["participant"] else None
        found.append(
            SiteCounts(
                site=site,
                groups=people.groups if people else None,
                gaps=people.gaps if people and reads["consent"] else None,
                n_samples=all_of_it.n_samples if all_of_it and reads["sample"] else None,
                n_batches=all_of_it.n_batches if all_of_it and reads["assay"] else None,
                last_upload=uploads.get(site.pk),
            )
        )
    return found


def _last_uploads(sites: Sequence[Site], user: User) -> dict[int, Upload]:
    """Of each site, the newest upload of a kind whose content this user may read there."""
    by_kinds: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for site in sites:
        by_kinds[tuple(kinds_for(user, site, "R"))].append(site.pk)
    seen = Upload.objects.visible_to(user)
    keys: list[Any] = []
    for kinds, ids in by_kinds.items():
        theirs = seen.filter(site=OuterRef("pk"), kind__in=kinds).order_by("-received_at", "-id")
        newest = Site.objects.filter(pk__in=ids).annotate(newest=Subquery(theirs.values("pk")[:1]))
        keys += newest.values_list("newest", flat=True)
    return {found.site_id: found for found in seen.filter(pk__in=[key for key in keys if key])}


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
