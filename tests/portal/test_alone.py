"""Pages that show where something went wrong: in the portal's look, in the reader's language."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from django.template.loader import render_to_string
from django.utils import translation

from tests.factories import SiteFactory, user_with


@pytest.mark.parametrize(
    "name", ["400.html", "403_csrf.html", "405.html", "429.html", "500.html", "503.html"]
)
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


@pytest.mark.django_db
def test_an_address_for_buttons_alone_says_so_when_it_is_opened(client):
    client.force_login(user_with("SC", SiteFactory()))
    answer = client.get("/account/tokens/1/revoke/")
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert "Go back to the page and press its button" in answer.text
    program = client.delete("/api/v1/sites/")
    assert program["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_whoever_asks_for_passwords_too_often_is_told_to_wait(client):
    cache.clear()
    for n in range(25):
        answer = client.post("/account/password/forgotten/", {"email": f"a{n}@example.org"})
    cache.clear()
    assert answer.status_code == 429
    assert "That was too often in a short time" in answer.text


@pytest.mark.django_db
def test_the_page_of_the_second_factor_says_what_it_is_for(client):
    client.force_login(user_with("SC", SiteFactory()))
    page = client.get("/account/second-factor/").text
    assert "something that only you have" in page
    assert "They can be made once an app or a key is set up." in page
    client.logout()
    assert "Accounts come by invitation" in client.get("/account/signup/").text
