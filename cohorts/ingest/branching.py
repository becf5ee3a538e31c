"""REDCap's branching logic: whether a variable is asked at all, given the other answers.

What is understood: comparisons of ``[variable]`` or ``[checkbox(code)]`` with a number, a quoted
text or another variable, joined by ``and``, ``or``, ``not`` and brackets. Functions, events and
smart variables need REDCap itself; such logic is kept as written and not judged here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cohorts.ingest.columns import checkbox_column

Answer = float | str
_TOKEN = re.compile(
    r"""\s*(?:(?P<field>\[[a-z][a-z0-9_]*(?:\([^()\[\]]+\))?\])|(?P<number>-?[0-9]+(?:\.[0-9]+)?)
    |(?P<text>'[^']*'|"[^"]*")|(?P<sign><>|!=|<=|>=|=|<|>|\(|\))|(?P<word>[A-Za-z]+))""",
    re.VERBOSE,
)
_SIGNS: Final[Mapping[str, Callable[[float | str, float | str], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotUnderstood(ValueError):
    """The logic uses what only REDCap can work out."""


class Unknown(LookupError):
    """A variable that the logic names is in no column of this table."""


def is_understood(logic: str) -> bool:
    """Whether `is_asked` can judge it, whatever the answers are."""
    try:
        _Reader(logic, None).whole()
    except NotUnderstood:
        return False
    return True


def is_asked(logic: str, answers: Mapping[str, Answer | None]) -> bool | None:
    """Whether the variable is asked, given the answers; None where that cannot be said.

    An empty answer is equal to ``''`` and to nothing else, as in REDCap.
    """
    try:
        return _Reader(logic, answers).whole()
    except (NotUnderstood, Unknown):
        return None


class _Reader:
    """Reads the logic once from left to right; without answers, only whether it can be read."""

    def __init__(self, logic: str, answers: Mapping[str, Answer | None] | None) -> None:
        self.answers = answers
        self.tokens = list(_tokens(logic))
        self.at = 0

    def whole(self) -> bool:
        said = self._either()
        if self.at < len(self.tokens):
            raise NotUnderstood
        return said

    def _either(self) -> bool:
        said = self._both()
        while self._takes("or"):
            said = self._both() or said  # read to the end: an unknown variable stays unknown
        return said

    def _both(self) -> bool:
        said = self._one()
        while self._takes("and"):
            said = self._one() and said
        return said

    def _one(self) -> bool:
        if self._takes("not"):
            return not self._one()
        if self._takes("("):
            said = self._either()
            if not self._takes(")"):
                raise NotUnderstood
            return said
        left = self._value()
        if self.at == len(self.tokens) or self.tokens[self.at][1] not in _SIGNS:
            raise NotUnderstood
        sign = self.tokens[self.at][1]
        self.at += 1
        return _holds(sign, left, self._value())

    def _takes(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] in (("word", word), ("sign", word)):
            self.at += 1
            return True
        return False

    def _value(self) -> Answer:
        if self.at == len(self.tokens):
            raise NotUnderstood
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "field":
            return self._answer(text.strip("[]"))
        if kind == "number":
            return float(text)
        if kind != "text":
            raise NotUnderstood
        return text[1:-1]

    def _answer(self, field: str) -> Answer:
        name, bracket, code = field.rstrip(")").partition("(")
        column = checkbox_column(name, code) if bracket else name
        if self.answers is None:
            return ""
        if column not in self.answers:
            raise Unknown(column)
        answer = self.answers[column]
        return "" if answer is None else answer


def _tokens(logic: str) -> Iterator[tuple[str, str]]:
    place = 0
    while logic[place:].strip():
        found = _TOKEN.match(logic, place)
        if found is None or found.lastgroup is None:
            raise NotUnderstood
        text = found[found.lastgroup]
        yield found.lastgroup, text.casefold() if found.lastgroup == "word" else text
        place = found.end()


def _holds(sign: str, left: Answer, right: Answer) -> bool:
    """Numbers are compared as numbers, however they are written; all else as text."""
    one, other = _number(left), _number(right)
    if one is not None and other is not None:
        return _SIGNS[sign](one, other)
    if sign not in ("=", "<>", "!="):
        return False  # nothing, and no word, is more or less than a number
    return _SIGNS[sign](str(left), str(right))


def _number(value: Answer) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
