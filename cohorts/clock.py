"""What day it is: the database's clock, so that all machines agree."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection
from django.utils import timezone

if TYPE_CHECKING:
    from cohorts.models import Site


def today() -> date:
    """The calendar day, in the study's time zone.

    A web server or a worker whose own clock is wrong must neither put off a withdrawal nor use a
    consent that has ended.
    """
    return _day(timezone.get_default_timezone_name())


def today_at(site: Site) -> date:
    """The calendar day where the site is: what its people write down as today."""
    return _day(site.time_zone)


def zone_named(name: str) -> ZoneInfo:
    """Where a site's clocks are; UTC for a zone that nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _day(zone: str) -> date:
    with connection.cursor() as cursor:
        cursor.execute("SELECT (statement_timestamp() AT TIME ZONE %s)::date", [zone])
        (day,) = cursor.fetchone()
    assert isinstance(day, date)  # noqa: S101 - the query returns one
    return day
