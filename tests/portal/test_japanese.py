"""A coordinator's pages in Japanese: of that language, and readable for everybody."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.factories import user_with
from tests.portal import books, shelf

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


def test_choices_of_the_token_form_stand_in_lines_of_their_own(open_as):
    page = open_as(user_with("CA"), locale="ja-JP", viewport={"width": 390, "height": 900})
    page.goto("/account/tokens/")
    (read, write, start) = (
        page.locator(f"label:has(input[value={scope}])").bounding_box()
        for scope in ("read", "write", "start")
    )
    assert read["y"] + read["height"] <= write["y"] + 1
    assert write["y"] + write["height"] <= start["y"] + 1
    assert read["height"] < 40  # one line, and not one letter a line


def test_records_and_their_values_are_in_japanese(open_as):
    full = shelf.filled()
    page = open_as(user_with("LT", full.site), locale="ja-JP")
    page.goto(f"/samples/{full.tube.pk}/")
    expect(page.locator("main")).to_contain_text("血漿、参加者 FUK-000")
    expect(page.locator("main")).to_contain_text("EDTA-07 1/1 に収納")
    page.goto(f"/shipments/{full.sent.pk}/")
    expect(page.get_by_role("cell", name="融解", exact=True)).to_be_visible()
    page.goto("/sites/FUK/")
    expect(page.locator("main")).not_to_contain_text("plasma)")


def test_the_language_is_chosen_in_the_foot_and_remembered(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SC", site), java_script_enabled=False)
    page.goto("/sites/FUK/")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.goto("/account/tokens/")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
