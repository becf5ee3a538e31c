"""The books of one site, and tables as that site might send them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date

from hypothesis import strategies as st

from cohorts.ingest.facts import (
    SCOPES,
    FeatureFacts,
    FeatureIndex,
    InstrumentFacts,
    ParticipantFacts,
    SampleFacts,
    SiteFacts,
    normalise,
)
from cohorts.ingest.reading import Table, read_table
from cohorts.ingest.report import Report

# Control characters refuse the whole file (test_reading.py), so no cell has one.
cell_texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
TODAY = date(2025, 6, 1)
FEATURES = (
    FeatureFacts("arginine", "umol/L", 174.20, "metabolite"),
    FeatureFacts("ornithine", "umol/L", 132.16, "metabolite"),
    FeatureFacts("bilirubin", "umol/L", 584.67, "metabolite"),
    FeatureFacts("uric acid", "umol/L", 168.11, "metabolite"),
    FeatureFacts("arginase activity", "U/L", None, "enzyme"),
    FeatureFacts("arginase mass", "ng/mL", None, "protein"),
)


def books() -> SiteFacts:
    """Three participants who take part, one withdrawn, one erased, one without consent."""
    everything = frozenset(SCOPES)
    people = [
        ParticipantFacts("FUK-001", everything),
        ParticipantFacts("FUK-002", everything),
        ParticipantFacts("FUK-003", everything, withdrawal_level=2),
        ParticipantFacts("FUK-004", everything, withdrawal_level=4),
        ParticipantFacts("FUK-005", frozenset(), consented=False),
        ParticipantFacts("FUK-006", everything, withdrawal_level=1),
    ]
    index = {normalise(feature.name): feature for feature in FEATURES}
    index[normalise("L-Arginine")] = FEATURES[0]
    return SiteFacts(
        site="FUK",
        today=TODAY,
        groups=frozenset({"hikikomori", "pre_hikikomori", "healthy_control"}),
        participants={person.code: person for person in people},
        samples={
            f"S-{person.code[-3:]}": SampleFacts(f"S-{person.code[-3:]}", person.code, "plasma")
            for person in people
        },
        instruments={
            "HQ-25": InstrumentFacts(
                "HQ-25", 25, 0, 4, 0, 100, frozenset({"1"}), frozenset({"ja", "en"})
            ),
            "PHQ-9": InstrumentFacts("PHQ-9", 9, 0, 3, 0, 27),
        },
        features=FeatureIndex(index),
    )


def as_csv(header: Sequence[str], *rows: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


def table(header: str, *rows: str) -> Table:
    """A table from comma-separated lines."""
    return read_table("\n".join([header, *rows]).encode())


def faults(report: Report) -> list[str]:
    return [str(fault) for fault in report.faults]


def warnings(report: Report) -> list[str]:
    return [str(warning) for warning in report.warnings]
