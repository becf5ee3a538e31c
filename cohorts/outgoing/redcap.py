"""REDCap: a data import in raw labels, samples as a repeating instrument."""

from __future__ import annotations

import csv
import io
from typing import Final

from cohorts.ingest.comparison import as_shown
from cohorts.ingest.remarks import neutral
from cohorts.outgoing.records import OutSite

COLUMNS: Final = (
    "record_id",
    "redcap_repeat_instrument",
    "redcap_repeat_instance",
    "sex",
    "study_group",
    "enrolled_on",
    "birth_year",
    "age_years",
    "consent_signed_on",
    "consent_scopes",
    "sample_code",
    "sample_parent",
    "sample_material",
    "sample_tube",
    "sample_collected_at",
)


def write(site: OutSite) -> str:
    """One row a person, then one a sample; no cell begins like a formula."""
    rows: list[dict[str, object]] = []
    for person in site.people:
        rows.append(
            {
                "record_id": person.code,
                "sex": person.sex,
                "study_group": person.group,
                "enrolled_on": person.enrolled_on,
                "birth_year": person.birth_year,
                "age_years": person.age_years,
                "consent_signed_on": person.consented_on,
                "consent_scopes": ";".join(person.scopes),
                **{name: as_shown(value) for name, value in person.variables.items()},
            }
        )
        mine = [sample for sample in site.samples if sample.participant == person.code]
        rows += [
            {
                "record_id": person.code,
                "redcap_repeat_instrument": "samples",
                "redcap_repeat_instance": n,
                "sample_code": sample.code,
                "sample_parent": sample.parent,
                "sample_material": sample.material,
                "sample_tube": sample.tube,
                "sample_collected_at": (
                    f"{sample.collected_at:%Y-%m-%d %H:%M}" if sample.collected_at else ""
                ),
            }
            for n, sample in enumerate(mine, start=1)
        ]
    out = io.StringIO(newline="")
    declared = sorted({name for person in site.people for name in person.variables} - {*COLUMNS})
    writer = csv.DictWriter(out, [*COLUMNS, *declared], restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else neutral(str(value))
