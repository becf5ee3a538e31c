"""The audit trail is chained: what is changed, removed or swapped in it is found and named."""

from __future__ import annotations

import random

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from analysis import tasks
from cohorts import history
from cohorts.advisory import Advisory
from cohorts.models import EVENTS, AuditLink, AuditSeal, Change, Participant, RecordReading, Sample
from cohorts.services.audit import audit_chain, audit_check
from cohorts.services.audit.audit_check import Noted
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
PEOPLE, TUBES = EVENTS[Participant], EVENTS[Sample]


@pytest.fixture
def sealed():
    """Two seals over a site's people, tubes, changes and readings."""
    site = SiteFactory()
    tubes = [SampleFactory(participant__site=site) for _ in range(3)]
    audit_chain.seal_new()
    with history.because("read again from the label"):
        Sample.objects.update(tube="EDTA")
    Change.objects.record(
        study=site.study, site=site, kind="samples", counts={"changed": 3}, cause="by hand"
    )
    RecordReading.objects.create(read_by=user_with("SD", site), site=site, what="all", n_rows=3)
    audit_chain.seal_new()
    return tubes


def faults(noted: Noted | None = None) -> list[str]:
    return list(audit_check.check(noted).faults)


def test_what_nobody_touched_verifies(sealed):
    checked = audit_check.check()
    assert checked.faults == ()
    assert (checked.n_seals, checked.n_erased, checked.n_unsealed) == (2, 0, 0)
    n_events = sum(model._default_manager.count() for model in EVENTS.values())
    assert checked.n_entries == n_events + 2


def test_sealing_twice_seals_once(sealed):
    assert audit_chain.seal_new() == 0
    assert AuditSeal.objects.count() == 2


def test_what_is_newer_than_the_last_seal_is_counted_as_such(sealed):
    ParticipantFactory(site=SiteFactory())
    assert audit_check.check().n_unsealed == 2
    audit_chain.seal_new()
    assert audit_check.check().n_unsealed == 0


def test_a_changed_entry_is_named(sealed):
    event = TUBES.objects.last()
    TUBES.objects.filter(pk=event.pk).update(tube="heparin")
    assert faults() == [f"sample event {event.pk} (seal 2) was changed after it was sealed."]


def test_a_changed_reason_actor_or_time_is_found(sealed):
    event = TUBES.objects.last()
    was = TUBES.objects.filter(pk=event.pk).values().get()
    for column, value in {
        "pgh_context": {"reason": "something else"},
        "pgh_created_at": timezone.now(),
        "pgh_label": "insert",
    }.items():
        TUBES.objects.filter(pk=event.pk).update(**{column: value})
        assert len(faults()) == 1, column
        TUBES.objects.filter(pk=event.pk).update(**{column: was[column]})
    assert faults() == []


def test_a_removed_entry_is_named(sealed):
    event = PEOPLE.objects.first()
    Change.objects.all().delete()
    PEOPLE.objects.filter(pk=event.pk).delete()
    assert faults() == [
        f"participant event {event.pk} (seal 1) is gone.",
        f"change {AuditLink.objects.get(kind='change').entry_id} (seal 2) is gone.",
    ]


def test_two_swapped_entries_are_named(sealed):
    first, second = (event.pk for event in PEOPLE.objects.all()[:2])
    with connection.cursor() as cursor:
        for old, new in ((first, -1), (second, first), (-1, second)):
            table = PEOPLE._meta.db_table
            cursor.execute(f"UPDATE {table} SET pgh_id = %s WHERE pgh_id = %s", [new, old])  # noqa: S608
    assert [told.partition(" (")[0] for told in faults()] == [
        f"participant event {first}", f"participant event {second}",
    ]  # fmt: skip


