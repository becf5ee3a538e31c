"""A plan before it runs: previewed with the data of now, and locked before data arrive."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, ProgrammingError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Plan, Run
from analysis.services import plan_locks, plans, results
from analysis.services.departures import departure_of
from tests.factories import AssayBatchFactory, SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db
DATA = {"case": ["hikikomori"], "control": ["healthy_control"], "strata": ["all", "men"]}


@pytest.fixture
def unrun(db):
    return Plan.objects.create(study=StudyFactory(), name="future", data=DATA)


def test_a_plan_locked_before_data_says_so_with_its_day_and_digest(unrun):
    plan = plan_locks.lock(unrun.pk, by=user_with("CD"))
    told = plan_locks.registration_of(plan)
    assert told["digest"] == unrun.parsed.digest
    assert told["words"] == (
        f"Preregistered on {plan.locked_at:%Y-%m-%d}, digest {unrun.parsed.digest[:12]}, "
        "before any assay table was accepted."
    )
    run = Run.objects.create(plan=plan)
    assert results.run_facts(run)["preregistered"] == told


def test_a_lock_after_data_had_arrived_says_that(unrun):
    batch = AssayBatchFactory(site=SiteFactory(study=unrun.study))
    assert batch.site.study == unrun.study
    plan = plan_locks.lock(unrun.pk, by=user_with("CD"))
    words = plan_locks.registration_of(plan)["words"]
    assert "when 1 assay table had been accepted already: not before the data" in words


@pytest.mark.parametrize(
    "change",
    [
        {"data": {**DATA, "tau2": "DL"}},
        {"name": "other"},
        {"version": 7},
        {"locked_digest": "0" * 64},
        {"locked_at": None, "locked_by": None, "locked_digest": "", "tables_before_lock": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_locked_version_cannot_change_even_behind_the_services(unrun, change):
    plan_locks.lock(unrun.pk, by=user_with("CD"))
    with pytest.raises(ProgrammingError, match="Cannot update rows"), transaction.atomic():
        Plan.objects.filter(pk=unrun.pk).update(**change)
    with pytest.raises(ProgrammingError, match="Cannot delete rows"), transaction.atomic():
        Plan.objects.filter(pk=unrun.pk).delete()


def test_a_locked_plan_can_still_be_followed_or_not_and_edited_as_a_new_version(unrun):
    plan_locks.lock(unrun.pk, by=user_with("CD"))
    Plan.objects.filter(pk=unrun.pk).update(followed=False)
    with transaction.atomic():
        newer, is_new = plans.set_plan(unrun.study, "future", {**DATA, "tau2": "DL"})
    assert (is_new, newer.version, newer.locked_at) == (True, 2, None)


def test_a_run_of_a_later_version_says_what_it_changes_of_the_preregistered_one(unrun):
    plan_locks.lock(unrun.pk, by=user_with("CD"))
    assert departure_of(unrun) is None
    with transaction.atomic():
        newer, _ = plans.set_plan(unrun.study, "future", {**DATA, "tau2": "DL", "seed": 1})
        again, _ = plans.set_plan(unrun.study, "future", DATA)
    told = results.run_facts(Run.objects.create(plan=newer))["departure"]
    assert (told["version"], told["settings"]) == (1, ["tau2", "seed"])
    assert told["digest"] == unrun.parsed.digest
    assert told["words"].endswith("and changes: tau2, seed.")
    assert departure_of(again)["words"].endswith("has the same settings.")


@pytest.mark.parametrize("role", ["CA", "AD"])
def test_only_the_data_manager_locks(unrun, role):
    with pytest.raises(plan_locks.NotLockable, match="Only the data manager"):
        plan_locks.lock(unrun.pk, by=user_with(role))


def test_a_second_lock_and_the_lock_of_an_old_version_are_refused(unrun):
    manager = user_with("CD")
    plan_locks.lock(unrun.pk, by=manager)
    with pytest.raises(plan_locks.NotLockable, match="Save it as a new version"):
        plan_locks.lock(unrun.pk, by=manager)
    old = Plan.objects.create(study=unrun.study, name="twice", data=DATA)
    Plan.objects.create(study=unrun.study, name="twice", version=2, data=DATA)
    with pytest.raises(plan_locks.NotLockable, match="newer version than 1: lock that one"):
        plan_locks.lock(old.pk, by=manager)


def test_half_a_lock_is_refused_by_the_database(unrun):
    with pytest.raises(IntegrityError, match="plan_lock_is_whole"), transaction.atomic():
        Plan.objects.filter(pk=unrun.pk).update(locked_digest="0" * 64)


# --- preview


def test_a_preview_counts_people_features_and_tests_and_stores_nothing(plan, consortium):
    seen = plan_locks.preview(plan.study, plan.data)
    assert seen.sites[0] == {"site": "FUK", "n_case": 12, "n_control": 12}
    everybody, men = seen.strata
    assert everybody == {
        "stratum": "all",
        "n_case": 36,
        "n_control": 36,
        "n_features": 4,
        "n_tests": 4,
    }
    assert (men["n_case"], men["n_tests"]) == (18, 4)
    assert seen.n_tests == 8
    strict = plan_locks.preview(plan.study, {**plan.data, "min_per_arm": 7})
    assert strict.strata[1]["n_tests"] == 0
    taken = plan_locks.preview(plan.study, {**plan.data, "drug_free_only": True})
    assert any("not recorded as drug-free" in str(row["why"]) for row in taken.left_out)
    assert not Run.objects.exists()
    with pytest.raises(ValidationError, match="choose one of"):
        plan_locks.preview(plan.study, {**plan.data, "tau2": "magic"})


def test_the_admin_previews_saves_versions_and_locks(client, plan, consortium):
    client.force_login(user_with("CD"))
    where = f"/admin/analysis/plan/{plan.pk}/change/"
    assert "Lock this version" in client.get(where).content.decode()
    sent = {"data": json.dumps({**plan.data, "min_per_arm": 7}), "followed": "on"}
    seen = client.post(where, {**sent, "_preview": "Preview"}).content.decode()
    assert "Nothing has been saved" in seen
    assert "FUK" in seen
    assert Plan.objects.count() == 1
    wider = {"data": json.dumps({**plan.data, "min_per_arm": 6})}
    wrong = client.post(where, {"data": '{"case": []}', "_preview": "Preview"}).content.decode()
    assert "names no group" in wrong
    torn = client.post(where, {"data": '{"case":\n["x"', "_preview": "Preview"}).content.decode()
    assert "Line 2, column 5: the text is no JSON from here on." in torn
    client.post(where, sent)
    newest = Plan.objects.get(name=plan.name, version=2)
    answer = client.post(f"/admin/analysis/plan/{newest.pk}/lock/", follow=True).content.decode()
    assert "Locked. Preregistered on" in answer
    assert "not before the data" in answer
    again = client.post(f"/admin/analysis/plan/{newest.pk}/lock/", follow=True).content.decode()
    assert "Save it as a new version" in again
    assert client.get(f"/admin/analysis/plan/{newest.pk}/lock/").status_code == 403
    edited = client.post(f"/admin/analysis/plan/{newest.pk}/change/", sent | wider, follow=True)
    assert "It runs in place of the preregistered one" in edited.content.decode()
    newer = Run.objects.create(
        plan=Plan.objects.get(version=3), state=Run.State.PUBLISHED, published_at=timezone.now()
    )
    page = client.get(f"/runs/{newer.pk}/").content.decode()
    assert "Other settings than were fixed beforehand." in page
    assert "changes: min_per_arm." in page


def test_the_api_locks_as_the_admin_does_and_refuses_in_the_same_words(plan, consortium):
    api = APIClient()
    api.force_authenticate(user_with("CD"))
    where = f"/api/v1/plans/{plan.pk}/lock"
    told = api.post(where).json()
    plan.refresh_from_db()
    assert (told["locked_digest"], told["tables_before_lock"]) == (plan.parsed.digest, 3)
    assert told["preregistered"] == plan_locks.registration_of(plan)["words"]
    again = api.post(where)
    assert again.status_code == 409
    assert "Save it as a new version" in again.json()["detail"]
    assert api.get(f"/api/v1/plans/{plan.pk}").json()["preregistered"] == told["preregistered"]


def test_an_administrator_neither_sees_nor_locks_plans(client, unrun):
    client.force_login(user_with("AD"))
    assert client.post(f"/admin/analysis/plan/{unrun.pk}/lock/").status_code == 403
    unrun.refresh_from_db()
    assert unrun.locked_at is None
