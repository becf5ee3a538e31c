"""Setting up a second factor and signing in with it, in a real browser."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from playwright.sync_api import expect

from tests.factories import PASSWORD, user_with
from tests.portal import books
from tests.portal.test_browser import log_in

pytestmark = pytest.mark.django_db(transaction=True)


def code_for(secret):
    cache.clear()  # a code counts once; the tests are faster than half a minute
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def is_clean(page):
    found = Axe().run(page).response["violations"]
    return [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found] + page.complaints


def set_up_an_app(page):
    page.goto("/account/tokens/")
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("link", name="Set up an app").click()
    if page.get_by_label("Password").is_visible():
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()
    secret = page.get_by_label("Authenticator secret").input_value()
    assert is_clean(page) == []
    page.get_by_label(re.compile("code", re.IGNORECASE)).fill(code_for(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    return secret, page.locator("textarea").input_value().split()


def test_an_app_and_then_a_recovery_code_open_the_account(open_as):
    site, _ = books.two_sites()
    user_with("SC", site, username="sato")
    page = open_as()
    log_in(page, "sato", PASSWORD)
    secret, recovery = set_up_an_app(page)
    assert len(recovery) == 10
    for code in (lambda: code_for(secret), lambda: recovery[0]):
        page.get_by_role("button", name="Log out").click()
        log_in(page, "sato", PASSWORD)
        expect(page.get_by_role("heading", name="Two-Factor Authentication")).to_be_visible()
        assert is_clean(page) == []
        page.get_by_label("Code").fill(code())  # a code of the app holds half a minute
        page.get_by_role("button", name="Sign In").click()
        expect(page.get_by_role("heading", name="FUK · Fukuoka")).to_be_visible()


def test_a_passkey_signs_in_without_a_password(open_as):
    site, _ = books.two_sites()
    user_with("SC", site, username="sato")
    page = open_as()
    with_passkeys = page.context.new_cdp_session(page)
    with_passkeys.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    with_passkeys.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": options | {"automaticPresenceSimulation": True}},
    )
    log_in(page, "sato", PASSWORD)
    set_up_an_app(page)
    page.goto("/account/second-factor/webauthn/add/")
    page.get_by_label("Passwordless").check()
    assert is_clean(page) == []
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("1 key is set up.")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("heading", name="FUK · Fukuoka")).to_be_visible()
    assert page.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_an_account_are_readable_for_everybody(open_as, scheme, width):
    site, _ = books.two_sites()
    page = open_as(
        user_with("SD", site, username="sato"),
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    faults = []
    for address in (
        *("/login/", "/account/tokens/", "/account/second-factor/", "/account/sessions/"),
        *("/account/password/", "/staff/"),
    ):
        page.goto(address)
        faults += [(address, found) for found in is_clean(page)]
        sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        faults += [(address, "scrolls sideways")] * page.evaluate(sideways)
    stranger = open_as(color_scheme=scheme, viewport={"width": width, "height": 900})
    for address in ("/login/", "/account/password/forgotten/", "/account/signup/"):
        stranger.goto(address)
        faults += [(address, found) for found in is_clean(stranger)]
    assert faults == []
