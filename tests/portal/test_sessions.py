"""Where an account is logged in, in words."""

import pytest
from django.test import Client

from cohorts.templatetags.portal import browser
from tests.factories import PASSWORD, SiteFactory, user_with


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/156 Safari/537", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/120 Safari/537 Edg/120", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17 like Mac OS X) Safari/604", "Safari on iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
    ],
)
def test_a_browser_is_told_by_its_name(said, told):
    assert browser(said) == told


@pytest.mark.django_db
def test_the_other_sessions_are_ended_from_the_page():
    user = user_with("SC", SiteFactory())

    def logged_in(user_agent):
        client = Client(headers={"user-agent": user_agent})
        sent = {"login": user.username, "password": PASSWORD}
        assert client.post("/login/", sent).status_code == 302
        return client

    here = logged_in("Mozilla/5.0 (X11; Linux x86_64) Chrome/156")
    there = logged_in("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0")
    page = here.get("/account/sessions/").text
    assert "Firefox on Linux" in page
    assert page.count("this one") == 1
    here.post("/account/sessions/")
    assert there.get("/").status_code == 302
    assert here.get("/").status_code == 200
