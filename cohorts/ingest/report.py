"""What a check found: faults that stop an import and warnings that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from cohorts.language.sentences import Sentence, say, stored

MAX_FAULTS = 1_000
"""More than this helps nobody: the rest is counted, not listed."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong, and what to do about it.

    ``row`` is numbered as a spreadsheet numbers it (the header is row 1), None for the whole
    column or file. ``column`` is the header as sent. ``code`` is for programs, ``message`` for
    people.
    """

    row: int | None
    column: str | None
    code: str
    message: str
    record: str | None = None
    feature: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        where = [
            f"{word} {value}"
            for word, value in (("row", self.row), ("column", self.column))
            if value is not None
        ]
        return f"{', '.join(where)}: {self.message}" if where else self.message

    def as_dict(self) -> dict[str, object]:
        return {
            "row": self.row,
            "column": self.column,
            "record": self.record,
            "feature": self.feature,
            "value": self.value,
            "code": self.code,
            "message": self.message,
            "text": str(self),
            "said": stored(self.message),
        }


@dataclass(frozen=True)
class Report:
    """The outcome of one check; ``ok`` means that the table may be accepted as it stands.

    ``encodings`` are those of which a person must choose one, each with a line as it would read.
    """

    kind: str
    n_rows: int
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    summary: dict[str, int] = field(default_factory=dict)
    encodings: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        return not self.faults

    def refused_for(self, faults: Iterable[Fault]) -> Report:
        """The report of a sound table in which something else was found; in the file's order."""
        return replace(self, faults=tuple(sorted(faults, key=lambda fault: fault.row or 0)))

    def as_dict(self) -> dict[str, object]:
        """The report as plain data, ready for JSON."""
        return {
            "kind": self.kind,
            "rows": self.n_rows,
            "faults": [fault.as_dict() for fault in self.faults],
            "warnings": [warning.as_dict() for warning in self.warnings],
            "summary": dict(self.summary),
        } | ({"encodings": [list(choice) for choice in self.encodings]} if self.encodings else {})


class Findings:
    """Collects what a check finds, so that one fault never hides the next."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._warnings: list[Fault] = []
        self.n_faults = 0
        self._n_warnings = 0

    def fault(self, row: int | None, column: str | None, code: str, message: str) -> None:
        self.n_faults += 1
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(Fault(row, column, code, message))

    def warn(self, row: int | None, column: str | None, code: str, message: str) -> None:
        self._n_warnings += 1
        if len(self._warnings) < MAX_FAULTS:
            self._warnings.append(Fault(row, column, code, message))

    def take(self, others: Findings, placed: Callable[[Fault], Fault]) -> None:
        """Add what was collected elsewhere, each where ``placed`` puts it."""
        room = MAX_FAULTS - len(self._faults)
        self._faults += [placed(fault) for fault in others._faults[:room]]
        self.n_faults += others.n_faults
        room = MAX_FAULTS - len(self._warnings)
        self._warnings += [placed(fault) for fault in others._warnings[:room]]
        self._n_warnings += others._n_warnings

    def report(self, kind: str, n_rows: int, summary: dict[str, int]) -> Report:
        """Close the collection; faults are told in the order of the file."""
        return Report(
            kind=kind,
            n_rows=n_rows,
            faults=_capped(
                self._faults,
                say(
                    "and %(n)s more faults; correct these first, then check again.",
                    n=self.n_faults - len(self._faults),
                ),
            ),
            warnings=_capped(
                self._warnings,
                say(
                    "and %(n)s more warnings; correct these first, then check again.",
                    n=self._n_warnings - len(self._warnings),
                ),
            ),
            summary=summary,
        )


def _capped(found: Iterable[Fault], more: Sentence) -> tuple[Fault, ...]:
    # The sort is stable: faults of one row stay in the order of its columns.
    told = tuple(sorted(found, key=lambda fault: fault.row or 0))
    return (*told, Fault(None, None, "too_many", more)) if more.values["n"] else told
