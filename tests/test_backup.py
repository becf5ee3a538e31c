"""A backup brings back rows and files, or refuses before anything is changed."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from cohorts.models import Participant, Upload
from cohorts.services.audit import audit_chain, audit_check
from cohorts.services.tables import files
from hikiproject import backup
from tests import sessions
from tests.factories import ParticipantFactory, UploadFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_files(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MEDIA_ROOT.mkdir()


@pytest.fixture(autouse=True)
def alone(transactional_db):
    """A restore asks that nobody else use the database; an earlier test's browser may still."""
    sessions.end_others()


@pytest.fixture
def saved(tmp_path):
    """A backup of one participant and one file."""
    digest = files.store(b"participant\nP1\n")
    UploadFactory(sha256=digest, site=ParticipantFactory(code="KEPT").site)
    folder = tmp_path / "saved"
    out = io.StringIO()
    call_command("backup", str(folder), stdout=out)
    assert "the database and 1 files" in out.getvalue()
    return folder


def restored(folder, *options: str) -> str:
    out = io.StringIO()
    call_command("restore", str(folder), *options, stdout=out)
    return out.getvalue()


def test_rows_and_files_come_back_as_they_were(saved):
    upload = Upload.objects.get()
    Participant.objects.update(code="CHANGED")
    files.path_of(upload.sha256).unlink()
    told = restored(saved, "--replace")
    assert told.startswith("Restored what ")
    assert Participant.objects.get().code == "KEPT"
    assert files.path_of(upload.sha256).read_bytes() == b"participant\nP1\n"


def test_the_audit_chain_verifies_after_a_restore(tmp_path):
    ParticipantFactory(code="KEPT")
    audit_chain.seal_new()
    head = str(audit_chain.newest())
    call_command("backup", str(tmp_path / "saved"))
    Participant.objects.update(code="LATER")
    restored(tmp_path / "saved", "--replace")
    assert str(audit_chain.newest()) == head
    Participant.objects.update(code="WORKED-ON")
    audit_chain.seal_new()
    checked = audit_check.check()
    assert (checked.faults, checked.n_unsealed) == ((), 0)


def test_the_erased_are_erased_again_before_anybody_works(saved, monkeypatch):
    replayed = []
    monkeypatch.setattr(
        "analysis.management.commands.replay_erasures.Command.handle",
        lambda *_args, **_options: replayed.append(Participant.objects.count()),
    )
    Participant.objects.all().delete()
    restored(saved, "--replace")
    assert replayed == [1]


def tables() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


def test_a_backup_from_before_an_update_leaves_nothing_younger_behind(saved):
    """A migration of the update would find its own table there already."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE younger (of bigint REFERENCES cohorts_participant)")
    restored(saved, "--replace")
    assert "younger" not in tables()
    assert Participant.objects.get().code == "KEPT"


def test_a_restore_that_fails_midway_changes_nothing(saved, monkeypatch):
    Participant.objects.update(code="NEWER")

    def fails(*_: str) -> None:
        raise backup.BackupRefused("pg_restore ended with: no room on the disk")

    monkeypatch.setattr(backup, "_run", fails)
    with pytest.raises(CommandError, match="no room on the disk"):
        restored(saved, "--replace")
    assert Participant.objects.get().code == "NEWER"


def test_a_restore_that_was_cut_off_can_be_made_again(saved):
    backup._put_aside()
    assert tables() == set()
    restored(saved)
    assert Participant.objects.get().code == "KEPT"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", [backup.ASIDE])
        assert cursor.fetchone() == (0,)


def test_a_study_is_not_replaced_without_a_word(saved):
    with pytest.raises(CommandError, match=r"holds a study of 1 sites: restore into an empty one"):
        restored(saved)
    assert Participant.objects.get().code == "KEPT"


@pytest.mark.parametrize("what", [backup.DUMP, "files"])
def test_a_damaged_backup_changes_nothing(saved, what):
    path = saved / what
    path = next(path.iterdir()) if path.is_dir() else path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    Participant.objects.update(code="NEWER")
    with pytest.raises(CommandError, match="1 of the backup's files are missing or damaged"):
        restored(saved, "--replace")
    assert Participant.objects.get().code == "NEWER"


def test_a_folder_that_is_no_backup_is_refused(tmp_path, saved):
    with pytest.raises(CommandError, match="holds no complete backup"):
        restored(tmp_path / "nothing")
    told = json.loads((saved / backup.LIST).read_text())
    (saved / backup.LIST).write_text(json.dumps({**told, "format": 99}))
    with pytest.raises(CommandError, match="has the format 99; this program reads 1"):
        restored(saved, "--replace")


def test_a_backup_does_not_overwrite_another(saved):
    with pytest.raises(CommandError, match="is there already: name a new folder"):
        call_command("backup", str(saved))


def test_a_stored_file_that_was_changed_stops_the_backup(tmp_path):
    digest = files.store(b"whole")
    files.path_of(digest).write_bytes(b"damaged")
    with pytest.raises(CommandError, match="is not what its name says"):
        call_command("backup", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_nothing_is_restored_under_somebody_who_works(saved):
    other = connections.create_connection("default")
    other.ensure_connection()
    try:
        with pytest.raises(CommandError, match="stop web, worker and sweeper first"):
            restored(saved, "--replace")
    finally:
        other.close()
