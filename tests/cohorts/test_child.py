"""Files are parsed in a child: it answers, it is ended at its limits, and it hurts nobody."""

from __future__ import annotations

import io
import os
import pickle
import signal
import time
import zipfile
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from cohorts import models
from cohorts.ingest import checking
from cohorts.ingest.child import client, warmth
from cohorts.ingest.child.limits import Limits
from cohorts.ingest.child.memory import Shared
from cohorts.ingest.facts import SampleFacts, SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.remarks import as_xlsx
from cohorts.services.erasing import ledger
from tests.factories import SiteFactory

TABLE = b"participant,sex\nF001,female\n"


def test_the_child_reads_what_the_parent_would():
    assert client.read_file("participants", TABLE, "p.csv").frame.equals(
        checking.read_file("participants", TABLE, "p.csv").frame
    )


def test_a_refusal_comes_back_in_its_own_words():
    with pytest.raises(UnreadableFile, match=r"^p\.csv is a picture; export the table as CSV"):
        client.read_file("participants", b"\x89PNG\r\n", "p.csv")


def test_a_file_refused_before_its_facts_were_needed_is_refused_in_its_own_words():
    many = {f"S{i}": SampleFacts(f"S{i}", "P", "plasma") for i in range(20_000)}
    facts = SiteFacts("FUK", date(2026, 1, 1), samples=many)  # more than a socket holds
    with (
        client.begin_check(b"\x89PNG\r\n", "samples", "p.csv", {}) as begun,
        pytest.raises(UnreadableFile, match=r"^p\.csv is a picture"),
    ):
        begun.checked(lambda: facts)


def test_a_small_file_does_not_wait_for_a_start():
    client.read_file("participants", TABLE, "p.csv")
    times = []
    for _ in range(15):
        began = time.perf_counter()
        client.read_file("participants", TABLE, "p.csv")
        times.append(time.perf_counter() - began)
    # A start takes a second and more; benchmarks/files.py measures what a quiet machine needs.
    assert min(times) < 0.25, times


@pytest.mark.parametrize(
    "limits", [Limits(memory_bytes=2**20), Limits(cpu_seconds=1), Limits(wall_seconds=0.05)]
)
def test_a_child_at_its_limit_is_ended_and_the_file_refused(limits, monkeypatch):
    monkeypatch.setattr(client, "LIMITS", limits)
    many = b"sample,a\n" + b'"T",1.5\n' * 1_500_000
    began = time.perf_counter()
    with pytest.raises(UnreadableFile, match="split it by rows"):
        client.read_file("samples", many, "big.csv")
    assert time.perf_counter() - began < 20
    monkeypatch.undo()
    assert client.read_file("participants", TABLE, "p.csv").n_rows == 1


def test_a_zip_bomb_is_refused_in_seconds():
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(300 * 2**20))
    began = time.perf_counter()
    with pytest.raises(UnreadableFile, match="would unpack to 300 MB in 1 parts"):
        client.read_file("samples", bomb.getvalue(), "bomb.xlsx")
    assert time.perf_counter() - began < 5


def test_a_warm_process_that_was_killed_is_replaced():
    client.warm()
    process = client._servers[os.getpid()].process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert client.read_file("participants", TABLE, "p.csv").n_rows == 1


def test_a_fault_of_the_parser_itself_is_not_taken_for_a_bad_file(monkeypatch):
    with (
        client.Begun("no such job", TABLE, ("participants", "p.csv")) as begun,
        pytest.raises(client.ParserFailure, match="KeyError"),
    ):
        begun.answer(lambda: None)


def test_a_child_that_is_not_asked_any_more_ends_and_holds_up_nobody():
    with client.begin_check(TABLE, "participants", "p.csv", {}):
        pass
    assert client.read_file("participants", TABLE, "p.csv").n_rows == 1


def test_a_job_does_not_wait_for_the_one_before_it():
    how = ("participants", "p.csv", {}, "")
    with client.begin_check(TABLE, *how) as first, client.begin_check(TABLE, *how) as second:
        # The first child lives until it is asked, and that is never before the second answers.
        for begun in (second, first):
            assert begun.checked(lambda: SiteFacts("FUK", date(2026, 1, 1))).report.n_rows == 1


def test_what_a_child_warms_up_with_is_read_as_a_large_table_is(monkeypatch):
    told = []
    real = checking.check_file
    monkeypatch.setattr(checking, "check_file", lambda *a: told.append(real(*a)))
    warmth.grow_warm()
    [checked] = told
    assert {fault.code for fault in checked.report.faults} == {"unknown_sample"}


def test_a_child_serves_the_question_that_it_was_given_and_once(monkeypatch):
    how = ("participants", "p.csv", {"sex": "Geschlecht"}, "")
    with client.begin_check(TABLE, *how) as begun:
        assert begun.serves(*how)
        assert not begun.serves("participants", "p.csv", {}, "")
        assert begun.checked(lambda: SiteFacts("FUK", date(2026, 1, 1))).report.n_rows == 1
        assert not begun.serves(*how)
    with client.begin_check(TABLE, *how) as begun:
        monkeypatch.setattr(client, "LIMITS", Limits(wall_seconds=0))
        assert not begun.serves(*how)  # its alarm may end it before it is asked


def test_an_answer_larger_than_the_shared_memory_comes_whole(monkeypatch):
    monkeypatch.setattr(Shared.holding.__func__, "__defaults__", (64,))
    rows = b"".join(b"F%d,female\n" % i for i in range(20_000))
    read = client.read_file("participants", b"participant,sex\n" + rows, "p.csv")
    assert read.frame["participant"].tolist() == [f"F{i}" for i in range(20_000)]


def test_neither_end_can_cut_the_memory_short_or_let_it_grow():
    with closing(Shared.holding(TABLE, 4_096)) as memory:
        assert memory.content(len(TABLE)) == TABLE
        for size in (1, 8_192):
            with pytest.raises(PermissionError):
                os.ftruncate(memory.fileno(), size)


def test_a_workbook_passes_through_the_child():
    content = as_xlsx([["participant", "sex"], ["F001", "female"]])
    assert client.read_file("participants", content, "p.xlsx").encoding == "XLSX"


@pytest.mark.django_db
def test_an_erased_code_is_known_in_the_child_as_it_is_in_the_ledger():
    site = SiteFactory()
    models.Tombstone.objects.create(
        site=site, key=ledger.key_of(site, "F007"), level=4, on=date(2024, 4, 1)
    )
    erased = pickle.loads(pickle.dumps(ledger.erased_at(site)))  # noqa: S301 - our own
    assert [erased(code) for code in ("F007", "f007", "F008")] == [True, True, False]


def test_a_job_that_could_not_begin_leaves_nothing_open(monkeypatch):
    def nobody_takes_it(_descriptors):
        raise ConnectionResetError

    monkeypatch.setattr(client, "_hand_over", nobody_takes_it)
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        with pytest.raises(ConnectionResetError):
            client.read_file("participants", TABLE, "p.csv")
    assert sorted(Path("/proc/self/fd").iterdir()) == before
