"""Pages that show where something went wrong: in the portal's look, in the reader's language."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.template.loader import render_to_string
from django.utils import translation


@pytest.mark.parametrize("name", ["400.html", "403_csrf.html", "500.html", "503.html"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_page_of_trouble_needs_nothing_but_its_words(name, language):
    with translation.override(language):
        page = render_to_string(name, {"sentence": "later"})
    assert f'<html lang="{language}"' in page
    assert "portal/theme.css" in page
    assert ("To the start page" in page) == (language == "en")


@pytest.mark.django_db(transaction=True)
def test_a_form_without_its_cookie_is_asked_for_again_in_the_portals_look(open_as):
    page = open_as()
    page.goto("/login/")
    page.context.clear_cookies()
    page.get_by_role("button", name="Log in", exact=True).evaluate(
        "e => { e.form.noValidate = true; e.form.submit(); }"
    )
    page.get_by_role("heading", name="Please send it again").wait_for()
    assert Axe().run(page).response["violations"] == []
