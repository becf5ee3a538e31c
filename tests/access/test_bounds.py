"""What nobody may, when a right ends, and what an answer tells about others."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from cohorts import models
from tests.access.world import Identity, account_of, api_of
from tests.factories import (
    SampleFactory,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_nothing_is_overwritten_or_deleted(method, world):
    client = api_of(Identity("CD", "everywhere"), world)
    for resource, places in world.keys.items():
        for key in (*places.values(), ""):
            answer = getattr(client, method)(f"/api/v1/{resource}/{key}", {}, format="json")
            assert answer.status_code == 405, (resource, key)
            assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("end", ["deactivated", "membership", "token"])
def test_a_right_ends_at_the_next_request(end, world):
    user = account_of(Identity("SC", "own"), world)
    token, key = models.ApiToken.objects.issue(user, "notebook")
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.get("/api/v1/participants").status_code == 200
    if end == "deactivated":
        models.User.objects.filter(pk=user.pk).update(is_active=False)
    elif end == "membership":
        user.memberships.update(until_date=timezone.localdate())
    else:
        models.ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
    assert client.get("/api/v1/participants").status_code == (403 if end == "membership" else 401)


def test_not_yours_and_not_there_are_the_same_answer(world):
    client = api_of(Identity("SC", "own"), world)
    theirs, nothing = world.keys["participants"]["other"], "999999999"
    answers = [client.get(f"/api/v1/participants/{key}") for key in (theirs, nothing)]
    # Each request has a number of its own, which says nothing.
    bodies = [
        json.dumps(answer.json() | {"request_id": ""}).replace(f"/{key}", "")
        for answer, key in zip(answers, (theirs, nothing), strict=True)
    ]
    assert bodies[0] == bodies[1]


def test_anothers_arrivals_do_not_move_an_etag(world):
    client = api_of(Identity("SC", "own"), world)
    first = client.get("/api/v1/samples")["ETag"]
    other = world.sites["other"]
    SampleFactory(participant=world.people["other"])
    models.Change.objects.create(study=other.study, site=other, kind="samples", cause="x")
    assert client.get("/api/v1/samples")["ETag"] == first
    SampleFactory(participant=world.people["own"])
    assert client.get("/api/v1/samples")["ETag"] != first


# --- the API's own addresses, and the pages
