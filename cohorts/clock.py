"""What day it is for the study: the database's clock, so that all machines agree."""

from __future__ import annotations

from datetime import date

from django.db import connection
from django.utils import timezone


def today() -> date:
    """The calendar day, in the study's time zone, on the database's clock.

    A web server or a worker whose own clock is wrong must neither put off a withdrawal nor use a
    consent that has ended.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (statement_timestamp() AT TIME ZONE %s)::date",
            [timezone.get_default_timezone_name()],
        )
        (day,) = cursor.fetchone()
    assert isinstance(day, date)  # noqa: S101 - the query returns one
    return day
