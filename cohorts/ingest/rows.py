"""A table row by row: each cell is parsed under its column's name, and faults are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from cohorts.ingest import cells
from cohorts.ingest.cells import BadCell, quoted
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings
from cohorts.language.sentences import say

Parsed = TypeVar("Parsed")
Moment = TypeVar("Moment", bound=date)


@dataclass
class Row:
    """One row of a matched table. Every reader gives None for an empty or faulty cell.

    ``sound`` turns false with the first fault, so that a row is kept whole or not at all.
    """

    number: int
    texts: Mapping[str, str]
    headers: Mapping[str, str]
    findings: Findings
    comma_columns: frozenset[str] = frozenset()
    sound: bool = field(default=True)

    def fault(self, name: str, code: str, message: str) -> None:
        self.sound = False
        self.findings.fault(self.number, self.headers.get(name, name), code, message)

    def has(self, name: str) -> bool:
        return bool(self.texts.get(name))

    def read(self, name: str, parse: Callable[[str], Parsed]) -> Parsed | None:
        text = self.texts.get(name, "")
        if not text:
            return None
        try:
            return parse(text)
        except BadCell as bad:
            self.fault(name, bad.code, bad.message)
            return None

    def required(
        self, name: str, parse: Callable[[str], Parsed], if_empty: str = ""
    ) -> Parsed | None:
        if not self.has(name) and name in self.headers:
            self.fault(name, "empty", if_empty or say("empty; every row needs a value here."))
        return self.read(name, parse)

    def text(self, name: str, *, longest: int = 80) -> str:
        text = self.texts.get(name, "")
        if len(text) > longest:
            self.fault(
                name,
                "too_long",
                say(
                    "%(text)s is over %(longest)s letters; shorten it.",
                    text=quoted(text),
                    longest=longest,
                ),
            )
        return text

    def number_in(
        self, name: str, low: float | None = None, high: float | None = None
    ) -> float | None:
        return self._within(name, self._numeric(name, cells.parse_number), low, high)

    def whole_in(
        self, name: str, low: float | None = None, high: float | None = None
    ) -> int | None:
        value = self._within(name, self._numeric(name, cells.parse_whole), low, high)
        return None if value is None else int(value)

    def day(self, name: str, *, today: date, required: bool = False) -> date | None:
        read = self.required if required else self.read
        return self._not_future(name, read(name, cells.parse_day), today)

    def moment(self, name: str, *, today: date) -> datetime | date | None:
        return self._not_future(name, self.read(name, cells.parse_moment), today)

    def yes_no(self, name: str) -> bool | None:
        return self.read(name, cells.parse_yes_no)

    def choice(self, name: str, known: Sequence[str], noun: str) -> str | None:
        return self.required(name, lambda text: cells.parse_choice(text, known, noun))

    def _numeric(self, name: str, parse: Callable[[str], Parsed]) -> Parsed | None:
        if name in self.comma_columns:
            # Told once for the whole column.
            self.sound = False
            return None
        return self.read(name, parse)

    def _within(
        self, name: str, value: float | None, low: float | None, high: float | None
    ) -> float | None:
        if value is None:
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            told = {"text": quoted(self.texts[name]), "low": f"{low or 0:g}"}
            self.fault(
                name,
                "out_of_range",
                say("%(text)s must be %(low)s or more; check the value.", **told)
                if high is None
                else say(
                    "%(text)s must be between %(low)s and %(high)s; check the value.",
                    **told,
                    high=f"{high:g}",
                ),
            )
            return None
        return value

    def _not_future(self, name: str, moment: Moment | None, today: date) -> Moment | None:
        if moment is None:
            return None
        day = moment.date() if isinstance(moment, datetime) else moment
        if day > today:
            self.fault(
                name,
                "future_date",
                say("%(text)s is in the future; check the year.", text=quoted(self.texts[name])),
            )
            return None
        return moment


def rows_of(
    table: Table,
    headers: Mapping[str, str],
    findings: Findings,
    *,
    numeric: Sequence[str] = (),
) -> Iterator[Row]:
    """The rows of a table under standard names; ``numeric`` columns are looked at for commas."""
    lists = {name: table.frame[header].tolist() for name, header in headers.items()}
    commas = frozenset(
        name for name in numeric if name in lists and cells.has_decimal_commas(lists[name])
    )
    for name in commas:
        findings.fault(
            None,
            headers[name],
            "decimal_comma",
            say("every number has a decimal comma; export the table again with a decimal point."),
        )
    if not lists:
        return  # no column was recognised: that is the fault, and there are no rows to look at
    names = list(lists)
    columns = list(lists.values())
    for number, texts in zip(table.frame.index.tolist(), zip(*columns, strict=True), strict=True):
        yield Row(number, dict(zip(names, texts, strict=True)), headers, findings, commas)
