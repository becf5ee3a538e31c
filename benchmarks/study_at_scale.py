"""A study of 100,000 participants and 1,000,000 samples, made inside the database."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from django.db import connection

from benchmarks import freezers_at_scale, runs_at_scale, tables_at_scale
from benchmarks.copies import keep_events, many, one_each, written_at_once
from benchmarks.records_books import SCOPES
from cohorts.models import (
    EVENTS,
    Assessment,
    Box,
    Consent,
    ConsentForm,
    Erasure,
    Instrument,
    Interview,
    Participant,
    Query,
    QueryEvent,
    Sample,
    SecondEntry,
    Site,
    Study,
    Tombstone,
    Transfer,
    User,
    Visit,
    Withdrawal,
)

if TYPE_CHECKING:
    from django.db import models

N_SITES, PEOPLE, SAMPLES = 20, 100_000, 1_000_000
A_BOX: Final = 81
PEOPLES_ROWS: Final[tuple[type[models.Model], ...]] = (
    *(Participant, Visit, Interview, ConsentForm, Consent, Withdrawal, Assessment, SecondEntry),
    *(Transfer, Erasure, Tombstone, Query, QueryEvent),
)
TUBES: Final[tuple[type[models.Model], ...]] = (Box, Sample)


def fill(share: float = 1.0) -> list[Site]:
    """The sites; each has as many people, tubes and tables. ``share``: of the numbers."""
    study = Study.objects.create(code="scale", title="A study of many")
    sites = [
        Site.objects.create(
            study=study, code=f"S{n:02}", name=f"Site {n}", country="JP", time_zone="Asia/Tokyo"
        )
        for n in range(N_SITES)
    ]
    people, samples = round(PEOPLE * share), round(SAMPLES * share)
    staff = [User.objects.create(username=f"staff{n}") for n in range(2)]
    with written_at_once(PEOPLES_ROWS):
        person = _people(sites, people, staff)
    with written_at_once(TUBES):
        tube = _tubes(sites, person, people, samples)
    with written_at_once(freezers_at_scale.WRITTEN):
        freezers_at_scale.fill(sites, tube, share, staff)
    with written_at_once(tables_at_scale.WRITTEN):
        tables_at_scale.fill(sites, tube, share, staff)
    with written_at_once(runs_at_scale.WRITTEN):
        runs_at_scale.fill(study, share, staff)
    for model in EVENTS:
        if model is not Site:
            keep_events(model)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return sites


def _people(sites: list[Site], people: int, staff: list[User]) -> int:
    site = f"{sites[0].pk} + n % {len(sites)}"
    one = Participant(
        site=sites[0],
        code="P0",
        sex="male",
        group="hikikomori",
        enrolled_on=date(2024, 4, 1),
        age_years=30.0,
    )
    first: int = many(one, people, site_id=site, code="'P' || n")
    _of_each(first, "cohorts_participant p", one.site)
    asked = Query(site=sites[0], rule="unit", cause="0", text="Is this right?")
    asked.participant_id = first
    person = f"{first} + n % {people}"
    question: int = many(asked, people // 10, participant_id=person, site_id=site, cause="n::text")
    said = QueryEvent(query_id=question, kind="answered", by=staff[0], text="It is.")
    one_each(said, "cohorts_query q", query_id="q.id")
    _of_some(sites, first, people, staff)
    return first


def _of_each(first: int, everybody: str, site: Site) -> None:
    """A visit, an interview, a consent and a scale of everybody; one form in ten lapses soon."""
    soon = date.today() + timedelta(days=20)  # noqa: DTZ011 - any day near this one
    for version, ends in (("1", soon), ("2", None)):
        form = ConsentForm(site=site, version=version, valid_until=ends)
        one_each(form, "cohorts_site s", site_id="s.id")
    theirs, person = {"participant_id": "p.id"}, {"participant_id": first}
    one_each(Visit(label="baseline", visited_on=date(2024, 4, 2), **person), everybody, **theirs)
    seen = Interview(interviewed_on=date(2024, 4, 2), **person)
    one_each(seen, everybody, **theirs)
    version = f"CASE WHEN p.id / {N_SITES} % 10 = 0 THEN '1' ELSE '2' END"
    theirs_now = f"f.site_id = p.site_id AND f.version = {version}"
    form_of = f"(SELECT f.id FROM cohorts_consentform f WHERE {theirs_now})"  # noqa: S608 - ours
    consent = Consent(signed_on=date(2024, 4, 1), scopes=SCOPES, basis="paper", **person)
    one_each(consent, everybody, form_id=form_of, basis="''", **theirs)
    instrument = Instrument.objects.create(
        code="SCALE", version="1", title="A scale", n_items=1, languages=["en"]
    )
    scored = Assessment(instrument=instrument, assessed_on=date(2024, 5, 1), items=[1], **person)
    one_each(scored, everybody, **theirs)


def _of_some(sites: list[Site], first: int, people: int, staff: list[User]) -> None:
    """Withdrawals of one in fifty, second entries of one in ten, transfers and erasures of few."""
    day, some = date(2024, 6, 1), "cohorts_participant p WHERE p.id % 50 = 0"
    withdrawal = Withdrawal(participant_id=first, level=1, effective_on=day)
    one_each(withdrawal, some, participant_id="p.id")
    assessment = Assessment.objects.earliest("pk")
    second = SecondEntry(assessment=assessment, items=[1], entered_by=staff[0])
    one_each(second, "cohorts_assessment a WHERE a.id % 10 = 0", assessment_id="a.id")
    moved = Transfer(
        participant_id=first, to_site=sites[-1], reason="They moved house.", asked_by=staff[0]
    )
    one_each(moved, "cohorts_participant p WHERE p.id % 500 = 7", participant_id="p.id")
    site = f"{sites[0].pk} + n % {len(sites)}"
    asked = Erasure(site=sites[0], requested_by=staff[0], approved_by=staff[1])
    asked.approved_at = asked.executed_at = asked.requested_at
    many(asked, people // 100, site_id=site)
    gone = Tombstone(site=sites[0], key="0", level=4, on=day)
    many(gone, people // 100, site_id=site, key="n::text", id="gen_random_uuid()")


def _tubes(sites: list[Site], person: int, people: int, samples: int) -> int:
    """Tubes of everybody in the boxes of their site."""
    n_boxes = samples // len(sites) // A_BOX + 1
    of_site = f"(n % {people}) % {len(sites)}"
    box = Box(site=sites[0], code="B0", place="freezer 1", n_rows=9, n_columns=9)
    first: int = many(
        box,
        n_boxes * len(sites),
        site_id=f"{sites[0].pk} + n % {len(sites)}",
        code="'B' || n",
    )
    tube = Sample(
        site=sites[0], code="T0", material="plasma", box_id=first, box_row=1, box_column=1
    )
    tube.participant_id = person
    # The how manieth of its site.
    own = f"(n / {len(sites)})"
    found: int = many(
        tube,
        samples,
        participant_id=f"{person} + n % {people}",
        site_id=f"{sites[0].pk} + {of_site}",
        code="'T' || n",
        box_id=f"{first} + {own} / {A_BOX} * {len(sites)} + {of_site}",
        box_row=f"{own} % {A_BOX} / 9 + 1",
        box_column=f"{own} % 9 + 1",
    )
    return found
