"""From the table that is sent to the result of it, with a worker that really computes."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from analysis.models import Run
from analysis.services import freshness
from cohorts.models import Sample
from tests.analysis.conftest import FEATURES, consortium, plan  # noqa: F401 - fixtures
from tests.factories import user_with
from tests.faults.conftest import platform  # noqa: F401 - fixture
from tests.portal import books
from tests.portal.books import csv

pytestmark = pytest.mark.django_db(transaction=True)
A_RUN = 60_000  # ms, on a slow machine


def new_values(site) -> str:
    """A second table of that site's tubes."""
    tubes = Sample.objects.filter(site=site).order_by("code")
    rows = [
        ",".join([tube.code, *(f"{1 + (n * 7 + m * 3) % 11}.5" for m in range(len(FEATURES)))])
        for n, tube in enumerate(tubes)
    ]
    return "\n".join([",".join(["sample", *FEATURES]), *rows, ""])


def test_a_table_is_sent_and_accepted_and_its_run_is_followed_to_the_result(
    open_as,
    platform,  # noqa: F811 - fixture
    consortium,  # noqa: F811 - fixture
    settings,
):
    settings.DISCLOSURE_K = 5
    site = consortium[0]
    page = open_as(user_with("SD", site))
    page.goto(f"/sites/{site.code}/upload/")
    page.get_by_label("What is in the table").select_option("assays")
    page.get_by_label("File", exact=True).set_input_files([csv(new_values(site), "again.csv")])
    page.get_by_label("Platform").fill("second LC-MS")
    page.get_by_label("Material").fill("plasma")
    page.get_by_label("Unit", exact=True).fill("umol/L")
    page.get_by_role("button", name="Check the table").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted.")).to_be_visible()
    following = page.locator("#moving")
    expect(following.get_by_role("heading", name="The runs that follow")).to_be_visible()
    expect(following.get_by_text(re.compile(r"quick v1 was published at"))).to_be_visible(
        timeout=A_RUN
    )
    following.get_by_role("link", name="open the run").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("quick")
    run = Run.objects.published().latest("published_at")
    assert str(run.pk) in page.url
    assert freshness.why_stale(run.plan) == ""
    assert page.complaints == []


@pytest.mark.parametrize("since", ["tomorrow", "2026-01-01", "2026-13-01T00:00:00+00:00", "'"])
def test_what_is_no_moment_follows_nothing(browse, since):
    answer = browse(user_with("CD")).get("/runs/", {"since": since})
    assert answer.status_code == 200
    assert "The runs that follow" not in answer.text


def test_runs_that_ended_before_the_acceptance_do_not_follow_it(browse):
    books.concluded(books.run_of(books.followed_plan()))
    Run.objects.update(started_at=datetime(2026, 5, 1, 12, tzinfo=UTC))
    page = browse(user_with("CD"))
    before = page.get("/runs/", {"since": "2026-05-01T20:00:00+09:00"})
    assert "kyushu-2022 v1 was published at" in before.text
    after = page.get("/runs/", {"since": "2026-05-01T22:00:00+09:00"})
    assert "No run has begun since" in after.text
