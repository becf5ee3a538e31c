"""Who is erased is gone from tables, files and reports; everybody else is untouched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from analysis.services import erasures
from cohorts.errors import UnusableRequest
from cohorts.ingest.redaction import Redacted
from cohorts.models import (
    EVENTS,
    AssayRow,
    AuditLink,
    Change,
    Consent,
    Erasure,
    Participant,
    Sample,
    Tombstone,
    Upload,
)
from cohorts.services import identity
from cohorts.services.audit import audit_chain, audit_check
from cohorts.services.erasing import erasure, redactions
from cohorts.services.tables import files
from tests.cohorts.erasing.canaries import (
    ASSAYS,
    CANARY,
    PEOPLE,
    SAMPLES,
    erased,
    send,
    traces,
)
from tests.factories import ParticipantFactory, SiteFactory

pytestmark = pytest.mark.django_db


def test_after_an_erasure_the_code_stands_nowhere(canary, people, store):
    assert len(traces(CANARY, store)) > 5
    assert erased(canary, people).state == "executed"
    assert traces(CANARY, store) == []


def test_the_canary_search_finds_a_file_that_was_not_rewritten(canary, people, store, monkeypatch):
    """The seeded fault: an erasure that forgets the files."""
    monkeypatch.setattr(redactions, "without_person", lambda content, *_: Redacted(content))
    erased(canary, people)
    assert len(traces(CANARY, store)) == 3  # people, samples, the refused table


def test_the_canary_search_finds_a_report_that_was_not_scrubbed(canary, people, store, monkeypatch):
    monkeypatch.setattr(redactions, "_mask_uploads", lambda *_: None)
    erased(canary, people)
    assert {"cohorts_upload.report", "cohorts_upload.filename"} <= set(traces(CANARY, store))


def test_a_second_record_that_was_merged_goes_with_the_first(canary, people, store):
    first = Participant.objects.get(code="A001")
    Participant.objects.filter(pk=canary.pk).update(sex=first.sex, group=first.group)
    identity.merge(first.pk, canary.pk, reason=f"{CANARY} has the same card", by=people[0])
    assert erased(first, people).state == "executed"
    assert traces(CANARY, store) == []
    assert traces("A001", store) == []
    assert [p.code for p in Participant.objects.all()] == ["A003"]


def test_everybody_else_is_unchanged_bit_for_bit(canary, people):
    others = Participant.objects.exclude(pk=canary.pk)
    rows = AssayRow.objects.exclude(sample__participant=canary)

    def state():
        return (
            list(others.values()),
            list(rows.values()),
            list(Sample.objects.exclude(code__startswith="T2").values()),
            list(Consent.objects.filter(participant__in=others).values()),
        )

    before = state()
    erased(canary, people)
    assert state() == before
    assert AssayRow.objects.count() == 2


def test_the_other_rows_of_a_file_keep_every_byte(canary, people):
    erased(canary, people)
    kept = {u.kind: files.read(u.sha256).decode() for u in Upload.objects.filter(status="accepted")}
    assert kept["participants"] == "".join(
        line for line in PEOPLE.splitlines(keepends=True) if CANARY not in line
    )
    assert kept["samples"] == "".join(
        line for line in SAMPLES.splitlines(keepends=True) if CANARY not in line
    )
    assert kept["assays"] == ASSAYS.replace("T2,77.125,60\n", "")


def test_the_receipt_counts_and_names_nobody(canary, people):
    before = set(Upload.objects.values_list("sha256", flat=True))
    done = erased(canary, people)
    assert done.receipt["rows"] == {
        "assayrow": 1,
        "custodyevent": 2, "consent": 1, "participant": 1, "sample": 2, "withdrawal": 1,
    }  # fmt: skip
    assert {entry["before"] for entry in done.receipt["files"]} == before
    assert {entry["after"] for entry in done.receipt["files"]} == set(
        Upload.objects.values_list("sha256", flat=True)
    )
    assert done.proof["withdrawals"] == [{"level": 4, "effective_on": f"{timezone.localdate()}"}]
    assert done.proof["consents"][0]["signed_on"] == "2024-04-02"
    stone = Tombstone.objects.get()
    assert (str(stone.pk), stone.level) == (done.receipt["tombstone"], 4)


def test_the_feed_of_changes_shows_a_tombstone(canary, people):
    erased(canary, people)
    change = Change.objects.latest("pk")
    assert (change.kind, change.counts["participant"]) == ("erasure", 1)
    assert change.cause == "erasure carried out"


def test_the_files_as_sent_leave_the_store(canary, people, store):
    before = set(Upload.objects.values_list("sha256", flat=True))
    erased(canary, people)
    assert not [digest for digest in before if files.path_of(digest).exists()]
    assert {path.name for path in store.rglob("*") if path.is_file()} == set(
        Upload.objects.values_list("sha256", flat=True)
    )


def test_a_file_that_could_not_be_removed_is_swept_later(canary, people, store, monkeypatch):
    monkeypatch.setattr(redactions, "remove_replaced", lambda: None)
    erased(canary, people)
    assert traces(CANARY, store)
    monkeypatch.undo()
    erasures.execute_due()
    assert Erasure.objects.with_files_to_remove().count() == 0


def test_an_erasure_that_fails_changes_nothing(canary, people, store, monkeypatch):
    def full(_content):
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "store", full)
    assert erased(canary, people).state == "approved"
    assert Participant.objects.filter(pk=canary.pk).exists()
    assert Upload.objects.get(status="accepted", kind="participants").report["faults"] == []
    monkeypatch.undo()


def test_the_erased_file_is_not_taken_again(canary, people, site, store):
    erased(canary, people)
    with pytest.raises(UnusableRequest, match="export the table again without them"):
        send(site, "participants", PEOPLE)
    assert traces(CANARY, store) == []


def test_a_refused_table_speaks_of_the_erased_as_of_strangers(canary, people, site):
    def words(code, sample):
        table = f"sample,participant,material\n{sample},{code},plasma\n"
        (fault,) = send(site, "samples", table).report["faults"]
        return fault["text"].replace(code, "X")

    stranger = words("Q7777", "T70")
    erasure.request(canary.pk, by=people[0])
    assert words(CANARY, "T71") == stranger
    erasure.approve(Erasure.objects.get().pk, by=people[1])
    erasures.execute_due(timezone.now() + timedelta(hours=25))
    assert words(CANARY, "T72") == stranger


def test_another_sites_participant_of_the_same_code_stays(canary, people):
    other = ParticipantFactory(code=CANARY, site=SiteFactory(code="TYO"))
    change = Change.objects.record(
        study=other.site.study, site=other.site, kind="samples", counts={}, cause=f"table {CANARY}"
    )
    erased(canary, people)
    assert list(Participant.objects.filter(code=CANARY)) == [other]
    change.refresh_from_db()
    assert change.cause == f"table {CANARY}"


def test_the_audit_chain_verifies_after_an_erasure(canary, people, store):
    audit_chain.seal_new()
    erased(canary, people)
    checked = audit_check.check()
    assert checked.faults == ()
    assert checked.n_erased > 5
    audit_chain.seal_new()
    assert audit_check.check().faults == ()
    # Without their salt the hashes of what was emptied say nothing, not even to who has the key.
    emptied = AuditLink.objects.filter(seal__why="erasure")
    for link in emptied:
        first = AuditLink.objects.filter(kind=link.kind, entry_id=link.entry_id).first()
        assert (first.salt, bool(link.salt)) == (None, True)


def test_an_entry_that_is_emptied_without_an_erasure_is_found(canary):
    """The seeded fault: somebody empties what they do not like."""
    audit_chain.seal_new()
    events = EVENTS[Sample].objects.filter(code="T2")
    number = events.get().pk
    events.update(code=None)
    (told,) = audit_check.check().faults
    assert told.startswith(f"sample event {number} (seal 1) was changed")
