"""Rows that are stored while their table is still being checked: kept if it holds, or undone."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from django.db import transaction

from cohorts.ingest import checking
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.child import client, wire
from cohorts.ingest.child.ahead import Asked, Teller
from cohorts.ingest.child.memory import Shared
from cohorts.ingest.facts import ParticipantFacts, SampleFacts, SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.models import AssayBatch, AssayRow, Upload, Withdrawal
from cohorts.services import uploads
from cohorts.services.batches import assay_rows
from cohorts.services.tables import books, rows_ahead
from tests.cohorts.test_uploads import PLASMA, enrolled, faults, send
from tests.factories import SiteFactory

pytestmark = pytest.mark.django_db

PLAIN = "sample,arginine [umol/L],ornithine [umol/L]\nT1,82.5,0\nT2,,60.25\n"
HOW = ("assays", "t.csv", AssayOptions("LC-MS", "plasma"), "")


@pytest.fixture
def site(reference):
    return enrolled(SiteFactory(code="FUK"))


@pytest.fixture
def only_ahead(monkeypatch):
    """Rows have no other way in."""
    monkeypatch.setattr(assay_rows, "copy_in", None)


def stored():
    rows = AssayRow.objects.order_by("label")
    names = ("label", "sample__code", "sample_type", "injection_order")
    columns = ("packed_values", "packed_flags", "batch__label", "batch__scale")
    return [
        tuple(bytes(each) if isinstance(each, memoryview) else each for each in row)
        for row in rows.values_list(*names, *columns)
    ]


def test_the_rows_of_a_plain_table_are_stored_while_it_is_checked(site, only_ahead):
    assert send(site, "assays", PLAIN, **PLASMA).status == Upload.Status.ACCEPTED
    one, other = AssayRow.objects.order_by("label")
    assert (one.sample.code, one.values.tolist(), one.flags.tolist()) == ("T1", [82.5, 0], [0, 0])
    assert np.isnan(other.values[0])
    assert other.flags.tolist() == [2, 0]
    assert one.batch.upload.status == Upload.Status.ACCEPTED


RUN = """\
sample,sample_type,injection_order,batch,arginine [umol/L],ornithine [umol/L]
blank,blank,1,plate 1,0.1,
pool,qc,2,plate 1,80,60
T1,,3,plate 1,82.5,0
pool,qc,4,plate 2,81,61
T1,study,5,plate 2,82,1
T2,study,,plate 2,,60.25
"""


def test_the_rows_of_a_run_with_pools_blanks_order_and_plates_are_stored_ahead_too(
    site, only_ahead
):
    assert send(site, "assays", RUN, **PLASMA).status == Upload.Status.ACCEPTED
    names = ("batch__label", "label", "sample__code", "sample_type", "injection_order")
    assert list(AssayRow.objects.order_by("pk").values_list(*names)) == [
        ("plate 1", "blank", None, "blank", 1),
        ("plate 1", "pool", None, "qc", 2),
        ("plate 1", "T1", "T1", "study", 3),
        ("plate 2", "pool", None, "qc", 4),
        ("plate 2", "T1", "T1", "study", 5),
        ("plate 2", "T2", "T2", "study", None),
    ]
    values = [row.values[0] for row in AssayRow.objects.order_by("pk")]
    np.testing.assert_array_equal(values, [0.1, 80, 82.5, 81, 82, np.nan])


def mixed(text):
    """The same rows, those of the plates in turn."""
    head, *rows = text.splitlines()
    return "\n".join([head, *(row for two in zip(rows[:3], rows[3:], strict=True) for row in two)])


@pytest.mark.parametrize("change", [mixed, lambda text: text.replace("study,5", "study,5.0")])
def test_a_run_that_is_not_stored_ahead_is_stored_all_the_same(site, change):
    send(site, "assays", RUN, **PLASMA)
    ahead = stored()
    AssayBatch.objects.all().delete()
    assert send(site, "assays", change(RUN), **PLASMA).status == Upload.Status.ACCEPTED
    assert sorted(stored(), key=str) == sorted(ahead, key=str)


def test_a_run_of_more_plates_than_are_stored_ahead_is_stored_all_the_same(site):
    rows = "".join(f"T1,plate {n},{n}\n" for n in range(rows_ahead.MOST_BATCHES + 1))
    send(site, "assays", f"sample,batch,arginine [umol/L]\n{rows}", **PLASMA)
    assert AssayBatch.objects.filter(rows__sample__code="T1").count() == 21


def test_what_is_stored_ahead_is_what_would_be_stored_afterwards(site, monkeypatch):
    send(site, "assays", PLAIN, **PLASMA)
    ahead = stored()
    AssayBatch.objects.all().delete()
    monkeypatch.setattr(uploads, "moves_zeros", lambda _sent: True)
    send(site, "assays", PLAIN.replace("\n", "\r\n"), **PLASMA)
    assert stored() == ahead


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("T1,1,2\nT9,3,4\n", '"T9" is not a sample of FUK'),
        ("T1,1,2\nT1,3,4\n", '"T1" is also in row 2'),
        ("T1,1,2\nT2,-3,4\n", '"-3" is negative'),
        ("T1,1,2\nT2,3,x\n", '"x" is not a number'),
    ],
)
def test_of_a_refused_table_no_row_stays(site, rows, words):
    head = PLAIN.splitlines()[0]
    assert words in faults(send(site, "assays", f"{head}\n{rows}", **PLASMA))[0]
    assert not AssayRow.objects.exists()
    assert not AssayBatch.objects.exists()
    assert send(site, "assays", PLAIN, **PLASMA).status == Upload.Status.ACCEPTED


def test_a_zero_that_means_something_else_is_stored_as_that(site):
    send(site, "assays", PLAIN, **PLASMA, zero_means="missing")
    assert AssayRow.objects.get(label="T1").flags.tolist() == [0, 2]


def told(site, *, labels=("T1", "T2")):
    """Rows that a child told, and the table that it then checked."""
    facts = books.facts_of(site)
    ahead = rows_ahead.RowsAhead(site, facts)
    checked = checking.check_file("assays", PLAIN.encode(), "t.csv", lambda: facts, HOW[2])
    return ahead, {"sample": list(labels)}, checked


def test_rows_are_undone_where_the_file_turns_out_to_be_no_table(site):
    ahead, cells, checked = told(site)
    with transaction.atomic():
        ahead.take(cells, checked.batches[0].values)
        ahead.__exit__(UnreadableFile, UnreadableFile("the child was ended"), None)
        assert not AssayRow.objects.exists()


@pytest.mark.parametrize("change", ["flags", "heads", "not held", "fewer", "none"])
def test_rows_are_kept_for_that_very_table_alone(site, change):
    ahead, cells, checked = told(site)
    [batch] = checked.batches
    other = {
        "flags": lambda: replace(batch, flags=1 - batch.flags),
        "heads": lambda: replace(batch, rows=batch.rows[::-1]),
    }.get(change, lambda: batch)()
    with transaction.atomic(), ahead:
        n = 1 if change == "fewer" else 2
        ahead.take({"sample": cells["sample"][:n]}, batch.values[:n])
        if change != "not held":
            ahead.hold()
        ahead.settle(replace(checked, batches=(other,)))
    assert bool(ahead.batch_ids) == (change == "none")
    AssayRow.objects.all().delete()  # of a batch that is not there


def test_of_somebody_who_has_withdrawn_no_value_is_written_even_to_be_undone(site):
    sample = site.samples.get(code="T2")
    Withdrawal.objects.create(
        participant=sample.participant, level=2, effective_on=date(2024, 5, 1)
    )
    ahead, cells, checked = told(site)
    with transaction.atomic(), ahead:
        ahead.take(cells, np.ones((2, 2)))
        ahead.settle(checked)
        assert not AssayRow.objects.exists()
    assert not ahead.batch_ids


class Listener:
    def __init__(self):
        self.labels, self.values, self.n_at_end, self.is_held = [], [], -1, False

    def take(self, cells, values):
        self.labels += cells["sample"]
        self.values += values[:, 0].tolist()

    def end(self):
        self.n_at_end = len(self.labels)

    def hold(self):
        self.is_held = True


def test_many_rows_and_many_facts_hold_up_neither_end():
    n = 30_000  # labels and facts are each more than a socket holds
    people = {"P": ParticipantFacts("P", frozenset({"metabolomics"}))}
    samples = {f"SAMPLE{i}": SampleFacts(f"SAMPLE{i}", "P", "plasma") for i in range(n)}
    facts = SiteFacts("FUK", date(2026, 1, 1), participants=people, samples=samples)
    rows = "".join(f"SAMPLE{i},{i / 7!r}\n" for i in range(n))
    taker = Listener()
    with client.begin_check(f"sample,a\n{rows}".encode(), *HOW) as begun:
        checked = begun.checked(lambda: facts, taker)
    assert checked.report.ok
    assert taker.is_held
    assert taker.n_at_end == n
    assert taker.labels == list(samples)
    assert taker.values == [i / 7 for i in range(n)]
    assert checked.batches[0].values[:, 0].tolist() == taker.values


def test_rows_are_not_held_where_a_cell_has_changed_how_the_table_is_read():
    taker = Listener()
    facts = SiteFacts("FUK", date(2026, 1, 1))
    with client.begin_check(b"sample,a\nT1,1.5\nT2,<LOD\n", *HOW) as begun:
        begun.checked(lambda: facts, taker)
    assert not taker.is_held
    assert taker.n_at_end == -1


def test_every_block_is_told_as_soon_as_it_is_read():
    ours, theirs = socket.socketpair()
    taker = []
    with ours, theirs, closing(Shared.holding(b"x" * 64)) as memory:
        listening, both = ours.makefile("rwb"), theirs.makefile("rwb")
        asked = cache(lambda: wire.receive(both))
        how = Teller(theirs, both, memory, asked).as_numbers({"sample": "sample"}.get)
        wire.send(listening, Asked(None, wants_rows=True))
        how.room(3, 1)
        for label in ("T1", "T2", "T3"):
            how.tell(pa.RecordBatch.from_pydict({"sample": [label]}))
            ours.settimeout(5)
            taker.append(wire.receive(listening))
    assert taker == [("rows", ({"sample": [label]}, (3, 1))) for label in ("T1", "T2", "T3")]
