"""A study of 100,000 participants and 1,000,000 samples, made inside the database."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import connection, models, transaction

from benchmarks.records_books import SCOPES
from cohorts.models import (
    EVENTS,
    Assessment,
    Consent,
    Instrument,
    Participant,
    Query,
    Sample,
    Site,
    Study,
)

N_SITES, PEOPLE, SAMPLES = 20, 100_000, 1_000_000


def fill(people: int = PEOPLE, samples: int = SAMPLES, n_sites: int = N_SITES) -> list[Site]:
    """The sites; each has as many participants, with one consent and scale, samples and queries."""
    study = Study.objects.create(code="scale", title="A study of many")
    sites = [
        Site.objects.create(
            study=study, code=f"S{n:02}", name=f"Site {n}", country="JP", time_zone="Asia/Tokyo"
        )
        for n in range(n_sites)
    ]
    instrument = Instrument.objects.create(
        code="SCALE", version="1", title="A scale", n_items=1, languages=["en"]
    )
    with transaction.atomic(), connection.cursor() as cursor:
        # Keys are checked a statement at a time, and no history is kept of rows that nobody wrote.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for model in (Participant, Consent, Assessment, Sample, Query):
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DISABLE TRIGGER USER")
        site = f"{sites[0].pk} + n % {n_sites}"
        one = Participant(
            site=sites[0],
            code="P0",
            sex="male",
            group="hikikomori",
            enrolled_on=date(2024, 4, 1),
            age_years=30.0,
        )
        first = _many(one, people, site_id=site, code="'P' || n")
        person = f"{first} + n % {people}"
        consent = Consent(signed_on=date(2024, 4, 1), scopes=SCOPES, basis="paper")
        consent.participant_id = first
        _many(consent, people, participant_id=person)
        scored = Assessment(instrument=instrument, assessed_on=date(2024, 5, 1), items=[1])
        scored.participant_id = first
        _many(scored, people, participant_id=person)
        tube = Sample(site=sites[0], code="T0", material="plasma")
        tube.participant_id = first
        theirs = f"{sites[0].pk} + (n % {people}) % {n_sites}"
        _many(tube, samples, participant_id=person, site_id=theirs, code="'T' || n")
        asked = Query(site=sites[0], rule="unit", cause="0", text="Is this right?")
        asked.participant_id = first
        _many(asked, people // 10, participant_id=person, site_id=site, cause="n::text")
        for model in (Participant, Consent, Sample, Assessment):
            keep_events(model)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return sites


def keep_events(model: type[models.Model]) -> None:
    """What triggers would have kept of the rows of a model, as if they were written in order."""
    event: Any = EVENTS[model]
    columns = ", ".join(
        f'"{field.column}"'
        for field in event._meta.local_concrete_fields
        if not field.name.startswith("pgh_")
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {event._meta.db_table}"  # noqa: S608 - our own names
            f" ({columns}, pgh_created_at, pgh_label, pgh_obj_id, pgh_context)"
            f" SELECT {columns}, now() - id * interval '1 second', 'insert', id, %s"
            f" FROM {model._meta.db_table} ORDER BY id DESC",
            ['{"user": 1}'],
        )


def _many(first: models.Model, n: int, **expressions: str) -> int:
    """Store a row, and ``n - 1`` like it but for SQL of the number ``n``; the first one's key."""
    first.save()
    meta: Any = first._meta
    columns = [field.column for field in meta.local_concrete_fields if not field.primary_key]
    chosen = ", ".join(expressions.get(column, f't."{column}"') for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({named}) SELECT {chosen}"  # noqa: S608 - our own names
            f" FROM {meta.db_table} t, generate_series(1, {n - 1}) n WHERE t.id = {first.pk}"
        )
    return int(first.pk)
