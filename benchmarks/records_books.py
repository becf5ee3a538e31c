"""A site with consenting participants and their samples, for the records' benchmarks."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cohorts.models import Erasure, Site

SCOPES = ["metabolomics", "share_consortium", "store_samples"]


def site_with_samples(n_samples: int, code: str = "FUK") -> Site:
    """``S0``, ``S1``, ... of two consenting participants each ten."""
    from cohorts.models import Consent, Participant, Sample, Site, Study

    study, _ = Study.objects.get_or_create(code="hikikomori", defaults={"title": "Benchmark"})
    site = Site.objects.create(
        study=study, code=code, name="A site", country="JP", time_zone="Asia/Tokyo"
    )
    people = Participant.objects.bulk_create(
        Participant(
            site=site,
            code=f"P{number}",
            sex="male",
            group=("hikikomori", "healthy_control")[number % 2],
            enrolled_on=date(2024, 4, 1),
            age_years=30.0,
        )
        for number in range(n_samples)
    )
    Consent.objects.bulk_create(
        Consent(participant=person, signed_on=date(2024, 4, 1), scopes=SCOPES, basis="paper")
        for person in people
    )
    Sample.objects.bulk_create(
        Sample(site=site, participant=person, code=f"S{number}", material="plasma")
        for number, person in enumerate(people)
    )
    return site


def person_in_batches(site: Site, n_batches: int) -> tuple[Erasure, datetime]:
    """An erasure that is due of somebody with one row in each of so many batches."""
    from django.conf import settings
    from django.utils import timezone

    from cohorts.models import AssayBatch, AssayRow, Erasure, Sample, Upload, User, Withdrawal
    from cohorts.services.tables import files

    sample = Sample.objects.filter(site=site).latest("pk")
    upload = Upload.objects.create(
        site=site, kind="assays", sha256=files.store(b"sample,a\nnobody,1\n"), n_bytes=18
    )
    batches = AssayBatch.objects.bulk_create(
        AssayBatch(site=site, upload=upload, label=f"{n}", platform="MS", matrix="plasma")
        for n in range(n_batches)
    )
    AssayRow.objects.bulk_create(
        AssayRow(
            batch=batch,
            sample=sample,
            label=sample.code,
            packed_values=bytes(8_000),
            packed_flags=bytes(1_000),
        )
        for batch in batches
    )
    asks, approves = (User.objects.create(username=name) for name in ("asks", "approves"))
    Withdrawal.objects.create(
        participant=sample.participant, level=Withdrawal.Level.ERASE, effective_on=date(2024, 5, 1)
    )
    now = timezone.now()
    erasure = Erasure.objects.create(
        site=site,
        participant=sample.participant,
        requested_by=asks,
        requested_at=now - 3 * settings.ERASURE_GRACE,
        approved_by=approves,
        approved_at=now - 2 * settings.ERASURE_GRACE,
    )
    return erasure, now
