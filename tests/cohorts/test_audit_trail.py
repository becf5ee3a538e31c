"""The audit trail of a site: everything that was done, once each, to those who may read it."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from cohorts import history
from cohorts.models import EVENTS, Participant, RecordReading
from cohorts.services import enrolment
from cohorts.services.audit.audit_trail import Asked, Trail, kinds_for
from tests.factories import (
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return SiteFactory(code="FUK", time_zone="Asia/Tokyo")


@pytest.fixture
def auditor(site):
    return user_with("AU", site)


@pytest.fixture
def nurse(site):
    return user_with("SC", site)


@pytest.fixture
def person(site, nurse):
    with history.because("", user=nurse.pk):
        return ParticipantFactory(site=site, code="FUK-014", sex="male")


def read(user, site, n=200, **asked):
    return Trail(user, site, Asked(**asked)).page(n)[0]


def corrected(person, nurse):
    return enrolment.correct(
        person.pk, {"sex": "female"}, reason="wrong line", by=nurse, version=person.version
    )


def test_a_correction_says_who_what_and_why(site, auditor, nurse, person):
    corrected(person, nurse)
    entry = read(auditor, site, kind="participant")[0]
    assert (entry.record, entry.what, entry.by) == ("FUK-014", "update", nurse.username)
    assert (entry.reason, entry.changed) == ("wrong line", (("sex", "male", "female"),))


def test_kinds_are_merged_newest_first_and_every_entry_comes_once(site, auditor):
    for _ in range(4):
        consent = ConsentFactory(participant=ParticipantFactory(site=site))
        SampleFactory(participant=consent.participant)
    RecordReading.objects.create(read_by=auditor, site=site, what="x", n_rows=3)
    trail = Trail(auditor, site, Asked())
    pages, after = [], ""
    for _ in range(100):
        entries, after = trail.page(3, after)
        pages += entries
        if not after:
            break
    whole = read(auditor, site)
    assert pages == whole
    assert len({(each.kind, each.row_id, each.what, each.at) for each in pages}) == len(pages)
    assert trail.count() == len(whole) >= 13
    assert [each.at for each in whole] == sorted((each.at for each in whole), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "1-2", "-".join("9" * 30 for _ in range(17)), "\0"])
def test_a_cursor_that_is_none_of_ours_begins_at_the_newest(site, auditor, person, cursor):
    trail = Trail(auditor, site, Asked())
    assert trail.page(5, cursor) == trail.page(5)


def test_another_sites_doings_are_not_in_it(site, auditor):
    ParticipantFactory(site=SiteFactory(code="NGO", study=site.study), code="NGO-1")
    assert "NGO-1" not in [each.record for each in read(auditor, site)]


def test_a_coordinator_sees_what_she_did_herself(site, nurse, person):
    other = user_with("SC", site)
    with history.because("", user=other.pk):
        ParticipantFactory(site=site, code="FUK-015")
    assert [each.record for each in read(nurse, site, kind="participant")] == ["FUK-014"]
    assert [each.record for each in read(other, site, kind="participant")] == ["FUK-015"]


def test_a_laboratory_reads_of_tubes_and_never_of_people(site):
    technician = user_with("LT", site)
    with history.because("", user=technician.pk):
        tube = SampleFactory(participant=ParticipantFactory(site=site, code="FUK-016"))
    kinds = kinds_for(technician, site)
    assert "sample" in kinds
    assert not {"participant", "consent", "withdrawal", "assessment", "interview"} & kinds.keys()
    told = read(technician, site)
    assert [each.record for each in told if each.kind == "sample"] == [tube.code]
    assert "FUK-016" not in str(told)


def test_an_administrator_reads_of_accounts_and_sites_alone(site, person):
    kinds = kinds_for(user_with("AD"), site)
    assert kinds.keys() == {"membership", "site"}


def test_days_are_those_of_the_site(site, auditor, person):
    # 23:30 of the first of April in Tokyo is 14:30 in London.
    late = datetime(2024, 4, 1, 14, 30, tzinfo=UTC)
    EVENTS[Participant].objects.filter(pgh_obj_id=person.pk).update(pgh_created_at=late)
    zone = {"zone": timezone.get_fixed_timezone(timedelta(hours=9))}
    first, second = late.date(), late.date() + timedelta(days=1)
    assert len(read(auditor, site, kind="participant", since=first, until=first, **zone)) == 1
    assert read(auditor, site, kind="participant", since=second, **zone) == []
    assert read(auditor, site, kind="participant", until=first - timedelta(days=1), **zone) == []


def test_the_one_who_is_asked_for(site, auditor, nurse, person):
    assert [each.record for each in read(auditor, site, by=nurse.username)] == ["FUK-014"]
    assert read(auditor, site, by="nobody") == []


def test_a_page_asks_as_often_for_many_entries_as_for_few(site, auditor, nurse):
    def asked():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            read(auditor, site, n=50)
        return len(queries)

    corrected(ParticipantFactory(site=site), nurse)
    few = asked()
    for _ in range(5):
        corrected(ParticipantFactory(site=site), nurse)
    assert asked() == few


def test_the_page_shows_it_in_words(client, site, auditor, nurse, person):
    corrected(person, nurse)
    client.force_login(auditor)
    page = client.get(reverse("audit-trail", args=["FUK"])).text
    assert f'<a href="/participants/{person.pk}/">FUK-014</a>' in page
    assert "Male → Female" in page or "male → female" in page
    assert "wrong line" in page
    assert "All of this as CSV" in page


def test_pages_follow_one_another(client, site, auditor, monkeypatch):
    monkeypatch.setattr("cohorts.views.audit_trail.PAGE", 2)
    for n in range(3):
        ParticipantFactory(site=site, code=f"FUK-{n}")
    client.force_login(auditor)
    address = reverse("audit-trail", args=["FUK"])
    first = client.get(address, {"kind": "participant"})
    second = client.get(address, {"kind": "participant", "after": first.context["following"]})
    assert [len(each.context["entries"]) for each in (first, second)] == [2, 1]
    assert second.context["following"] == ""
    assert "Newest" in second.text


def test_a_day_that_is_none_is_told_beside_its_field(client, site, auditor):
    client.force_login(auditor)
    answer = client.get(reverse("audit-trail", args=["FUK"]), {"since": "2024-02-30"})
    assert (answer.status_code, "Not a date; write YYYY-MM-DD." in answer.text) == (422, True)


def test_the_auditor_takes_all_of_it_along_which_is_itself_an_entry(client, site, auditor, nurse):
    corrected(ParticipantFactory(site=site, code="FUK-014", sex="male"), nurse)
    with history.because("=1+1", user=nurse.pk):
        ParticipantFactory(site=site, code="FUK-015")
    client.force_login(auditor)
    answer = client.get(reverse("audit-trail-csv", args=["FUK"]), {"kind": "participant"})
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert [(row["record"], row["what"]) for row in rows] == [
        ("FUK-015", "insert"),
        ("FUK-014", "update"),
        ("FUK-014", "insert"),
    ]
    assert rows[0]["reason"] == "'=1+1"
    assert "sex: male -> female" in rows[1]["changed"]
    newest = read(auditor, site)[0]
    assert (newest.what, newest.by, newest.record) == (
        "read", auditor.username, "audit trail, rows: 3",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"),
    [(["store_samples", "X1"], "Keep blood samples, X1"), ([], ""), (None, "nothing")],
)
def test_several_values_of_a_field_are_told_in_words_and_not_as_a_program_writes_them(value, said):
    assert render_to_string("cohorts/_trail_value.html", {"value": value}).strip() == said
