"""What a person can ask about: named, so that nobody has to know a record's number."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from cohorts.language.told import told
from cohorts.models import AssayBatch, Shipment, Site, User
from cohorts.models.query import SUBJECTS
from cohorts.overview import Record, record_of, uploads_of
from cohorts.requests import zone_of

NEWEST = 15  # of each kind; another is asked about from its own page
BY_CODE: Final = ("participant", "sample")
Choices = list[tuple[str, Any]]


def named(user: User, site: Site, chosen: str) -> Record | None:
    """The record of ``kind:key``, as a link of its page or a choice of the form says it."""
    kind, _colon, key = chosen.partition(":")
    return record_of(user, site.code, kind, key) if key and kind in SUBJECTS else None


def choices(user: User, site: Site, chosen: str) -> Choices:
    """What was come from, the kinds that have a code, and the newest of those that have none."""
    record = named(user, site, chosen)
    came_from: Choices = [(chosen, told(str(record)))] if record else []
    by_code = [
        ("participant", _("A participant, by the code")),
        ("sample", _("A sample, by the code")),
    ]
    newest = [
        (_("The newest tables sent"), _tables(user, site)),
        (_("The newest assay batches"), _batches(user, site)),
        (_("The newest shipments"), _shipments(user, site)),
    ]
    return [*came_from, *by_code, *(group for group in newest if group[1])]


def _tables(user: User, site: Site) -> Choices:
    return [
        (f"upload:{sent.pk}", f"{sent.filename}, {_day(sent.received_at, site)}")
        for sent in uploads_of(site, user)[:NEWEST]
    ]


def _batches(user: User, site: Site) -> Choices:
    rows = AssayBatch.objects.visible_to(user).filter(site=site).order_by("-pk")[:NEWEST]
    words = _("Batch %(number)s: %(name)s")
    return [
        (
            f"batch:{each.pk}",
            words % {"number": each.pk, "name": f"{each.platform} {each.label}".strip()},
        )
        for each in rows
    ]


def _shipments(user: User, site: Site) -> Choices:
    rows = Shipment.objects.visible_to(user).filter(from_site=site).select_related("to_site")
    words = _("%(shipment)s to %(site)s, %(day)s")
    return [
        (
            f"shipment:{each.pk}",
            words
            % {
                "shipment": told(str(each)),
                "site": each.to_site.code,
                "day": _day(each.sent_at, site),
            },
        )
        for each in rows.order_by("-pk")[:NEWEST]
    ]


def _day(moment: datetime, site: Site) -> str:
    return date_format(moment.astimezone(zone_of(site)), "DATE_FORMAT")
