"""By keyboard alone: the way past the bar, and a mark on whatever has the focus."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from analysis.models import Plan
from tests.factories import user_with
from tests.portal import books, shelf

pytestmark = pytest.mark.django_db(transaction=True)
FOCUSED = """() => {
  const here = document.activeElement;
  if (here === document.body) return null;
  const look = getComputedStyle(here), place = here.getBoundingClientRect();
  const outlined = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0;
  return {
    name: `${here.tagName} ${here.type ?? ""} ${(here.innerText || here.name || "").slice(0, 40)}`,
    // The parts of a date have a mark of the browser's own.
    marked: outlined || look.boxShadow !== "none" || here.type === "date",
    shown: place.width > 0 && place.height > 0 && place.right > 0,
  };
}"""
MOST = 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_whatever_has_the_focus_shows_it_and_the_first_way_leads_past_the_bar(open_as, scheme):
    full = shelf.filled()
    page = open_as(user_with("SC", full.site), color_scheme=scheme, reduced_motion="reduce")
    faults = []
    for address in ("/", f"/participants/{full.person.pk}/", "/sites/FUK/participants/"):
        page.goto(address)
        page.keyboard.press("Tab")
        assert "Skip to the content" in page.evaluate(FOCUSED)["name"]
        for _ in range(MOST):
            found = page.evaluate(FOCUSED)
            if found is None:
                break
            if not (found["marked"] and found["shown"]):
                faults.append((address, found["name"]))
            page.keyboard.press("Tab")
    assert faults == []


def test_at_twice_the_size_nothing_is_beside_the_window(open_as):
    full = shelf.filled()
    page = open_as(
        user_with("SD", full.site), viewport={"width": 640, "height": 450}, device_scale_factor=2
    )
    for address in ("/", "/sites/FUK/upload/", f"/runs/{full.run.pk}/", "/account/tokens/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


def test_a_held_run_is_looked_through_and_released_without_a_mouse(open_as):
    plan = books.followed_plan()
    Plan.objects.filter(pk=plan.pk).update(data=plan.data | {"release": "by_approval"})
    waits = {"released_at": None, "held_because": "The plan asks for approval."}
    run = books.concluded(books.run_of(plan, **waits))
    page = open_as(user_with("CD"))
    page.goto(f"/runs/{run.pk}/")
    for _ in range(MOST):
        page.keyboard.press("Tab")
        if "Release it" in (page.evaluate(FOCUSED) or {"name": ""})["name"]:
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The run is released")
    run.refresh_from_db()
    assert run.released_at is not None
