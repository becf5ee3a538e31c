"""The admin opens by role, shows what the table allows, and guards what no service guards."""

from __future__ import annotations

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from analysis.models import Plan
from cohorts.admin_site import site as admin_site
from cohorts.admin_subjects import SUBJECTS, by_subject
from cohorts.history import acting, because
from cohorts.models import (
    EVENTS,
    AuditLink,
    AuditSeal,
    Change,
    DictionaryEdit,
    Feature,
    Membership,
    Participant,
    RecordReading,
    User,
)
from cohorts.models.heartbeat import Heartbeat
from cohorts.models.repeat import SentRequest
from cohorts.services.features import dictionary_edits
from tests.factories import (
    FeatureFactory,
    ParticipantFactory,
    SampleFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
    user_with,
)
from tests.portal import books

pytestmark = pytest.mark.django_db
# Answers kept for a request that is sent again would show records; beats are told by /readyz.
MACHINERY = {AuditLink, AuditSeal, SentRequest, Heartbeat}
RECORDS = ("participant", "consent", "sample", "assaybatch", "assayrow", "upload", "change")


@pytest.fixture
def steward():
    return user_with("CD")


@pytest.fixture
def administrator():
    return user_with("AD")


def test_a_participant_leads_to_its_other_records(client):
    person = ParticipantFactory(code="FUK-001", age_years=None, birth_year=1995)
    client.force_login(user_with("CD"))
    page = client.get(f"/admin/cohorts/participant/{person.pk}/change/").text
    for kind in ("consent", "withdrawal", "visit", "assessment", "sample"):
        address = f"/admin/cohorts/{kind}/?q=FUK-001"
        assert f'href="{address}"' in page
        assert client.get(address).status_code == 200
    listed = client.get("/admin/cohorts/participant/").text
    assert '<td class="field-age">29.0</td>' in listed


def test_every_model_is_in_the_admin():
    from django.apps import apps

    ours = {m for app in ("cohorts", "analysis") for m in apps.get_app_config(app).get_models()}
    assert ours - MACHINERY <= set(admin_site._registry)


@pytest.mark.parametrize("role", ["SC", "SD", "LT", "CA", "AU"])
def test_the_admin_stays_shut_for_other_roles(browse, role):
    site, _ = books.two_sites()
    person = user_with(role, None if role == "CA" else site)
    # A flag on the account opens nothing: roles do.
    User.objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True)
    assert browse(person).get("/admin/").status_code in (302, 403)
    assert browse(person).get("/admin/cohorts/participant/", follow=True).status_code == 403


def test_the_admin_has_no_login_of_its_own(client):
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/"


def test_records_are_read_and_not_changed_there(browse, steward):
    person = ParticipantFactory()
    UploadFactory(site=person.site)
    client = browse(steward)
    for name in RECORDS:
        assert client.get(f"/admin/cohorts/{name}/add/").status_code == 403
    page = f"/admin/cohorts/participant/{person.pk}/"
    assert client.post(f"{page}change/", {"code": "other"}).status_code == 403
    assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403


def test_the_administrator_sees_no_health_data(browse, administrator):
    ParticipantFactory(code="FUK-777")
    client = browse(administrator)
    for name in ("participant", "consent", "sample", "assessment", "assayrow"):
        assert client.get(f"/admin/cohorts/{name}/").status_code == 403
    assert b"articipant" not in client.get("/admin/").content


def test_the_administrator_gives_roles_to_others_and_not_to_themselves(browse, administrator):
    client, other = browse(administrator), UserFactory()
    form = {
        "username": other.username,
        "is_active": "on",
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 0,
        "memberships-0-user": other.pk,
        "memberships-0-role": "CA",
        "memberships-0-from_date": "2024-01-01",
    }
    client.post(f"/admin/cohorts/user/{other.pk}/change/", form)
    assert Membership.objects.get(user=other).role == "CA"
    own = form | {"username": administrator.username, "memberships-0-user": administrator.pk}
    client.post(f"/admin/cohorts/user/{administrator.pk}/change/", own)
    assert [m.role for m in administrator.memberships.all()] == ["AD"]


def test_the_data_manager_reads_accounts_and_changes_none(browse, steward):
    other = UserFactory()
    page = f"/admin/cohorts/user/{other.pk}/change/"
    assert browse(steward).get(page).status_code == 200
    assert browse(steward).post(page, {"username": "renamed"}).status_code == 403


def plan_form(plan, data):
    return {"data": json.dumps(data), "followed": "on"}


def test_editing_a_plan_makes_its_next_version(browse, steward):
    plan = books.followed_plan()
    page = f"/admin/analysis/plan/{plan.pk}/change/"
    answer = browse(steward).post(
        page, plan_form(plan, plan.data | {"min_per_arm": 7}), follow=True
    )
    assert b"Kept as version 2" in answer.content
    assert [(p.version, p.data.get("min_per_arm")) for p in Plan.objects.order_by("version")] == [
        (1, None),
        (2, 7),
    ]


def test_a_plan_that_means_nothing_is_refused_in_words(browse, steward):
    plan = books.followed_plan()
    page = f"/admin/analysis/plan/{plan.pk}/change/"
    answer = browse(steward).post(page, plan_form(plan, plan.data | {"tau2": "guess"}))
    assert b"choose one of REML" in answer.content
    # A setting a line, as it is read and as it was sent back.
    assert "\n  &quot;tau2&quot;" in answer.text
    assert "{\n  &quot;case&quot;" in browse(steward).get(page).text
    assert Plan.objects.count() == 1


