"""What is new in a run, and what of that an analyst may know."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from analysis.models import Plan, Run
from cohorts.models import Change
from cohorts.services import consent
from tests.analysis.published_study import PLAN, a_site, at, published
from tests.factories import user_with


@pytest.mark.django_db(transaction=True)
def test_the_next_run_says_who_came_and_left_and_which_verdict_flipped():
    for seed, code in enumerate(("FUK", "OSA")):
        site = a_site(code, seed)
    plan = Plan.objects.create(study=site.study, name="kyushu", data=PLAN)
    first = published(plan)
    person = site.participants.first()
    consent.withdraw(person.pk, level=3, by=None)
    assert Change.objects.latest("pk").kind == "withdrawal"
    second = published(plan)
    manager, analyst = APIClient(), APIClient()
    manager.force_authenticate(user_with("CD"))
    analyst.force_authenticate(user_with("CA"))
    told = manager.get(at(second, "changes")).json()
    assert told["previous"] == str(first.pk)
    assert told["participants"] == [{"site": "OSA", "n_in": 0, "n_out": 1}]
    # One person left: the run is held back, so the analyst's newest run is still the first.
    assert analyst.get("/api/v1/runs/latest?plan=kyushu").json()["id"] == str(first.pk)
    assert analyst.get(at(second, "changes")).status_code == 404
    Run.objects.filter(pk=second.pk).update(released_at=second.published_at)
    seen = analyst.get(at(second, "changes")).json()
    assert seen["participants"] == [{"site": None, "n_in": None, "n_out": None}]
