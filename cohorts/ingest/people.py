"""Whether a table may bring data of a participant: known, not withdrawn, with consent."""

from __future__ import annotations

from cohorts.ingest.cells import parse_code, quoted
from cohorts.ingest.facts import ParticipantFacts, SiteFacts
from cohorts.ingest.nearest import nearest, without_zeros
from cohorts.ingest.rows import Row
from cohorts.language.sentences import say

NO_FURTHER_DATA = 2
ERASED = 4
MEASURED = "metabolomics"
MOST_SUGGESTIONS = 50
"""A suggestion compares with every code on the books: it helps a slip, not a wrong file."""


def known_participant(row: Row, facts: SiteFacts, *, scope: str = "") -> ParticipantFacts | None:
    """The participant of the row, or None with a fault in the column ``participant``.

    ``scope`` is what the consent in force must cover for this table.
    """
    code = row.required("participant", parse_code)
    if code is None:
        return None
    found = facts.participants.get(code)
    suggest = row.findings.n_faults < MOST_SUGGESTIONS
    problem = refusal(code, facts, scope=scope, suggest=suggest)
    if problem is None:
        return found
    row.fault("participant", *problem)
    return None


def refusal(
    code: str, facts: SiteFacts, *, scope: str = "", suggest: bool = True
) -> tuple[str, str] | None:
    """Why no data of that participant are taken, as (code, message); None when they are."""
    found = facts.participants.get(code)
    if found is None or found.withdrawal_level >= ERASED:
        # An erased participant must not be told apart from one who never was.
        takes_data = (p.code for p in facts.participants.values() if _takes_data(p))
        near = nearest(code, takes_data) if suggest else ""
        near = (without_zeros(code, facts.participants) if found is None else "") or near
        return (
            "unknown_participant",
            say(
                "%(code)s is not a participant of %(site)s%(near)s; enrol first.",
                code=quoted(code),
                site=facts.site,
                near=near,
            ),
        )
    if found.merged_into:
        return "merged", say(
            "%(code)s was merged into %(merged_into)s; write that code.",
            code=code,
            merged_into=found.merged_into,
        )
    if not _takes_data(found):
        return "withdrawn", say("%(code)s has withdrawn; no further data are taken.", code=code)
    if found.left_on and scope != MEASURED:
        # What was collected before the move may still be measured.
        day = f"{found.left_on:%Y-%m-%d}"
        return "moved", say(
            "%(code)s moved to another site on %(day)s; new data are taken there.",
            code=code,
            day=day,
        )
    if scope and scope not in found.scopes:
        return (
            "no_consent",
            say(
                "%(code)s has no consent on record that covers %(scope)s; record the "
                "consent first.",
                code=code,
                scope=scope,
            ),
        )
    return None


def _takes_data(participant: ParticipantFacts) -> bool:
    return participant.withdrawal_level < NO_FURTHER_DATA
