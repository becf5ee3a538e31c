"""Wrong passwords wait, second factors are asked for, their secrets are not in the clear."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from cohorts.models import SignInAttempt
from cohorts.services.accounts import sign_in
from tests.factories import PASSWORD, SiteFactory, user_with

pytestmark = pytest.mark.django_db

SECRET = "JBSWY3DPEHPK3PXP"


def try_password(client, password, name="sato", **more):
    return client.post("/login/", {"login": name, "password": password}, **more)


def code_of_now():
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(SECRET, counter))


def later(seconds):
    """As if that many seconds had passed: the tries lie further back."""
    for attempt in SignInAttempt.objects.all():
        SignInAttempt.objects.filter(pk=attempt.pk).update(
            at=attempt.at - timedelta(seconds=seconds)
        )


def test_the_right_password_opens_the_portal(client):
    user_with("SC", SiteFactory(code="FUK"), username="sato")
    answer = try_password(client, PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/sites/FUK/").status_code == 200


@pytest.mark.parametrize(
    ("n_wrong", "seconds"),
    [(0, 0), (4, 0), (5, 5), (6, 10), (8, 40), (12, 640), (13, 900), (99, 900)],
)
def test_each_further_wrong_password_doubles_the_wait(n_wrong, seconds):
    assert sign_in.wait_after(n_wrong, 5) == timedelta(seconds=seconds)


def test_after_five_wrong_passwords_even_the_right_one_waits(client, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    user_with("SC", SiteFactory(), username="sato")
    for _ in range(5):
        assert b"the password is wrong" in try_password(client, "wrong").content
    answer = try_password(client, PASSWORD)
    assert b"Too many wrong passwords. Try again in 5 seconds." in answer.content
    assert "_auth_user_id" not in client.session
    time_machine.shift(6)
    assert try_password(client, PASSWORD).status_code == 302
    # A right one ends the row: the next wrong one is the first again.
    client.post("/logout/")
    assert b"the password is wrong" in try_password(client, "wrong").content


def test_a_name_that_nobody_has_waits_alike(client, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    for _ in range(5):
        try_password(client, "wrong", name="nobody")
    assert b"Too many wrong passwords" in try_password(client, "wrong", name="Nobody ").content


def test_a_stranger_does_not_lock_somebody_out_from_elsewhere(client, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    user_with("SC", SiteFactory(), username="sato")
    for _ in range(7):
        try_password(client, "wrong", REMOTE_ADDR="198.51.100.7")
    assert try_password(client, PASSWORD, REMOTE_ADDR="203.0.113.9").status_code == 302


def test_guessing_from_many_addresses_waits_too(client, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    user_with("SC", SiteFactory(), username="sato")
    for n in range(20):
        try_password(client, "wrong", REMOTE_ADDR=f"198.51.100.{n}")
    answer = try_password(client, PASSWORD, REMOTE_ADDR="203.0.113.9")
    assert b"Too many wrong passwords" in answer.content


def test_tries_are_forgotten_after_90_days(client):
    user_with("SC", SiteFactory(), username="sato")
    try_password(client, "wrong")
    later(91 * 86400)
    try_password(client, PASSWORD)
    assert sign_in.forget_past() == 1
    assert [attempt.passed for attempt in SignInAttempt.objects.all()] == [True]


def test_an_inactive_account_is_told_nothing(client):
    user_with("SC", SiteFactory(), username="sato", is_active=False)
    answer = try_password(client, PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert "_auth_user_id" not in client.session


# --- the second factor


def with_app(user):
    """An authenticator app that was set up some time ago."""
    set_up = TOTP.activate(user, SECRET).instance
    Authenticator.objects.filter(pk=set_up.pk).update(created_at=timezone.now())
    return set_up


def test_a_password_alone_does_not_open_an_account_with_an_app(client):
    user = user_with("SC", SiteFactory(code="FUK"), username="sato")
    with_app(user)
    answer = try_password(client, PASSWORD)
    assert answer["Location"] == "/account/second-factor/authenticate/"
    assert client.get("/sites/FUK/").status_code == 302
    wrong = client.post("/account/second-factor/authenticate/", {"code": "000000"})
    assert b"Incorrect code" in wrong.content
    assert (
        client.post("/account/second-factor/authenticate/", {"code": code_of_now()}).status_code
        == 302
    )
    assert client.get("/sites/FUK/").status_code == 200


def test_the_secret_of_an_app_is_stored_encrypted_and_outlives_a_change_of_the_key():
    stored = with_app(user_with("SC", SiteFactory()))
    assert SECRET not in str(stored.data)
    with override_settings(SECRET_KEY="b" * 50), pytest.raises(InvalidToken):
        TOTP(stored).validate_code(code_of_now())
    with override_settings(SECRET_KEY="b" * 50, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert TOTP(stored).validate_code(code_of_now())


@override_settings(SECOND_FACTOR="everybody")
def test_who_lacks_a_required_factor_gets_no_further_than_its_page(client):
    user = user_with("SC", SiteFactory(code="FUK"), username="sato")
    try_password(client, PASSWORD)
    for address in ("/", "/sites/FUK/", "/account/tokens/", "/api/v1/sites", "/admin/"):
        assert client.get(address)["Location"] == "/account/second-factor/"
    assert client.get("/account/second-factor/").status_code == 200
    with_app(user)
    assert client.get("/sites/FUK/").status_code == 200


@override_settings(SECOND_FACTOR="consortium")
def test_a_factor_may_be_required_of_consortium_roles_alone(client):
    client.force_login(user_with("SC", SiteFactory(code="FUK")))
    assert client.get("/sites/FUK/").status_code == 200
    client.force_login(user_with("CD"))
    assert client.get("/sites/FUK/")["Location"] == "/account/second-factor/"


@pytest.mark.parametrize(("required", "status"), [("nobody", 302), ("everybody", 200)])
def test_a_required_factor_cannot_be_dropped(client, required, status):
    user = user_with("SC", SiteFactory(), username="sato")
    with_app(user)
    try_password(client, PASSWORD)
    client.post("/account/second-factor/authenticate/", {"code": code_of_now()})
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    with override_settings(SECOND_FACTOR=required):
        assert client.post("/account/second-factor/totp/deactivate/").status_code == status
    assert Authenticator.objects.filter(user=user).exists() == (status == 200)


def test_nobody_signs_up_uninvited(client):
    answer = client.post(
        "/account/signup/",
        {"username": "x", "email": "x@example.org", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert b"Accounts come by invitation" in answer.content
