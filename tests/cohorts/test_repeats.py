"""A client that lost its answer sends the request again, and it is carried out once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from cohorts.models import SentRequest, Upload, Withdrawal
from cohorts.services import consent
from tests.factories import ConsentFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
URL = "/api/v1/withdrawals"


@pytest.fixture
def person():
    return ConsentFactory().participant


@pytest.fixture
def client(person):
    made = APIClient(raise_request_exception=False)
    made.force_authenticate(user_with("SC", person.site))
    return made


def send(client, person, key="one", level=2, **headers):
    body = {"site": person.site.code, "participant": person.code, "level": level}
    return client.post(URL, body, format="json", HTTP_IDEMPOTENCY_KEY=key, **headers)


def test_the_second_of_two_equal_requests_gets_the_answer_of_the_first(client, person):
    first, again = send(client, person), send(client, person)
    assert first.status_code == again.status_code == 201
    assert (again.content, again["Location"]) == (first.content, first["Location"])
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Withdrawal.objects.count() == 1


def test_a_refusal_is_answered_again_too(client, person):
    send(client, person, key="other", level=3)
    refused, again = send(client, person), send(client, person)
    assert refused.status_code == again.status_code == 409
    assert again.content == refused.content
    assert again["Content-Type"] == "application/problem+json"


def test_a_key_with_another_body_is_refused(client, person):
    send(client, person)
    answer = send(client, person, level=3)
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "The Idempotency-Key 'one' came with another body before: a new request needs a new key."
    )
    assert not Withdrawal.objects.filter(level=3).exists()


def test_while_the_first_is_at_work_the_second_waits(client, person):
    send(client, person)
    SentRequest.objects.update(status=None)
    answer = send(client, person)
    assert answer.status_code == 409
    assert answer.json()["code"] == "still_at_work"


@pytest.mark.parametrize(("age", "status"), [(timedelta(minutes=11), None), (timedelta(25), 201)])
def test_what_nobody_answered_and_what_is_of_yesterday_is_forgotten(client, person, age, status):
    send(client, person)
    SentRequest.objects.update(status=status, begun_at=timezone.now() - age)
    assert "Idempotent-Replayed" not in send(client, person)


def test_keys_of_two_people_are_two_keys(client, person):
    send(client, person)
    other = APIClient()
    other.force_authenticate(user_with("SC", person.site))
    assert "Idempotent-Replayed" not in send(other, person)


def test_after_a_failure_of_the_server_the_same_request_may_be_tried_again(
    client, person, monkeypatch
):
    def fails(*_args, **_kwargs):
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(consent, "withdraw", fails)
        assert send(client, person).status_code == 500
    assert not SentRequest.objects.exists()
    assert send(client, person).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_key_that_cannot_be_one_is_refused(client, person, key):
    answer = send(client, person, key=key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/Idempotency-Key"
    assert not Withdrawal.objects.exists()


def test_a_table_is_known_by_what_is_in_it():
    site, client = SiteFactory(), APIClient()
    client.force_authenticate(user_with("SC", site))

    def sent(content: bytes):
        return client.post(
            "/api/v1/uploads",
            {
                "site": site.code,
                "kind": "participants",
                "file": SimpleUploadedFile("t.csv", content),
            },
            HTTP_IDEMPOTENCY_KEY="k",
        )

    first = sent(b"participant\nP1\n")
    assert first.status_code == 422
    assert sent(b"participant\nP1\n").content == first.content
    assert sent(b"participant\nP2\n").json()["code"] == "key_used_before"
    assert Upload.objects.count() == 1
