"""A page of a site is written by the site's clock: no day of the study's is to be read on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.utils import timezone
from django.utils.formats import date_format

from cohorts import clock
from cohorts.models import Site
from cohorts.services import consent
from tests.factories import user_with
from tests.portal import shelf
from tests.portal.test_every_page import all_pages, unseen

pytestmark = pytest.mark.django_db
FORMS = {
    "enrol",
    "visit",
    "move",
    "consent",
    "withdrawal",
    "upload",
    "correct",
    "merge",
    "interview",
}
FORMS |= {"scale", "second-entry", "box-new", "scan", "labels"}
OF_THE_STUDY = ("/account/", "/studies/", "/features/", "/staff/")


@pytest.fixture
def study_day(monkeypatch):
    """It is early on a day that has not begun where the site is."""
    day = timezone.localdate() + timedelta(days=1)
    monkeypatch.setattr(clock, "today", lambda: day)
    monkeypatch.setattr(
        clock,
        "today_at",
        lambda site: timezone.localdate(timezone=clock.zone_named(site.time_zone)),
    )
    with time_machine.travel(datetime.combine(day, time(3), UTC), tick=False):
        yield day


def test_no_page_of_the_url_table_tells_a_day_that_has_not_begun_at_its_site(study_day, browse):
    full = shelf.filled()
    Site.objects.update(time_zone="Etc/GMT+12")
    full.site.refresh_from_db()
    pages = all_pages(full)
    assert unseen(pages.values()) == set()
    consent.withdraw(full.person.pk, level=1, by=user_with("SC", full.site))
    said = re.compile("|".join(map(re.escape, (date_format(study_day), f"{study_day}"))))
    found, n_seen = [], 0
    for role in ("SC", "LT", "SD"):
        seen = browse(user_with(role, full.site))
        for name, address in pages[role]:
            if name in FORMS or address.startswith(OF_THE_STUDY):
                continue
            main = seen.get(address).content.decode().partition("<main")[2]
            words = " ".join(re.sub("<[^>]*>", " ", main).split())
            n_seen += f"{study_day - timedelta(days=1):%Y}" in words
            found += [
                (address, words[max(at.start() - 60, 0) : at.end() + 20])
                for at in said.finditer(words)
                if "UTC" not in words[at.end() : at.end() + 20]
            ]
    assert found == []
    assert n_seen > 10
