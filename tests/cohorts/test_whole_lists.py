"""Tables of any size leave in pieces: whole lists, and all values of a batch."""

from __future__ import annotations

import csv
import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from rest_framework.test import APIClient

from cohorts.api import whole_lists
from cohorts.models import ApiToken, AssayRow, RecordReading, ValueFlag
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services.batches import batch_values
from cohorts.services.batches.batch_values import BatchValues
from tests.factories import (
    AssayBatchFactory,
    FeatureFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


def program(role, site=None):
    _, key = ApiToken.objects.issue(user_with(role, site), "notebook")
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


def body(answer) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


@pytest.fixture
def batch():
    """Two samples of two features at FUK: one value below 0.5, one missing."""
    made = AssayBatchFactory(site=SiteFactory(code="FUK"))
    for at, (name, unit) in enumerate((("=danger", "umol/L"), ("ornithine", ""))):
        made.columns.create(
            feature=FeatureFactory(name=name), position=at, source_name=name, unit=unit
        )
    rows = (([0.5, 2.25], [ValueFlag.BELOW_LOD, 0]), ([7.0, np.nan], [0, ValueFlag.MISSING]))
    for number, (values, flags) in enumerate(rows):
        sample = SampleFactory(participant__site=made.site, code=f"T{number}")
        made.rows.create(
            sample=sample,
            label=sample.code,
            packed_values=pack_values(np.array(values, dtype=float)),
            packed_flags=pack_flags(np.array(flags, dtype=np.uint8)),
        )
    return made


# --- lists


def test_a_whole_list_is_the_own_sites_pages_in_one(monkeypatch):
    monkeypatch.setattr(whole_lists, "PIECE_ROWS", 3)
    here, there = SiteFactory(code="FUK"), SiteFactory(code="NGO")
    ParticipantFactory.create_batch(7, site=here)
    ParticipantFactory(site=there)
    client = program("SD", here)
    table = pd.read_csv(io.BytesIO(body(client.get("/api/v1/participants?format=csv&rows=all"))))
    page = client.get("/api/v1/participants").json()["results"]
    assert list(table["code"]) == [row["code"] for row in page]
    assert len(table) == 7
    assert set(table["site"]) == {"FUK"}


def test_a_whole_list_as_parquet_keeps_its_types(monkeypatch):
    monkeypatch.setattr(whole_lists, "PIECE_ROWS", 2)
    here = SiteFactory(code="FUK")
    ParticipantFactory(site=here, age_years=None)
    ParticipantFactory.create_batch(4, site=here, age_years=30.5)
    got = body(program("SD", here).get("/api/v1/participants?format=parquet&rows=all"))
    table = pd.read_parquet(io.BytesIO(got))
    assert table["age_years"].dtype == float
    assert table["age_years"].isna().sum() == 1


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("rows=all", "A whole list is sent as CSV or Parquet; JSON comes in pages."),
        ("rows=7&format=csv", "Write rows=all, or leave it out for a page."),
    ],
)
def test_a_whole_list_that_cannot_be_sent_is_refused_in_words(query, sentence):
    answer = program("CD").get(f"/api/v1/participants?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"pointer": "/rows", "detail": sentence}]


def test_an_unchanged_list_is_not_sent_again_and_whoever_read_it_is_on_record():
    here = SiteFactory(code="FUK")
    ParticipantFactory(site=here)
    client, url = program("SD", here), "/api/v1/participants?format=csv&rows=all"
    first = client.get(url)
    body(first)
    assert client.get(url, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    [entry] = RecordReading.objects.all()
    assert entry.what == f"participants: {url}"
    assert entry.n_rows == 1
    ParticipantFactory(site=here)
    assert client.get(url, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


# --- values of a batch


def test_the_values_of_a_batch_come_back_as_they_were_sent(batch):
    url = f"/api/v1/assay-batches/{batch.pk}/values?format=csv"
    text = body(program("SD", batch.site).get(url)).decode()
    assert list(csv.reader(text.splitlines())) == [
        ["sample", "sample_type", "injection_order", "'=danger [umol/L]", "ornithine"],
        ["T0", "study", "", "<0.5", "2.25"],
        ["T1", "study", "", "7.0", ""],
    ]
    [entry] = RecordReading.objects.all()
    assert (entry.site, entry.n_rows) == (batch.site, 2)


def test_as_parquet_only_what_was_measured_is_a_number(batch):
    url = f"/api/v1/assay-batches/{batch.pk}/values?format=parquet"
    table = pd.read_parquet(io.BytesIO(body(program("CD").get(url))))
    assert table["=danger [umol/L]"].isna().tolist() == [True, False]
    assert table["ornithine"].isna().tolist() == [False, True]
    assert [list(each) for each in table["value_flags"]] == [[1, 0], [0, 2]]


def test_the_rows_of_one_kind_alone_are_sent(batch):
    AssayRow.objects.create(
        batch=batch,
        label="QC 1",
        sample_type="qc",
        packed_values=pack_values(np.full(2, 1.5)),
        packed_flags=pack_flags(np.zeros(2, dtype=np.uint8)),
    )
    client, url = program("SD", batch.site), f"/api/v1/assay-batches/{batch.pk}/values?format=csv"
    (_, row) = body(client.get(f"{url}&sample_type=qc")).decode().splitlines()
    assert next(csv.reader([row])) == ["QC 1", "qc", "", "1.5", "1.5"]
    assert RecordReading.objects.get().n_rows == 1
    refused = client.get(f"{url}&sample_type=pool")
    assert refused.status_code == 400
    (told,) = refused.json()["errors"]
    assert told["detail"] == "Write one of study, qc, blank, or leave it out for all."


def test_values_are_not_told_as_json(batch):
    url = f"/api/v1/assay-batches/{batch.pk}/values"
    refused = program("CD").get(url, HTTP_ACCEPT="application/json")
    assert refused.status_code == 406
    assert refused["Content-Type"] == "application/problem+json"


def peak_of_reading(batch, n_rows) -> int:
    values, flags = np.full(1000, 1.5), np.zeros(1000, dtype=np.uint8)
    AssayRow.objects.filter(batch=batch).delete()
    AssayRow.objects.bulk_create(
        AssayRow(
            batch=batch,
            label=f"QC {n}",
            sample_type="qc",
            packed_values=pack_values(values),
            packed_flags=pack_flags(flags),
        )
        for n in range(n_rows)
    )
    table = BatchValues(batch, tuple(f"f{at}" for at in range(1000)), n_rows)
    tracemalloc.start()
    try:
        for _ in table.for_parquet():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(batch_values, "GROUP_BYTES", 500_000)


def grows(batch) -> bool:
    return peak_of_reading(batch, 1200) > 1.5 * peak_of_reading(batch, 240)


def test_a_batch_five_times_as_large_takes_no_more_memory(batch):
    assert not grows(batch)


def test_the_test_of_memory_notices_a_table_that_is_read_whole(batch, monkeypatch):
    def whole(self, n_bytes):
        yield list(AssayRow.objects.filter(batch=self.batch))

    monkeypatch.setattr(BatchValues, "_pieces", whole)
    assert grows(batch)
