"""Reports on paper: looked at as PDF pages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.factories import user_with
from tests.portal import shelf

pytestmark = pytest.mark.django_db(transaction=True)
A4 = {"width": 718, "height": 1000}  # 210 mm less the margins, in the pixels of style sheets
TOO_WIDE = """() => [...document.querySelectorAll("main td, main th, main .sheet")].filter(
    each => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1
).map(each => each.innerText.slice(0, 60))"""


def test_a_report_is_printed_light_opened_out_and_without_what_is_pressed(
    open_as, pictures, picture
):
    full = shelf.filled()
    page = open_as(user_with("CD"), color_scheme="dark")
    page.goto(f"/runs/{full.run.pk}/")
    hidden = page.locator("details table").first
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for seen in ("header.top", "footer.foot", "main form"):
        for each in page.locator(seen).all():
            expect(each).to_be_hidden()
    if hidden.count():
        expect(hidden).to_be_visible()
    page.set_viewport_size(A4)
    picture(page, "run-paper")
    for name, address in (
        ("run", f"/runs/{full.run.pk}/"),
        ("claim", "/claims/K22-2/"),
        ("batch", f"/batches/{full.batch.pk}/"),
        ("plots", f"/runs/{full.run.pk}/plots/"),
    ):
        page.goto(address)
        assert page.evaluate(TOO_WIDE) == [], name
        paper = page.pdf(path=pictures / f"{name}.pdf", format="A4")
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 8


def test_labels_are_printed_without_the_page_around_them(open_as, pictures):
    full = shelf.filled()
    page = open_as(user_with("LT", full.site))
    page.goto("/sites/FUK/labels/")
    page.emulate_media(media="print")
    expect(page.locator("header.top")).to_be_hidden()
    expect(page.get_by_role("heading", name="Labels")).to_be_hidden()
    expect(page.locator(".labels li").first).to_be_visible()
    page.pdf(path=pictures / "labels.pdf", format="A4")