def test_a_changed_removed_or_swapped_link_is_found(sealed):
    link = AuditLink.objects.filter(seal=1).first()
    AuditLink.objects.filter(pk=link.pk).update(digest=b"0" * 32)
    assert faults()[0].startswith("seal 1: its hash does not follow from the seal before")
    AuditLink.objects.filter(pk=link.pk).update(digest=link.digest)
    AuditLink.objects.filter(pk=link.pk).update(id=10**9)
    assert faults()[0].startswith("seal 1: its hash does not follow")
    AuditLink.objects.filter(pk=10**9).delete()
    n = link.seal.n_links
    assert faults()[0] == f"seal 1: has {n - 1} links; {n} were sealed."


def test_a_removed_or_changed_seal_is_found(sealed):
    AuditSeal.objects.filter(number=1).update(sealed_at=timezone.now())
    assert faults()[0].startswith("seal 1: its hash")


def test_a_seal_that_is_gone_is_named(sealed):
    AuditLink.objects.filter(seal=1).delete()
    AuditSeal.objects.filter(number=1).delete()
    assert faults()[:2] == [
        "seal 1: is gone; the next one is 2.",
        "seal 2: its hash does not follow from the seal before and from its "
        f"{AuditSeal.objects.get().n_links} links: one of them, or the seal, was changed.",
    ]


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_noted(sealed):
    number, digest = str(audit_chain.newest()).split(":")
    assert faults(Noted(int(number), digest[:16])) == []
    AuditLink.objects.filter(seal=2).delete()
    AuditSeal.objects.filter(number=2).delete()
    gone = "seal 2: was the head once and is gone: the chain was cut off."
    assert faults(Noted(2, digest)) == [gone]
    audit_chain.seal_new()  # whoever seals anew what is left makes another head
    assert faults(Noted(2, digest)) == [
        "seal 2: its hash is not the one that was noted: it was made anew."
    ]


def test_a_chain_made_anew_without_the_installations_key_is_found(sealed, settings):
    kept = settings.ERASURE_KEY
    AuditLink.objects.all().delete()
    AuditSeal.objects.all().delete()
    settings.ERASURE_KEY = "a key that somebody guessed"
    audit_chain.seal_new()
    assert faults() == []
    settings.ERASURE_KEY = kept
    assert faults()[0].startswith("seal 1: its hash does not follow")


def test_an_entry_that_was_sealed_again_without_an_erasure_is_found(sealed):
    event = TUBES.objects.last()
    TUBES.objects.filter(pk=event.pk).update(tube="heparin")
    last = audit_chain.newest()
    window = audit_chain._Window(last.seen, last.settled, last.horizon)
    again = list(audit_chain.entries_of(TUBES.objects.filter(pk=event.pk), "sampleevent"))
    audit_chain._append(again, last, "", window)
    assert faults() == [f"sample event {event.pk} (seal 2) was sealed again without an erasure."]


def test_of_random_edits_deletions_and_swaps_every_one_is_found(sealed):
    rng = random.Random(7)
    kinds = [kind for kind in audit_chain.KINDS if AuditLink.objects.filter(kind=kind).exists()]
    for _ in range(30):
        kind = rng.choice(kinds)
        model = audit_chain.KINDS[kind]
        rows = list(model._default_manager.order_by("pk"))
        row = rng.choice(rows)
        others = [other for other in rows if other.pk != row.pk]
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT tampering")
            if rng.random() < 0.3 or not others:
                model._default_manager.filter(pk=row.pk).delete()
            else:
                other = rng.choice(others)
                columns = [c for c in audit_chain.columns_of(kind) if c != model._meta.pk.attname]
                values = {c: getattr(other, c) for c in columns}
                if values == {c: getattr(row, c) for c in columns}:
                    continue
                model._default_manager.filter(pk=row.pk).update(**values)
            found = audit_check.check().faults
            cursor.execute("ROLLBACK TO SAVEPOINT tampering")
        assert any(f" {row.pk} (seal " in told for told in found), (kind, row.pk)
    assert faults() == []


