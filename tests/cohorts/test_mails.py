"""Mails say what happened and where to read on, once, in the reader's language; no participant."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.test import override_settings
from django.utils import timezone

from cohorts.models import Erasure, Query, SignInAttempt, User
from cohorts.services import queries
from cohorts.services.accounts import mails
from cohorts.services.erasing import erasure
from tests.factories import PASSWORD, ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
CODE = "FUK-4711"


def asked(**person):
    """A site with a coordinator, and a data manager who asked something about a participant."""
    site = SiteFactory(code="FUK")
    told = user_with("SC", site, email="sc@example.org", **person)
    asker = user_with("SD", site, email="sd@example.org")
    about = ParticipantFactory(site=site, code=CODE)
    before = timezone.now() - timedelta(days=3)
    User.objects.update(date_joined=before)
    return told, asker, about, queries.ask(about, text=f"Is {CODE} really 12?", by=asker)


def test_a_new_query_is_told_to_those_who_answer_it_and_names_nobody():
    with override_settings(PUBLIC_ORIGIN="https://hiki.example.org"):
        asked()
        assert mails.owed()
        assert mails.send_due() == 1
    (sent,) = mail.outbox
    assert sent.to == ["sc@example.org"]
    assert sent.subject == "hikiproject: new data queries (FUK)"
    assert "FUK: 1 new, 1 open in all\nhttps://hiki.example.org/sites/FUK/queries/" in sent.body
    assert "https://hiki.example.org/account/tokens/" in sent.body
    assert CODE not in sent.body + sent.subject
    assert "really" not in sent.body


def test_a_person_gets_one_such_mail_a_day():
    _, asker, about, _ = asked()
    now = timezone.now()
    assert mails.send_due(now) == 1
    queries.ask(about, text="And the sex?", by=asker)
    assert not mails.owed(now + timedelta(hours=23))
    assert mails.send_due(now + timedelta(hours=23)) == 0
    assert mails.send_due(now + timedelta(hours=25)) == 1
    assert "FUK: 1 new, 2 open in all" in mail.outbox[-1].body
    assert mails.send_due(now + timedelta(hours=50)) == 0


def test_nobody_is_told_who_asked_who_wants_no_mails_or_who_has_no_address(client):
    told, _, _, query = asked()
    client.force_login(told)
    assert "New data queries at my sites" in client.get("/account/tokens/").text
    client.post("/account/mails/", {})
    assert not mails.owed()
    client.post("/account/mails/", {"query_mails": "on"})
    assert mails.owed()
    User.objects.filter(pk=told.pk).update(email="")
    assert not mails.owed()
    User.objects.filter(pk=told.pk).update(email="sc@example.org")
    Query.objects.filter(pk=query.pk).update(state="answered")
    assert not mails.owed()


def test_a_site_is_told_nothing_of_another_sites_queries():
    asked()
    User.objects.update(email="")
    user_with("SC", SiteFactory(code="TYO"), email="tyo@example.org")
    User.objects.update(date_joined=timezone.now() - timedelta(days=3))
    assert mails.send_due() == 0


def test_the_mail_is_in_the_language_of_its_reader():
    asked(language="ja")
    mails.send_due()
    assert mail.outbox[0].subject == "hikiproject: 新しいデータ照会 (FUK)"
    assert "FUK：新着 1 件、未回答 計 1 件" in mail.outbox[0].body


class Away:
    """A mail server that answers nobody."""

    def __init__(self, *_args, **_more):
        pass

    def send_messages(self, _messages):
        raise ConnectionRefusedError("away")


def test_a_mail_server_that_is_away_delays_a_mail_and_loses_none():
    asked()
    with override_settings(EMAIL_BACKEND="tests.cohorts.test_mails.Away"):
        assert mails.send_due() == 0
    assert mails.owed()
    assert mails.send_due() == 1


def test_who_asked_for_an_erasure_and_who_approved_it_get_the_receipt(settings, tmp_path):
    settings.ERASURE_LEDGER = tmp_path / "erasures.jsonl"
    site = SiteFactory(code="FUK")
    coordinator = user_with("SC", site, email="sc@example.org", language="ja")
    manager = user_with("SD", site, email="sd@example.org")
    person = ParticipantFactory(site=site, code=CODE)
    wished = erasure.request(person.pk, by=coordinator)
    erasure.approve(wished.pk, by=manager)
    at = timezone.now() + settings.ERASURE_GRACE + timedelta(minutes=1)
    assert not mails.owed(at)
    erasure.execute(wished.pk, at=at)
    assert mails.send_due(at) == 2
    assert mails.send_due(at) == 0
    japanese, english = mail.outbox
    assert "an erasure at FUK was carried out" in english.subject
    assert Erasure.objects.get().receipt["tombstone"] in english.body
    assert "rows were removed." in english.body
    assert "FUK で消去が実行されました" in japanese.subject
    assert not any(CODE in each.body + each.subject for each in mail.outbox)


def an_hour_passes():
    SignInAttempt.objects.update(at=timezone.now() - timedelta(hours=1))


def sign_in(client, **more):
    return client.post("/login/", {"login": "kim", "password": PASSWORD}, **more)


def test_a_sign_in_on_a_browser_that_the_account_does_not_know_is_told(client):
    user_with("SC", SiteFactory(), username="kim", email="kim@example.org")
    # The first browser of an account is nothing to tell.
    assert sign_in(client).status_code == 302
    assert mail.outbox == []
    client.post("/logout/")
    an_hour_passes()
    sign_in(client)
    assert mail.outbox == []
    client.cookies.clear()
    sign_in(client, headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    (sent,) = mail.outbox
    assert sent.to == ["kim@example.org"]
    assert "signed in to on a browser that it did not know" in sent.subject
    assert "Browser: Firefox on Linux" in sent.body
    assert "/account/password/forgotten/" in sent.body


def test_a_mark_of_another_account_is_no_mark(client):
    user_with("SC", SiteFactory(), username="kim", email="kim@example.org")
    sign_in(client)
    name = next(each for each in client.cookies if each.startswith("known_"))
    an_hour_passes()
    client.logout()
    client.cookies[name] = "1:forged:mark"
    sign_in(client)
    assert len(mail.outbox) == 1


def test_a_mail_server_that_is_away_keeps_nobody_out(client):
    user_with("SC", SiteFactory(), username="kim", email="kim@example.org")
    sign_in(client)
    an_hour_passes()
    client.logout()
    client.cookies.clear()
    with override_settings(EMAIL_BACKEND="tests.cohorts.test_mails.Away"):
        assert sign_in(client).status_code == 302
    assert client.get("/").status_code == 200
