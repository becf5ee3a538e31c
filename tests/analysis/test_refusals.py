"""Who asks again and again for what is hidden is stopped for the day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.test import override_settings
from django.utils import timezone
from redis.exceptions import ConnectionError as CacheAway
from rest_framework.test import APIClient

from analysis.services import refusals, release
from cohorts.services.accounts import mails
from tests.analysis.published_study import at
from tests.factories import user_with
from tests.page_source import flat

HIDDEN = {"stratum": "men", "feature": "ornithine"}


@pytest.fixture(autouse=True)
def three_a_day(monkeypatch):
    monkeypatch.setattr(refusals, "A_DAY", 3)


def test_the_account_is_stopped_after_so_many_questions_for_hidden_numbers(study, client_of):
    client = client_of("CA")
    for site in ("FUK", "OSA", "TYO"):
        assert client.get(at(study, "effects"), HIDDEN | {"site": site}).status_code == 200
    answer = client.get(at(study, "pooled"))
    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_refusals"
    assert 0 < int(answer["Retry-After"]) <= 24 * 3600 + 1
    assert client_of("CA").get(at(study, "pooled")).status_code == 200


def test_the_account_is_open_again_on_the_next_day(study, client_of, monkeypatch):
    client = client_of("CA")
    for site in ("FUK", "OSA", "TYO"):
        client.get(at(study, "effects"), HIDDEN | {"site": site})
    assert client.get(at(study, "pooled")).status_code == 429
    tomorrow = timezone.localdate() + timedelta(days=1)
    monkeypatch.setattr(refusals.timezone, "localdate", lambda *_: tomorrow)
    assert client.get(at(study, "pooled")).status_code == 200


def test_the_data_managers_are_told_once_who_was_stopped(study, client_of, browse):
    steward = user_with("CD", email="cd@example.org")
    curious = user_with("CA", username="curious")
    client = APIClient()
    client.force_authenticate(curious)
    for site in ("FUK", "OSA", "TYO", "FUK"):
        client.get(at(study, "effects"), HIDDEN | {"site": site})
    assert mails.owed()
    assert mails.send_due() == 1
    (sent,) = mail.outbox
    assert sent.to == ["cd@example.org"]
    assert sent.subject == "hikiproject: an analyst asked again and again for hidden numbers"
    assert "The account curious asked so many different questions" in sent.body
    assert f"/admin/cohorts/user/{curious.pk}/change/" in sent.body
    assert (mails.owed(), mails.send_due()) == (False, 0)
    page = browse(steward).get("/admin/").content.decode()
    assert "Accounts whose results are closed for today</a></th><td>curious</td>" in flat(page)


def test_a_mail_on_a_stopped_account_waits_for_a_mail_server_that_is_away(db):
    user_with("CD", email="cd@example.org")
    stopped = user_with("CA", stopped_at=timezone.now())
    with override_settings(EMAIL_BACKEND="tests.cohorts.test_mails.Away"):
        assert mails.send_due() == 0
    stopped.refresh_from_db()
    assert stopped.stop_told_at is None
    assert mails.send_due() == 1


def test_polling_one_question_and_reading_whole_tables_is_no_attack(study, client_of):
    client = client_of("CA")
    for _ in range(5):
        assert client.get(at(study, "effects"), HIDDEN).status_code == 200
        assert client.get(at(study, "effects")).status_code == 200


def test_who_sees_everything_is_never_refused(study, client_of):
    client = client_of("CD")
    for site in ("FUK", "OSA", "TYO", "MTL"):
        assert client.get(at(study, "effects"), HIDDEN | {"site": site}).status_code == 200


def test_while_the_cache_is_away_nobody_is_stopped(study, client_of, monkeypatch, caplog):
    def away(*_, **__):
        raise CacheAway("no cache")

    for name in ("get", "add", "incr"):
        monkeypatch.setattr(refusals.cache, name, away, raising=False)
    client = client_of("CA")
    for site in ("FUK", "OSA", "TYO", "FUK"):
        assert client.get(at(study, "effects"), HIDDEN | {"site": site}).status_code == 200
    assert "a refusal could not be counted" in caplog.text


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_every_table_names_its_run_and_the_rules_it_passed(study, client_of, form, settings):
    settings.DISCLOSURE_K = 11
    answer = client_of("CA").get(at(study, "pooled"), {"format": form})
    assert answer["X-Run"] == str(study.pk)
    assert answer["X-Release-Rules"] == str(release.RELEASE_RULES_VERSION)
    assert answer["X-Disclosure-K"] == "11"
