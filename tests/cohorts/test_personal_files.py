"""A table with a column of personal data is refused, and its file is not kept."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from cohorts.errors import UnusableRequest
from cohorts.models import Upload
from cohorts.services import uploads
from cohorts.services.erasing import personal_files
from cohorts.services.tables import files, remarked, two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import SiteFactory, user_with

NAMED = "participant,sex,group,enrolled_on,family_name\nF001,f,hikikomori,2024-04-01,Sato\n"
BROKEN = "participant,sex,group,enrolled_on\nF001,q,hikikomori,2024-04-01\n"


@pytest.fixture
def site(transactional_db):
    return SiteFactory(code="FUK")


def sent(text):
    return SentTable("participants", text.encode(), "people.csv", {})


def is_kept(upload):
    return files.path_of(upload.sha256).exists()


@pytest.mark.parametrize("step", [uploads.submit, two_steps.check])
def test_the_file_goes_and_its_report_stays(site, step):
    upload = Upload.objects.get(pk=step(site, sent(NAMED), by=None).pk)
    assert not is_kept(upload)
    assert upload.status == "rejected"
    assert upload.file_removed_at is not None
    (fault,) = [each for each in upload.report["faults"] if each["code"] == "personal_data"]
    assert fault["column"] == "family_name"
    assert "Sato" not in str(upload.report)


@pytest.mark.parametrize("step", [uploads.submit, two_steps.check])
def test_a_table_refused_for_something_else_keeps_its_file(site, step):
    upload = Upload.objects.get(pk=step(site, sent(BROKEN), by=None).pk)
    assert upload.status == "rejected"
    assert is_kept(upload)
    assert upload.file_removed_at is None


def test_a_file_that_was_left_by_a_crash_goes_with_the_next_sweep(site, monkeypatch):
    with monkeypatch.context() as crashing:
        crashing.setattr(personal_files, "remove", lambda: None)
        upload = uploads.submit(site, sent(NAMED), by=None)
    assert is_kept(upload)
    personal_files.remove()
    assert not is_kept(upload)
    personal_files.remove()  # nothing is left to do


def test_the_same_file_sent_again_is_checked_again_and_goes_again(site):
    first = uploads.submit(site, sent(NAMED), by=None)
    second = uploads.submit(site, sent(NAMED), by=None)
    assert first.pk == second.pk
    assert Upload.objects.get().status == "rejected"
    assert not is_kept(second)


def test_a_file_sent_again_just_before_its_removal_stays_until_it_is_checked(site, monkeypatch):
    with monkeypatch.context() as crashing:
        crashing.setattr(personal_files, "remove", lambda: None)
        uploads.submit(site, sent(NAMED), by=None)
    real = files.hold_all_for_removal

    def send_again():
        uploads.receive(site, sent(NAMED), by=None)
        connections.close_all()

    def hold():
        thread = threading.Thread(target=send_again)
        thread.start()
        thread.join(60)
        real()

    monkeypatch.setattr(files, "hold_all_for_removal", hold)
    personal_files.remove()
    upload = Upload.objects.get()
    assert (upload.status, upload.file_removed_at) == ("received", None)
    assert is_kept(upload)


def test_a_file_that_another_upload_needs_stays(site):
    other = SiteFactory(code="SEL", study=site.study)
    needed = uploads.receive(other, sent(NAMED), by=None)
    upload = uploads.submit(site, sent(NAMED), by=None)
    assert Upload.objects.get(pk=upload.pk).file_removed_at is not None
    assert is_kept(needed)


def test_its_table_of_remarks_says_why_there_is_none(site):
    coordinator = user_with("SC", site)
    upload = uploads.submit(site, sent(NAMED), by=coordinator)
    upload.refresh_from_db()
    with pytest.raises(UnusableRequest, match="not kept, since it has a column of personal data"):
        remarked.file_of(upload, to=coordinator, form="csv")