def test_an_edit_of_the_dictionary_is_proposed_and_then_a_change_that_analyses_see(browse, steward):
    books.two_sites()
    feature = FeatureFactory(name="ornithine")
    form = {"kind": "concentration", "reviewed": "on", "why_edited": "looked up"}
    form |= {"aliases-TOTAL_FORMS": 0, "aliases-INITIAL_FORMS": 0}
    client = browse(steward)
    here = f"/admin/cohorts/feature/{feature.pk}/change/"
    assert "Why it is edited" in client.get(here).content.decode()
    client.post(here, form | {"why_edited": ""})
    assert not DictionaryEdit.objects.exists()
    client.post(here, form)
    edit = DictionaryEdit.objects.get()
    assert edit.difference == [("reviewed", False, True)]
    assert not Feature.objects.get().reviewed
    dictionary_edits.approve(edit.pk, by=user_with("CD"))
    assert Feature.objects.get().reviewed
    assert "ornithine" in Change.objects.get(kind="dictionary").cause


def test_a_list_asks_the_database_equally_often_for_more_rows(browse, steward):
    site, _ = books.two_sites()
    client = browse(steward)

    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            client.get("/admin/cohorts/sample/")
        return len(asked)

    SampleFactory.create_batch(2, participant__site=site)
    few = n_queries()
    SampleFactory.create_batch(15, participant__site=site)
    assert n_queries() == few < 30


def test_the_first_page_lists_every_record_under_its_subject(browse, administrator, steward):
    subjects, seen = [str(name) for name in SUBJECTS], set()
    for person in (administrator, steward):
        listed = browse(person).get("/admin/").context["app_list"]
        found = [subject["name"] for subject in listed]
        assert found == [name for name in subjects if name in found]
        models = [entry["model"] for subject in listed for entry in subject["models"]]
        assert len(models) == len(set(models))
        seen |= set(models)
    assert seen == set(admin_site._registry)


def test_a_record_without_a_subject_is_told():
    with pytest.raises(KeyError, match="weather"):
        by_subject([("weather", {})])


def test_who_only_reads_accounts_sees_nothing_of_a_password(browse, administrator, steward):
    somebody = UserFactory()
    address = f"/admin/cohorts/user/{somebody.pk}/change/"
    assert "argon2" in browse(administrator).get(address).text
    read = browse(steward).get(address)
    assert read.status_code == 200
    assert "argon2" not in read.text
    assert "password" not in read.text.split("</header>")[-1].lower()


def test_the_history_of_a_record_says_who_changed_what_and_why(client, steward):
    person = ParticipantFactory(code="FUK-001", birth_year=1995, age_years=None)
    with because("typing error in the form"), acting("command correct"):
        Participant.objects.filter(pk=person.pk).update(birth_year=1996)
    client.force_login(steward)
    page = client.get(f"/admin/cohorts/participant/{person.pk}/history/").text
    row = re.search(r"<tr>\s*<th.*?typing error in the form.*?</tr>", page, re.DOTALL)[0]
    assert "<del>1995</del> → <ins>1996</ins>" in row
    assert "changed" in row
    assert "first written" in page
    assert RecordReading.objects.filter(read_by=steward, what__contains="its history").count() == 1


def test_a_row_without_a_kept_history_offers_none(client, steward):
    client.force_login(steward)
    change = Change.objects.record(
        study=ParticipantFactory().site.study,
        site=None,
        kind="assays",
        counts={"rows": 3},
        cause="x",
    )
    page = client.get(f"/admin/cohorts/change/{change.pk}/change/").text
    assert "historylink" not in page
    assert '<th scope="row">Samples, pools and blanks</th><td>3</td>' in page


def test_what_a_row_was_is_told_without_the_words_of_the_triggers(client, steward):
    person = ParticipantFactory(code="FUK-001")
    event = EVENTS[Participant].objects.get(pgh_obj_id=person.pk)
    client.force_login(steward)
    for address in ("", f"{event.pk}/change/", "?what=insert"):
        page = client.get(f"/admin/cohorts/participantevent/{address}").text
        assert "first written" in page
        assert not re.search("pgh|Pgh|object \\(", page)
    assert "participant " in page


def test_no_one_reads_the_history_of_what_they_may_not_see(client, administrator):
    person = ParticipantFactory()
    client.force_login(administrator)
    answer = client.get(f"/admin/cohorts/participant/{person.pk}/history/")
    assert answer.status_code in (302, 403)
    assert answer.content == b"" or person.code not in answer.text
    assert not RecordReading.objects.exists()


def test_a_new_site_is_of_the_only_study_and_its_form_says_what_to_write(browse):
    study = StudyFactory()
    page = browse(user_with("AD")).get("/admin/cohorts/site/add/").content.decode()
    assert re.search(rf'<option value="{study.pk}" selected>', page)
    assert "Such as Asia/Tokyo" in page
    assert "Two capitals, such as JP." in page
    StudyFactory(code="second")
    page = browse(user_with("AD")).get("/admin/cohorts/site/add/").content.decode()
    assert not re.search(rf'<option value="{study.pk}" selected>', page)
