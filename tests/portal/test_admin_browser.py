"""The first page of the admin in a real browser: nothing is blocked, nothing sticks out."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from analysis.models import Plan, Run
from cohorts.models import Site
from tests.factories import StudyFactory, user_with
from tests.portal import books

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failed():
    plan = Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})
    return Run.objects.create(plan=plan, state="failed", failure="no age")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_page_of_the_admin_fits_and_is_not_blocked(open_as, failed, width, scheme):
    size = {"width": width, "height": 900}
    page = open_as(user_with("CD"), viewport=size, color_scheme=scheme)
    page.goto("/admin/")
    row = page.get_by_role("row").filter(has_text="Runs that failed")
    expect(row).to_contain_text("Look at it")
    assert page.locator("#operations").bounding_box()["width"] <= width
    assert page.complaints == []
    row.get_by_role("link").click()
    expect(page.locator("#result_list")).to_contain_text("failed")


def test_a_site_is_paused_with_its_reason_in_the_browser(open_as):
    books.two_sites()
    page = open_as(user_with("CD"))
    page.goto("/admin/cohorts/site/")
    page.get_by_role("row").filter(has_text="FUK").get_by_role("checkbox").check()
    page.get_by_label("Action").select_option("pause")
    page.get_by_label("Reason to pause").fill("The tubes were mixed up.")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("FUK is paused.")).to_be_visible()
    assert Site.objects.get(code="FUK").paused_because == "The tubes were mixed up."
    assert page.complaints == []
