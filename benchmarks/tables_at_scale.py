"""What the sites of a large study sent, and what was kept of who read and took along what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.copies import many, one_each
from cohorts.models import (
    AssayBatch,
    AssayRow,
    BatchFeature,
    Change,
    ExportRequest,
    Feature,
    FeatureAlias,
    FeatureDecision,
    RecordExport,
    RecordReading,
    SignInAttempt,
    Site,
    Upload,
    User,
)
from cohorts.models.assay import pack_flags, pack_values

if TYPE_CHECKING:
    from django.db import models

WRITTEN: Final[tuple[type[models.Model], ...]] = (
    *(AssayBatch, AssayRow, BatchFeature, Change, ExportRequest, Feature, FeatureAlias),
    *(FeatureDecision, RecordExport, RecordReading, SignInAttempt, Upload),
)
UPLOADS, BATCHES, ROWS, COLUMNS, FEATURES = 20_000, 2_000, 100, 50, 1_000
CHANGES, READINGS, SIGN_INS, EXPORTS = 200_000, 200_000, 100_000, 1_000
A_REPORT: Final = {"summary": {"measured": 5_000, "below_lod": 10, "missing": 2}}


def fill(sites: list[Site], tube: int, share: float, staff: list[User]) -> None:
    """Uploads, their batches with rows and columns, changes, and what was read."""
    site = f"{sites[0].pk} + n % {len(sites)}"
    sent = Upload(
        site=sites[0],
        kind="assays",
        sha256="0" * 64,
        filename="plasma.csv",
        n_bytes=100_000,
        status="accepted",
        report=A_REPORT,
        sent_by=staff[0],
    )
    upload = many(
        sent,
        round(UPLOADS * share),
        id="md5('upload' || n)::uuid",
        site_id=site,
        sha256="md5(n::text) || md5('more' || n)",
        received_at="t.received_at - n * interval '1 minute'",
    )
    _features(sites)
    batch = AssayBatch(site=sites[0], upload_id=upload, platform="LC-MS", matrix="plasma")
    n_batches = round(BATCHES * share)
    first: int = many(
        batch, n_batches, site_id=site, upload_id="md5('upload' || n)::uuid", label="'batch ' || n"
    )
    _values(first, n_batches, tube)
    changed = Change(
        study=sites[0].study, site=sites[0], kind="samples", cause="a table", counts={}
    )
    many(changed, round(CHANGES * share), site_id=site)
    _readings(sites, share, staff)


def _features(sites: list[Site]) -> None:
    feature = Feature(name="feature 0", canonical_unit="umol/L")
    first: int = many(feature, FEATURES, name="'feature ' || n")
    named = FeatureAlias(feature_id=first, site=sites[0], name="name 0")
    many(
        named,
        FEATURES * len(sites),
        feature_id=f"{first} + n % {FEATURES}",
        site_id=f"{sites[0].pk} + n / {FEATURES}",
        name="'name ' || n",
    )
    decided = FeatureDecision(
        kind="rename",
        feature_id=first,
        new_name="name 0",
        reason="A better name.",
        decided_at=datetime.now(UTC),
    )
    many(decided, FEATURES, feature_id=f"{first} + n % {FEATURES}", new_name="'name ' || n")


def _values(batch: int, n_batches: int, tube: int) -> None:
    feature = Feature.objects.earliest("pk").pk
    column = BatchFeature(
        batch_id=batch, position=0, feature_id=feature, source_name="name", unit="umol/L"
    )
    one_each(
        column,
        f"generate_series(0, {n_batches * COLUMNS - 1}) n",
        batch_id=f"{batch} + n / {COLUMNS}",
        position=f"n % {COLUMNS}",
        feature_id=f"{feature} + n % {COLUMNS}",
    )
    row = AssayRow(
        batch_id=batch,
        sample_id=tube,
        label="T0",
        packed_values=pack_values(np.linspace(1, 2, COLUMNS)),
        packed_flags=pack_flags(np.zeros(COLUMNS, dtype=np.uint8)),
    )
    # A batch's tubes are those of its site: each site's have numbers that differ by the sites'.
    one_each(
        row,
        f"generate_series(0, {n_batches * ROWS - 1}) n",
        batch_id=f"{batch} + n % {n_batches}",
        sample_id=f"{tube} + n",
        label="'T' || n",
    )


def _readings(sites: list[Site], share: float, staff: list[User]) -> None:
    site = f"{sites[0].pk} + n % {len(sites)}"
    read = RecordReading(read_by=staff[0], site=sites[0], what="participants", n_rows=50)
    many(read, round(READINGS * share), site_id=site, read_at="t.read_at - n * interval '1 minute'")
    tried = SignInAttempt(name_digest="0" * 64, user=staff[0], address="192.0.2.1", passed=True)
    many(tried, round(SIGN_INS * share), at="t.at - n * interval '1 minute'")
    asked = ExportRequest(
        site=sites[0],
        format="mwtab",
        recipient="a partner",
        recipient_country="DE",
        reason="A paper of both.",
        asked_by=staff[0],
        batches=[],
    )
    many(asked, round(EXPORTS * share), site_id=site)
    took = RecordExport(
        site=sites[0],
        format="mwtab",
        reason="A paper.",
        n_participants=10,
        n_samples=10,
        sha256="0" * 64,
        exported_by=staff[0],
    )
    many(took, round(EXPORTS * share), site_id=site)
