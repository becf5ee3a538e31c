"""Which of a table's own column names may stand for a standard one: proposed, never taken."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

from cohorts.ingest.columns import ASSAYS_LONG, SPECS, heading, is_personal
from cohorts.ingest.redcap_projects import PLACES

_CLOSE: Final = 0.8
OTHER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "participant": ("participant_id", "subject", "subject_id", "study_id", "record_id", "pid"),
    "sex": ("gender", "sex_at_birth", "性別"),
    "group": (
        "study_group",
        "participant_group",
        "diagnosis",
        "arm",
        "cohort",
        "case_control",
        "群",
    ),
    "enrolled_on": ("enrolment_date", "enrollment_date", "date_of_enrolment", "inclusion_date"),
    "birth_year": ("yob", "year_of_birth"),
    "age_years": ("age", "age_at_enrolment", "年齢"),
    "drug_free": ("medication_free", "unmedicated"),
    "sample": ("sample_id", "specimen", "specimen_id", "tube_id", "barcode", "検体番号"),
    "material": ("matrix", "specimen_type", "sample_material", "material_type"),
    "collected_at": ("collection_time", "collection_date", "drawn_at", "draw_time", "採血日時"),
    "tube": ("tube_type", "anticoagulant"),
    "spun_at": ("centrifuged_at", "centrifugation_time", "separated_at"),
    "frozen_at": ("freezing_time", "stored_at"),
    "centrifugation": ("first_centrifugation", "sprec_centrifugation"),
    "second_centrifugation": ("centrifugation_2", "sprec_second_centrifugation"),
    "storage": ("long_term_storage", "sprec_storage"),
    "fasting_hours": ("fasting", "hours_fasted"),
    "haemolysis_index": ("hemolysis", "haemolysis", "h_index"),
    "freeze_thaws": ("freeze_thaw_cycles", "thaws"),
    "visit": ("visit_label", "timepoint", "event"),
    "instrument": ("questionnaire", "scale", "form"),
    "assessed_on": ("assessment_date", "date", "answered_on"),
    "total": ("score", "sum", "total_score"),
    "language": ("lang",),
    "feature": ("analyte", "metabolite", "compound", "biomarker"),
    "value": ("concentration", "result", "measurement"),
    "unit": ("units", "uom"),
    "sample_type": ("type",),
    "injection_order": ("run_order", "injection"),
    "batch": ("plate", "run", "batch_id"),
}


def standard_names(kind: str) -> tuple[str, ...]:
    """What a table of that kind may call its columns; of assays in either layout."""
    names = SPECS[kind].names
    return tuple(dict.fromkeys((*names, *ASSAYS_LONG.names))) if kind == "assays" else names


def propose(kind: str, headers: Sequence[str]) -> dict[str, str]:
    """Standard name -> header of the table, for headers that are not standard themselves."""
    names = standard_names(kind)
    known = {heading(name) for name in names}
    there = {heading(header) for header in headers}
    own = PLACES if kind == "redcap" else ()
    free = [h for h in headers if heading(h) not in {*known, *own} and not is_personal(h)]
    proposed: dict[str, str] = {}
    for name in names:
        if heading(name) in there:
            continue
        header = _best(name, (h for h in free if h not in proposed.values()))
        if header:
            proposed[name] = header
    return proposed


def _best(name: str, free: Iterable[str]) -> str:
    words = {heading(word) for word in (name, *OTHER_WORDS.get(name, ()))}
    scored = [(_likeness(heading(header), words), header) for header in free]
    likeness, header = max(scored, default=(0.0, ""))
    return header if likeness >= _CLOSE else ""


def _likeness(header: str, words: Iterable[str]) -> float:
    return max(difflib.SequenceMatcher(None, header, word).ratio() for word in words)
