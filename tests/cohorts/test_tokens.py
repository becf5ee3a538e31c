"""A token does what it was issued for, and its account no more than its share of requests."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Plan
from analysis.services import freshness
from cohorts.api import throttling
from cohorts.models import ApiToken, Membership, User, Withdrawal
from tests.factories import (
    ConsentFactory,
    ParticipantFactory,
    SiteFactory,
    StudyFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


def program(user, **options) -> APIClient:
    _, key = ApiToken.objects.issue(user, "notebook", **options)
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


@pytest.fixture(autouse=True)
def nothing_counted():
    cache.clear()


# --- its end


def test_a_token_that_is_over_revoked_or_of_nobody_active_opens_nothing():
    now = timezone.now()
    for end in (
        lambda of: of.tokens.update(created_at=now - timedelta(days=2), expires_at=now),
        lambda of: of.tokens.update(revoked_at=now),
        lambda of: User.objects.filter(pk=of.pk).update(is_active=False),
    ):
        user = user_with("CA")
        client = program(user)
        assert client.get("/api/v1/sites").status_code == 200
        end(user)
        assert client.get("/api/v1/sites").status_code == 401


# --- scopes


def test_a_token_that_reads_does_not_write():
    person = ConsentFactory().participant
    reader = program(user_with("SC", person.site), scopes=["read"])
    assert reader.get("/api/v1/participants").status_code == 200
    body = {"site": person.site.code, "participant": person.code, "level": 2}
    answer = reader.post("/api/v1/withdrawals", body, format="json")
    assert answer.status_code == 403
    assert answer.json()["detail"] == (
        "This token has the scope read; this needs write. Issue another one on the page Tokens."
    )
    assert not Withdrawal.objects.exists()


@pytest.mark.parametrize(("scopes", "status"), [(["read", "write"], 403), (["start"], 202)])
def test_a_run_is_started_by_a_token_for_that(scopes, status, monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *_, **__: True)
    data = {"case": ["hikikomori"], "control": ["healthy_control"]}
    Plan.objects.create(study=StudyFactory(), name="p", data=data)
    client = program(user_with("CA"), scopes=scopes)
    assert client.post("/api/v1/runs", {"plan": "p"}, format="json").status_code == status


def test_a_token_never_does_what_its_owner_may_not():
    person = ConsentFactory().participant
    body = {"site": person.site.code, "participant": person.code, "level": 2}
    client = program(user_with("LT", person.site), scopes=["read", "write", "start"])
    assert client.post("/api/v1/withdrawals", body, format="json").status_code == 403


@pytest.mark.parametrize("scopes", [[], ["delete"], ["read", "delete"]])
def test_a_scope_that_does_not_exist_is_refused(scopes):
    with pytest.raises(ValidationError):
        ApiToken.objects.issue(user_with("CA"), "x", scopes=scopes)


# --- sites


@pytest.mark.parametrize("role", ["SC", "CD"])
def test_a_token_of_one_site_reads_that_site_alone(role):
    here, there = ParticipantFactory(), ParticipantFactory()
    if role == "CD":
        user = user_with("CD")
    else:
        user = user_with("SC", here.site)
        Membership.objects.create(user=user, role="SC", site=there.site)
    both = program(user).get("/api/v1/participants").json()["results"]
    one = program(user, sites=[here.site]).get("/api/v1/participants").json()["results"]
    assert len(both) == 2
    assert [row["code"] for row in one] == [here.code]


def test_a_token_of_a_site_that_its_owner_has_left_reads_nothing():
    here, there = ParticipantFactory(), ParticipantFactory()
    client = program(user_with("SC", here.site), sites=[there.site])
    assert client.get("/api/v1/participants").status_code == 403


def test_the_page_offers_own_sites_only_and_issues_what_is_asked(browse):
    site, other = SiteFactory(), SiteFactory()
    user = user_with("SC", site)
    page = browse(user)
    asked = {"name": "laptop", "scopes": ["read"], "sites": [site.pk], "days": 7}
    sent = page.post("/account/tokens/", asked)
    assert not sent.context["form"].errors
    token = ApiToken.objects.get()
    assert (token.scopes, list(token.sites.all())) == (["read"], [site])
    assert timedelta(days=6) < token.expires_at - token.created_at < timedelta(days=8)
    refused = page.post("/account/tokens/", {**asked, "sites": [other.pk]})
    assert refused.status_code == 422
    assert "is not one of the available choices" in refused.content.decode()
    assert page.post("/account/tokens/", {**asked, "days": 999}).status_code == 422


# --- how often


def test_an_account_that_asks_too_often_is_told_when_to_go_on(settings, monkeypatch):
    settings.RATE_PER_MINUTE = 3
    monkeypatch.setattr(throttling.time, "time", lambda: 600_000 * 60 + 15.0)
    user, other = user_with("CA"), user_with("CA")
    answers = [program(user).get("/api/v1/sites") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused["Retry-After"] == "46"
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"] == (
        "Your account has made its 3 requests of this minute. Go on in 45 seconds; polls that send "
        "If-None-Match and get 304 are not counted."
    )
    assert program(other).get("/api/v1/sites").status_code == 200


def test_without_valkey_nobody_is_refused(settings, monkeypatch, caplog):
    def away(*_args, **_kwargs):
        raise OSError("connection refused")

    settings.RATE_PER_MINUTE = 0
    monkeypatch.setattr(cache, "add", away)
    assert program(user_with("CA")).get("/api/v1/sites").status_code == 200
    assert "Valkey does not answer" in caplog.text
