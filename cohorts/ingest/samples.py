"""The samples table: what was drawn from whom, and how it was handled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from cohorts.ingest.cells import BadCell, parse_choice, parse_code, quoted
from cohorts.ingest.columns import SAMPLES, match_columns
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.nearest import nearest
from cohorts.ingest.people import MOST_SUGGESTIONS, known_participant
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings, Report
from cohorts.ingest.rows import Row, rows_of
from cohorts.language.sentences import say
from cohorts.sprec import LETTERS_OF, NOT_SPUN, TEMPERATURES

MATERIALS = (
    "plasma",
    "serum",
    "whole_blood",
    "buffy_coat",
    "pbmc",
    "dried_blood_spot",
    "red_cells",
    "urine",
    "saliva",
    "stool",
    "csf",
    "dna",
    "rna",
)
LONGEST_FAST_HOURS = 96
MOST_THAWS = 100
_NUMERIC = ("fasting_hours", "haemolysis_index", "freeze_thaws")


@dataclass(frozen=True)
class SampleOptions:
    """``columns``: standard name -> the site's own header."""

    columns: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown: bool = False


@dataclass(frozen=True)
class SampleRow:
    """One sample. Times are as sent: aware, naive (the site's clock), or a day alone."""

    row: int
    sample: str
    participant: str
    material: str
    collected_at: datetime | date | None
    tube: str
    spun_at: datetime | date | None
    frozen_at: datetime | date | None
    temperature: str
    centrifugation: str
    second_centrifugation: str
    storage: str
    fasting_hours: float | None
    haemolysis_index: float | None
    light_protected: bool | None
    freeze_thaws: int | None
    parent: str
    visit: str


@dataclass(frozen=True)
class CheckedSamples:
    """``rows`` is empty unless ``report.ok``; a parent may stand after its aliquots."""

    rows: tuple[SampleRow, ...]
    report: Report
    columns: tuple[str, ...] = ()


def check(table: Table, facts: SiteFacts, options: SampleOptions | None = None) -> CheckedSamples:
    """Check every row of a samples table; each faulty cell is reported."""
    options = options or SampleOptions()
    findings = Findings()
    headers = match_columns(
        table.columns,
        SAMPLES,
        findings,
        mapping=options.columns,
        ignore_unknown=options.ignore_unknown,
    )
    seen: dict[str, int] = {}
    parsed = [
        (row, _checked(row, facts, seen))
        for row in rows_of(table, headers, findings, numeric=_NUMERIC)
    ]
    _check_parents(parsed, facts)
    rows = tuple(sample for row, sample in parsed if sample is not None and row.sound)
    summary = {"samples": len(rows), "participants": len({row.participant for row in rows})}
    report = findings.report("samples", table.n_rows, summary)
    return CheckedSamples(rows if report.ok else (), report, tuple(headers))


def _checked(row: Row, facts: SiteFacts, seen: dict[str, int]) -> SampleRow | None:
    code = row.required("sample", parse_code)
    _refuse_known(row, code, facts, seen)
    participant = known_participant(row, facts, scope="store_samples")
    material = row.choice("material", MATERIALS, "material")
    collected_at, spun_at, frozen_at = _times(row, facts.today)
    rest = {
        "temperature": row.read("temperature", _temperature) or "",
        **_sprec_letters(row),
        "tube": row.text("tube", longest=40),
        "visit": row.text("visit", longest=40),
        "parent": row.read("parent", parse_code) or "",
    }
    fasting_hours = row.number_in("fasting_hours", 0, LONGEST_FAST_HOURS)
    haemolysis_index = row.number_in("haemolysis_index", 0)
    light_protected = row.yes_no("light_protected")
    freeze_thaws = row.whole_in("freeze_thaws", 0, MOST_THAWS)
    if code is None or participant is None or material is None:
        return None
    return SampleRow(
        row=row.number,
        sample=code,
        participant=participant.code,
        material=material,
        collected_at=collected_at,
        spun_at=spun_at,
        frozen_at=frozen_at,
        fasting_hours=fasting_hours,
        haemolysis_index=haemolysis_index,
        light_protected=light_protected,
        freeze_thaws=freeze_thaws,
        **rest,
    )


def _sprec_letters(row: Row) -> dict[str, str]:
    letters = {name: row.read(name, _letter_of(known)) or "" for name, known in LETTERS_OF.items()}
    if letters["centrifugation"] == NOT_SPUN and letters["second_centrifugation"] not in (
        "",
        NOT_SPUN,
    ):
        row.fault(
            "second_centrifugation",
            "never_spun_first",
            say("spun a second time, but centrifugation says not spun (N); check both."),
        )
    return letters


