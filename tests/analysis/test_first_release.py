"""What one person wrote in the admin is released for the first time by another (rule D11)."""

import json

import pytest

from analysis.models import Plan, Run
from analysis.services import runs
from analysis.services.disclosure import first_release, releasing
from cohorts.errors import NotAllowed
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)

WAITS = (
    "One person wrote these settings of its plan: another data manager of the consortium approves "
    "their first release; later ones need nobody."
)


@pytest.fixture
def writer():
    return user_with("CD", username="writer")


@pytest.fixture
def second():
    return user_with("CD", username="second")


@pytest.fixture
def written(plan, consortium, browse, writer):
    """The newest version of the plan, saved by a data manager in the admin."""
    form = {"name": plan.name, "study": plan.study_id, "followed": "on"}
    form["data"] = json.dumps(plan.data | {"n_trees": 11})
    page = browse(writer).post(f"/admin/analysis/plan/{plan.pk}/change/", form, follow=True)
    assert "Kept as version 2" in page.content.decode()
    return Plan.objects.get(version=2)


def run_now(plan):
    run = runs.request(plan, cause="test")
    runs.execute(run.pk)
    return Run.objects.get(pk=run.pk)


def test_another_than_the_writer_releases_it_once_and_then_it_goes_by_itself(
    written, writer, second, browse
):
    assert written.written_by == writer
    run = run_now(written)
    assert (run.state, run.released_at, run.held_because) == ("published", None, WAITS)
    way = f"/runs/{run.pk}/release/"
    assert way not in browse(writer).get(f"/runs/{run.pk}/").content.decode()
    with pytest.raises(NotAllowed, match="You wrote these settings: another data manager"):
        releasing.approve(run.pk, by=writer)
    page = browse(second).get(f"/runs/{run.pk}/").content.decode()
    assert WAITS in page
    assert way in page
    assert releasing.approve(run.pk, by=second).released_by == second
    Run.objects.filter(pk=run.pk).update(key="of other data")
    later = run_now(written)
    assert (later.held_because, later.released_by) == ("", None)
    assert later.released_at is not None


def test_an_equal_version_is_approved_with_the_first_and_other_settings_are_not(written, second):
    releasing.approve(run_now(written).pk, by=second)

    def next_version(number, **other):
        data = written.data | other
        return Plan(study=written.study, name=written.name, version=number, data=data)

    elsewhere, renamed = next_version(5), next_version(6)
    elsewhere.study, renamed.name = StudyFactory(code="OTHER"), "other"
    for version, waits in (
        (next_version(3), False),
        (next_version(4, n_trees=12), True),
        (elsewhere, True),
        (renamed, True),
    ):
        version.written_by = second
        version.save()
        assert first_release.is_due(version) is waits


def test_settings_that_the_operator_set_before_wait_for_nobody(plan, writer):
    again = Plan(study=plan.study, name=plan.name, version=2, data=plan.data, written_by=writer)
    assert not first_release.is_due(again)
    again.data = plan.data | {"n_trees": 12}
    assert first_release.is_due(again)


def test_who_wrote_a_plan_whose_releases_are_all_approved_does_not_approve_the_first(
    written, writer, second
):
    Plan.objects.filter(pk=written.pk).update(data=written.data | {"release": "by_approval"})
    run = run_now(Plan.objects.get(pk=written.pk))
    with pytest.raises(NotAllowed, match="You wrote these settings"):
        releasing.approve(run.pk, by=writer)
    releasing.approve(run.pk, by=second)
    Run.objects.filter(pk=run.pk).update(key="of other data")
    assert releasing.approve(run_now(run.plan).pk, by=writer).released_by == writer
