"""A coordinator's pages in Japanese: of that language, and readable for everybody."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.factories import user_with
from tests.portal import books

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = ("/", "/sites/FUK/", "/sites/FUK/upload/", "/sites/FUK/consent/", "/account/tokens/")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_coordinator_works_in_japanese(open_as, width, scheme):
    site, _ = books.two_sites()
    books.concluded(books.run_of(books.followed_plan()))
    page = open_as(
        user_with("SC", site),
        locale="ja-JP",
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    faults = []
    for address in PAGES:
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("lang", "ja")
        faults += [(address, found["id"]) for found in Axe().run(page).response["violations"]]
        sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        faults += [(address, "scrolls sideways")] * page.evaluate(sideways)
    assert faults + page.complaints == []


def test_the_language_is_chosen_in_the_foot_and_remembered(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SC", site), java_script_enabled=False)
    page.goto("/sites/FUK/")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.goto("/account/tokens/")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
