"""The read of a poll: kept by each connection, and what ends an answer ends it at the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.api import polling
from analysis.models import Plan, Run
from analysis.prepared import Prepared
from cohorts.api.bearer import LAST_USE_STEP
from cohorts.models import ApiToken, Change, Membership, User
from tests.factories import StudyFactory, UserFactory, user_with

ROLE = Prepared(
    b"a_role", b"SELECT role, until_date FROM cohorts_membership WHERE role = $1", ("r",)
)


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_learns_the_statement_again():
    user_with("CA")
    assert ROLE.read({"r": "CA"}) == ("CA", None)
    assert ROLE.read({"r": "SD"}) is None
    connection.close()
    assert ROLE.read({"r": "CA"}) == ("CA", None)
    connection.connection.close()
    with pytest.raises(OperationalError):
        ROLE.read({"r": "CA"})
    connection.close()


@pytest.mark.django_db
def test_what_the_database_refuses_is_raised_as_django_says_it():
    halves = Prepared(b"halves", b"SELECT 1 / $1::integer", ("n",))
    assert halves.read({"n": "1"}) == ("1",)
    with pytest.raises(DataError, match="division by zero"), transaction.atomic():
        halves.read({"n": "0"})


@pytest.mark.django_db
def test_places_give_way_and_other_values_stand_in_the_text():
    query = User.objects.filter(username="of each request", is_active=True, first_name="50 %s")
    found = Prepared.of(query.values_list("username").query, {"of each request"})
    assert found.places == ("of each request",)
    assert b"$1" in found.sql
    assert b"'50 %s'" in found.sql
    UserFactory(username="x", first_name="50 %s")
    assert found.read({"of each request": "x"}) == ("x",)
    assert found.read({"of each request": "y"}) is None


ENDS = {
    "token": lambda of: ApiToken.objects.filter(pk=of.pk).update(revoked_at=timezone.now()),
    "token's time": lambda of: ApiToken.objects.filter(pk=of.pk).update(
        created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now()
    ),
    "person": lambda of: User.objects.filter(pk=of.user_id).update(is_active=False),
    "role": lambda of: Membership.objects.filter(user_id=of.user_id).delete(),
    "use to be written": lambda of: ApiToken.objects.filter(pk=of.pk).update(
        last_used_at=timezone.now() - 2 * LAST_USE_STEP
    ),
    "a withdrawal": lambda of: Change.objects.create(
        study=Plan.objects.get().study, kind="withdrawal", cause="x"
    ),
    "the run's step": lambda of: Run.objects.update(step="pooling"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", ENDS)
def test_what_ends_an_answer_ends_it_at_the_next_poll(what):
    plan = Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})
    now = timezone.now()
    run = Run.objects.create(
        plan=plan, state="published", key="k", published_at=now, released_at=now
    )
    token, key = ApiToken.objects.issue(user_with("CA"), "notebook")
    url, bears = f"/api/v1/runs/{run.pk}", {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    tag = APIClient(**bears).get(url)["ETag"]
    meta = RequestFactory().get(url, HTTP_IF_NONE_MATCH=tag, **bears).META
    assert polling.unchanged(meta) is not None
    ENDS[what](token)
    assert polling.unchanged(meta) is None


@pytest.mark.django_db
def test_a_plan_that_no_text_can_name_is_asked_for_the_ordinary_way():
    _, key = ApiToken.objects.issue(user_with("CA"), "notebook")
    meta = RequestFactory().get("/api/v1/runs/latest?plan=p%00q", HTTP_IF_NONE_MATCH='"x"').META
    assert polling.unchanged(meta | {"HTTP_AUTHORIZATION": f"Bearer {key}"}) is None
