"""The pictures of the documentation. HIKI_DOCS=1 puts them into docs/screenshots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import expect

from tests.factories import user_with
from tests.portal import books, shelf

pytestmark = pytest.mark.django_db(transaction=True)
KEPT = Path(settings.BASE_DIR) / "docs" / "screenshots"


@pytest.fixture
def shown(pictures):
    """A function: keep what the window shows, with that element at its top."""
    folder = KEPT if os.environ.get("HIKI_DOCS") else pictures

    def taken(page, name, begin="h1"):
        page.locator(begin).first.evaluate("e => e.scrollIntoView({block: 'start'})")
        page.screenshot(path=folder / f"{name}.png", animations="disabled")

    return taken


def test_every_picture_that_the_documentation_shows_is_made(open_as, shown):
    full = shelf.filled()
    look = {"viewport": {"width": 1180, "height": 760}, "reduced_motion": "reduce"}
    nurse = open_as(user_with("SC", full.site), **look)
    nurse.goto("/")
    shown(nurse, "home", "header.top")
    nurse.goto("/sites/FUK/upload/")
    nurse.get_by_label("What is in the table").select_option("participants")
    nurse.get_by_label("File", exact=True).set_input_files([books.csv(books.BAD)])
    nurse.get_by_role("button", name="Check the table").click()
    expect(nurse.get_by_text("Refused: nothing was stored.")).to_be_visible()
    shown(nurse, "upload-report", "header.top")
    manager = open_as(user_with("CD"), **look)
    manager.goto(f"/runs/{full.run.pk}/")
    shown(manager, "run", "header.top")
    shown(manager, "forest", "#forest")
    manager.goto(f"/runs/{full.run.pk}/plots/")
    expect(manager.locator("[data-plot] svg path").first).to_be_attached()
    shown(manager, "plots", ".sheet:has([data-plot=volcano])")
    named = {path.name for path in KEPT.glob("*.png")}
    assert named <= {f"{name}.png" for name in ("home", "upload-report", "run", "forest", "plots")}
