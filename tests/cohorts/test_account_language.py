"""The language of an account: chosen once, kept for every browser and for mails."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import translation

from cohorts.services.accounts import languages
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db
COOKIE = settings.LANGUAGE_COOKIE_NAME
PASSWORD = "correct horse battery staple"


def test_what_is_chosen_on_the_account_page_is_kept_and_comes_back_with_the_sign_in(client):
    user = user_with("SC", SiteFactory(code="FUK"))
    user.set_password(PASSWORD)
    user.save()
    client.force_login(user)
    assert "Of pages, and of the mails that you get" in client.get("/account/tokens/").text
    client.post("/language/", {"language": "ja", "next": "/account/tokens/"})
    user.refresh_from_db()
    assert user.language == "ja"
    client.logout()
    client.cookies.clear()  # another browser
    assert '<html lang="en"' in client.get("/login/").text
    answer = client.post("/login/", {"login": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    assert client.cookies[COOKIE].value == "ja"
    assert '<html lang="ja"' in client.get("/account/tokens/").text


@pytest.mark.parametrize("said", ["xx", "", "../ja"])
def test_a_language_that_the_platform_does_not_speak_is_no_choice(client, said):
    user = user_with("SC", SiteFactory(code="FUK"))
    client.force_login(user)
    client.post("/language/", {"language": said})
    user.refresh_from_db()
    assert user.language == ""
    assert client.get("/language/").status_code == 405


def test_a_forgotten_password_is_written_about_in_the_language_of_the_account(client, mailoutbox):
    user = user_with("SC", SiteFactory(code="FUK"))
    user.email = "sato@example.org"
    languages.keep(user, "ja")
    user.save()
    client.post("/account/password/forgotten/", {"email": user.email})
    (mail,) = mailoutbox
    assert "パスワード" in mail.subject + mail.body
    assert translation.get_language() == "en"


def test_a_language_that_is_gone_writes_in_the_one_that_is_active():
    user = user_with("SC", SiteFactory(code="FUK"))
    user.language = "xx"
    with translation.override("ja"), languages.of_person(user):
        assert translation.get_language() == "ja"
