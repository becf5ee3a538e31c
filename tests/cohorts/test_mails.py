"""What mails say: read by somebody who knows the study and not the software behind it."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.utils import translation

from tests.factories import PASSWORD, SiteFactory, user_with

pytestmark = pytest.mark.django_db
NEW = "three quiet herons by the river"
SAID = {
    "en": ("If it was not: ask for a new password", "No account has this address", "invitation"),
    "ja": ("心当たりがない場合", "このアドレスのアカウントはありません", "招待"),
}


@pytest.fixture(params=["en", "ja"])
def language(request, client):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = request.param
    with translation.override(request.param):
        yield request.param


@pytest.fixture
def sato():
    user = user_with("SD", SiteFactory(code="FUK"))
    user.email = "sato@example.org"
    user.set_password(PASSWORD)
    user.save()
    return user


def is_ours(mail, language):
    """Nothing of the software's own greeting, and no sentence of another language."""
    assert mail.subject.startswith("hikiproject")
    assert "testserver!" not in mail.body
    assert "http://testserver/" in mail.body
    if language == "ja":
        prose = re.sub(r"http\S+|\S+@\S+|Browser|hikiproject|UTC", "", mail.body)
        assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", prose), prose


def test_a_changed_password_is_told_with_what_to_do_if_it_was_somebody_else(
    client, mailoutbox, sato, language
):
    client.force_login(sato)
    new = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    browser = {"user-agent": "Lynx"}
    assert client.post("/account/password/", new, headers=browser).status_code == 302
    (mail,) = mailoutbox
    is_ours(mail, language)
    assert SAID[language][0] in mail.body
    assert "Lynx" in mail.body
    assert "/account/password/forgotten/" in mail.body


def test_an_address_without_account_is_not_led_to_a_sign_up_that_is_closed(
    client, mailoutbox, language
):
    client.post("/account/password/forgotten/", {"email": "nobody@example.org"})
    (mail,) = mailoutbox
    is_ours(mail, language)
    assert SAID[language][1] in mail.body
    assert "signup" not in mail.body


def test_a_forgotten_password_is_set_by_the_link_of_its_mail(client, mailoutbox, sato, language):
    client.post("/account/password/forgotten/", {"email": sato.email})
    (mail,) = mailoutbox
    is_ours(mail, language)
    assert sato.username in mail.body
    link = re.search(r"http://testserver(/account/password/\S+)", mail.body)[1]
    page = client.get(link, follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    sato.refresh_from_db()
    assert sato.check_password(NEW)