def test_columns_that_a_migration_adds_leave_old_entries_as_they_were(sealed, monkeypatch):
    now = audit_chain.columns_of

    def before(kind):
        return [name for name in now(kind) if name != "tube"]

    AuditLink.objects.all().delete()
    AuditSeal.objects.all().delete()
    monkeypatch.setattr(audit_chain, "columns_of", before)
    audit_chain.seal_new()
    monkeypatch.undo()
    Sample.objects.update(tube="citrate")
    audit_chain.seal_new()
    assert faults() == []
    TUBES.objects.filter(pk=TUBES.objects.last().pk).update(tube="other")
    assert len(faults()) == 1


def test_a_sealed_column_that_is_gone_is_named(sealed, monkeypatch):
    now = audit_chain.columns_of
    monkeypatch.setattr(
        audit_chain, "columns_of", lambda kind: [name for name in now(kind) if name != "tube"]
    )
    assert "sample event: the sealed column tube is gone." in faults()


def test_the_command_tells_what_it_checked_and_the_head(sealed, capsys):
    call_command("verify_audit")
    told = capsys.readouterr().out.splitlines()
    n = AuditLink.objects.count()
    assert told == [
        f"Checked {n} entries in 2 seals; 0 were emptied or masked by erasures; 0 are newer than "
        "the last seal and are not covered yet.",
        f"Head: {audit_chain.newest()}",
        "Every entry says what it said when it was sealed.",
    ]


def test_the_command_ends_with_1_and_the_first_broken_place(sealed, capsys):
    event = TUBES.objects.last()
    TUBES.objects.filter(pk=event.pk).update(tube="heparin")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit")
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "The audit trail is not what was sealed:",
        f"sample event {event.pk} (seal 2) was changed after it was sealed.",
    ]


@pytest.fixture
def other_session(transactional_db):
    """A second session of the database, whose work is undone if it is still open at the end."""
    other = connections.create_connection("default")
    other.set_autocommit(False)
    yield other
    other.rollback()
    other.close()


@pytest.mark.django_db(transaction=True)
def test_who_seals_waits_for_no_writer_and_what_commits_late_is_sealed_later(other_session):
    late, early = ParticipantFactory(), ParticipantFactory()
    audit_chain.seal_new()
    with other_session.cursor() as cursor:
        cursor.execute("UPDATE cohorts_participant SET sex = 'unknown' WHERE id = %s", [late.pk])
    Participant.objects.filter(pk=early.pk).update(sex="intersex")
    assert audit_chain.seal_new() == 1  # the second; the number of the first is the smaller one
    Participant.objects.filter(pk=early.pk).update(sex="female")
    assert audit_chain.seal_new() == 1
    other_session.commit()
    assert audit_chain.seal_new() == 1
    checked = audit_check.check()
    assert (checked.faults, checked.n_unsealed) == ((), 0)


@pytest.mark.django_db(transaction=True)
def test_while_somebody_erases_or_checks_sealing_waits_for_the_next_sweep(other_session):
    with other_session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(Advisory.AUDIT_CHAIN)])
    ParticipantFactory()
    assert audit_chain.seal_new() == 0
    other_session.commit()
    assert audit_chain.seal_new() > 0


def test_a_long_backlog_is_sealed_piece_by_piece(monkeypatch):
    monkeypatch.setattr(audit_chain, "PIECE", 2)
    # Transactions count over all databases of a server, those of tests beside this one too.
    monkeypatch.setattr(audit_chain, "_transactions", lambda: (1, 1))
    SampleFactory.create_batch(3)
    while audit_chain.seal_new():
        pass
    checked = audit_check.check()
    assert (checked.faults, checked.n_unsealed) == ((), 0)
    assert AuditSeal.objects.count() >= checked.n_entries / 2
    assert audit_chain.newest().settled["sampleevent"] > 0


def test_the_sweep_seals(monkeypatch):
    monkeypatch.setattr("analysis.services.freshness.ring", lambda *args, **kwargs: True)
    ParticipantFactory()
    tasks.sweep()
    assert audit_check.check().n_unsealed == 0
