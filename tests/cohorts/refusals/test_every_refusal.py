"""Each sentence in which the records refuse or warn is read by a test, as a person reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.cohorts.test_every_rule import words_of_tests

COHORTS = Path(__file__).parents[3] / "cohorts"
SAID = {"say", "fault", "warn", "Fault", "BadCell", "UnreadableFile", "ValidationError"}
# So much of a sentence, between what is filled in, tells it from another.
TELLING = 16
SHORTEST = 8  # words between two gaps
GAP = "\0"


def sentences(code: str) -> Iterator[tuple[int, str]]:
    """The whole sentences that the code says to a person, with a gap for what is filled in."""
    for node in ast.walk(ast.parse(code)):
        said = isinstance(node, ast.Call) and _name(node.func) in SAID
        for place in node.args if said else ():
            for each in (place.body, place.orelse) if isinstance(place, ast.IfExp) else (place,):
                if (text := _text(each)).endswith("."):
                    yield each.lineno, text


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(p.value if isinstance(p, ast.Constant) else GAP for p in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%\(\w+\)s", GAP, node.value).replace("%%", "%")
    return ""


def _name(function: ast.AST | None) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def unread(paths: Iterable[Path]) -> list[str]:
    """The sentences of which no test holds a telling part, with their place."""
    found = [(path, *each) for path in paths for each in sentences(path.read_text())]
    everything = "\n".join(text for _, _, text in found)
    words = words_of_tests()
    known = {word for word in words if len(word) >= TELLING and word in everything}
    whole = "\n".join(words)
    return [
        f"{path.name}:{line} {text}"
        for path, line, text in found
        if (parts := [each.strip() for each in text.split(GAP) if len(each.strip()) >= SHORTEST])
        and not any(part in whole or any(word in part for word in known) for part in parts)
    ]


def test_no_sentence_is_said_that_no_test_reads():
    paths = [path for path in COHORTS.rglob("*.py") if "migrations" not in path.parts]
    assert unread(paths) == []


def test_a_sentence_that_nobody_reads_is_found(tmp_path):
    """The seeded fault, in each way of saying it."""
    sentence = " ".join(("%(box)s is", "on the moon;", "fetch it."))
    path = tmp_path / "a.py"
    for code in (
        f"raise RefusedHandling(say({sentence!r}, box=b))",
        "findings.fault(1, 'box', 'away', f'{box} " + sentence[8:] + "')",
    ):
        path.write_text(code)
        assert len(unread([path])) == 1