def _letter_of(known: Sequence[str]) -> Callable[[str], str]:
    """Reads a letter of SPREC, in either case."""

    def letter(text: str) -> str:
        if text.strip().upper() not in known:
            raise BadCell(
                "unknown_letter",
                say(
                    "%(text)s is no letter of SPREC for this; write one of %(known)s, or leave "
                    "the cell empty.",
                    text=quoted(text),
                    known=", ".join(known),
                ),
            )
        return text.strip().upper()

    return letter


def _temperature(text: str) -> str:
    return parse_choice(text, TEMPERATURES, "temperature")


def _refuse_known(row: Row, code: str | None, facts: SiteFacts, seen: dict[str, int]) -> None:
    if code is None:
        return
    if code.casefold() in seen:
        row.fault(
            "sample",
            "duplicate_sample",
            say(
                "%(code)s is also in row %(seen)s; keep one row a sample.",
                code=quoted(code),
                seen=seen[code.casefold()],
            ),
        )
    elif code in facts.samples and not facts.corrects:
        row.fault(
            "sample",
            "duplicate_sample",
            say(
                "%(code)s is already on the books of %(site)s; leave this row out, or "
                "correct the sample there.",
                code=quoted(code),
                site=facts.site,
            ),
        )
    seen.setdefault(code.casefold(), row.number)


def _times(
    row: Row, today: date
) -> tuple[datetime | date | None, datetime | date | None, datetime | date | None]:
    names = ("collected_at", "spun_at", "frozen_at")
    collected, spun, frozen = (row.moment(name, today=today) for name in names)
    earlier_name, earlier = "collected_at", collected
    for name, later in (("spun_at", spun), ("frozen_at", frozen)):
        if later is None:
            continue
        if earlier is not None:
            _check_order(row, (earlier_name, earlier), (name, later))
        earlier_name, earlier = name, later
    return collected, spun, frozen


def _check_order(
    row: Row, first: tuple[str, datetime | date], second: tuple[str, datetime | date]
) -> None:
    (earlier_name, earlier), (name, later) = first, second
    told = {
        "later": quoted(row.texts[name]),
        "earlier_name": earlier_name,
        "earlier": quoted(row.texts[earlier_name]),
    }
    days = [when.date() if isinstance(when, datetime) else when for when in (earlier, later)]
    if isinstance(earlier, datetime) and isinstance(later, datetime):
        if (earlier.tzinfo is None) != (later.tzinfo is None):
            row.fault(
                name,
                "mixed_offsets",
                say(
                    "%(later)s and %(earlier_name)s %(earlier)s: one has an offset from UTC; "
                    "write both alike.",
                    **told,
                ),
            )
            return
        too_early = later < earlier
    else:
        too_early = days[1] < days[0]
    if too_early:
        row.fault(
            name,
            "wrong_order",
            say("%(later)s is before %(earlier_name)s %(earlier)s; check both.", **told),
        )
    elif isinstance(earlier, datetime) and not isinstance(later, datetime) and days[0] == days[1]:
        # A day alone counts from midnight, which would be before the earlier step.
        row.fault(
            name,
            "no_time",
            say(
                "%(later)s has no time, but %(earlier_name)s %(earlier)s has; "
                "write YYYY-MM-DDTHH:MM.",
                **told,
            ),
        )


def _check_parents(parsed: list[tuple[Row, SampleRow | None]], facts: SiteFacts) -> None:
    in_file = {sample.sample: sample for _, sample in parsed if sample is not None}
    for row, sample in parsed:
        if sample is None or not sample.parent:
            continue
        parent = in_file.get(sample.parent) or facts.samples.get(sample.parent)
        if parent is None:
            suggest = row.findings.n_faults < MOST_SUGGESTIONS
            near = nearest(sample.parent, (*in_file, *facts.samples)) if suggest else ""
            row.fault(
                "parent",
                "unknown_sample",
                say(
                    "%(parent)s is not a sample of this table or of %(site)s%(near)s; send "
                    "the parent too.",
                    parent=quoted(sample.parent),
                    site=facts.site,
                    near=near,
                ),
            )
        elif parent.participant != sample.participant:
            row.fault(
                "parent",
                "parent_of_another",
                say(
                    "%(parent)s belongs to another participant; check both codes.",
                    parent=quoted(sample.parent),
                ),
            )
        elif _in_circle(sample, in_file):
            row.fault(
                "parent",
                "circular_parent",
                say(
                    "%(parent)s descends from this sample itself; name the true parent.",
                    parent=quoted(sample.parent),
                ),
            )


def _in_circle(sample: SampleRow, in_file: Mapping[str, SampleRow]) -> bool:
    passed: set[str] = set()
    here: SampleRow | None = sample
    while here is not None and here.parent and here.sample not in passed:
        passed.add(here.sample)
        here = in_file.get(here.parent)
    return here is not None and here.sample == sample.sample and bool(here.parent)
