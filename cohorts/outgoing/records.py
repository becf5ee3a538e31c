"""What leaves a site, as plain data that every format is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from cohorts.outgoing.assay_records import OutBatch


@dataclass(frozen=True)
class OutPerson:
    """``scopes`` and ``consented_on`` are of the consent in force; None where there is none.

    Whoever wishes no contact has no scope to be contacted; from ``stopped_on`` on nothing new is
    taken of them.
    """

    code: str
    sex: str
    group: str
    enrolled_on: date
    birth_year: int | None
    age_years: float | None
    consented_on: date | None = None
    scopes: tuple[str, ...] = ()
    variables: Mapping[str, float | str] = field(default_factory=dict)
    stopped_on: date | None = None


@dataclass(frozen=True)
class OutSample:
    """``collected_at`` is by the site's clock.

    ``is_there``: neither used up nor blocked nor destroyed, so that somebody may ask for it.
    """

    code: str
    participant: str
    material: str
    tube: str
    collected_at: datetime | None
    parent: str = ""
    is_there: bool = True


@dataclass(frozen=True)
class OutSite:
    """A site's records without anybody who stopped further use.

    ``batches`` are there for the formats of assay values alone.
    """

    study: str
    title: str
    site: str
    name: str
    country: str
    people: tuple[OutPerson, ...]
    samples: tuple[OutSample, ...]
    written_on: date
    batches: tuple[OutBatch, ...] = ()
