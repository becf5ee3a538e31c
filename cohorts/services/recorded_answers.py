"""What is recorded under a study's context variables, held against another dictionary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from cohorts.ingest.context import columns_of, takes
from cohorts.ingest.facts import ContextVariable
from cohorts.models import Assessment, Participant, Site, Study


@dataclass(frozen=True)
class Outside:
    """Of one column's recorded answers, how many another version would not take."""

    column: str
    n_outside: int
    n_recorded: int


def outside(
    study: Study, before: Iterable[ContextVariable], after: Iterable[ContextVariable]
) -> list[Outside]:
    """Of each column that ``after`` changes or leaves out: answers that stay and do not fit it."""
    now = {column.name: column for column in columns_of(after)}
    asked = [column.name for column in columns_of(before) if column != now.get(column.name)]
    recorded, left_over = Counter[str](), Counter[str]()
    for name, value, n in _answers(study, asked):
        recorded[name] += n
        if name not in now or not takes(now[name], value):
            left_over[name] += n
    return [Outside(name, left_over[name], recorded[name]) for name in asked if left_over[name]]


def _answers(study: Study, names: Sequence[str]) -> Iterator[tuple[str, float | str, int]]:
    """Column, value and how often it is recorded, of people and of days together."""
    people, days, sites = (model._meta.db_table for model in (Participant, Assessment, Site))
    of_study = f"JOIN {sites} s ON s.id = p.site_id WHERE s.study_id = %(study)s"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, value, count(*) FROM ("  # noqa: S608 - the names of our own tables
            f" SELECT p.variables FROM {people} p {of_study} UNION ALL"
            f" SELECT d.variables FROM {days} d"
            f" JOIN {people} p ON p.id = d.participant_id {of_study}"
            ") told, jsonb_each(told.variables) WHERE key = ANY(%(names)s) GROUP BY key, value",
            {"study": study.pk, "names": list(names)},
        )
        for name, value, n in cursor.fetchall():
            yield name, json.loads(value), n
