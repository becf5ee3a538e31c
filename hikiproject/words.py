"""Which strings are said to people: extraction without GNU gettext."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation.template import templatize

from hikiproject.words_as_written import is_written, written

BASE = Path(__file__).resolve().parent.parent
CODE = ("cohorts", "analysis", "hikiproject")
# A marker and a class of the dictionary that is a substance, and no feature by itself.
SUBSTANCE = "arginase"
SAYING = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
_QUOTED = r"u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_CALL = re.compile(rf"\b(n?gettext|_)\(\s*{_QUOTED}(?:\s*,\s*{_QUOTED})?")


@dataclass(frozen=True)
class Said:
    """A string that catalogues translate, and the file that says it."""

    text: str
    plural: str
    file: str


def said_in_template(text: str, name: str) -> Iterator[Said]:
    """Strings of ``translate``, ``blocktranslate`` and ``_("...")``."""
    for function, single, plural in _CALL.findall(templatize(text, name)):
        yield Said(
            ast.literal_eval(single),
            ast.literal_eval(plural) if plural and function == "ngettext" else "",
            name,
        )


def said_in_code(text: str, name: str) -> Iterator[Said]:
    """Literal strings in calls of gettext and its kin, and of `cohorts.language.sentences.say`."""
    saying = SAYING | ({"say"} if "cohorts.language.sentences" in text else set())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and _name_of(node.func) in saying:
            words = [
                each.value
                for each in node.args
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            if words:
                yield Said(words[0], words[1] if len(words) > 1 else "", name)


def everything_said() -> list[Said]:
    """Of the whole project."""
    found: list[Said] = []
    for path in sorted((BASE / "templates").rglob("*")):
        if path.suffix in {".html", ".txt"}:
            found += said_in_template(path.read_text(), str(path.relative_to(BASE)))
    for folder in CODE:
        for path in sorted((BASE / folder).rglob("*.py")):
            name, code = str(path.relative_to(BASE)), path.read_text()
            found += said_in_code(code, name)
            if is_written(name):
                found += [Said(text, "", name) for text in written(code, name)]
    return found + list(_of_reference_data())


def _of_reference_data() -> Iterator[Said]:
    """Remarks, classes, models and titles that ship with the platform, but for substances."""
    path = "cohorts/reference/features.csv"
    with (BASE / path).open(encoding="utf-8", newline="") as file:
        features = list(csv.DictReader(file))
    substances = {row["name"] for row in features} | {SUBSTANCE}
    described = {row[column] for row in features for column in ("chemical_class", "kind")}
    yield from (Said(text, "", path) for text in sorted(described - substances))
    path = "cohorts/reference/instruments.json"
    instruments = json.loads((BASE / path).read_text(encoding="utf-8"))["instruments"]
    yield from (Said(each["title"], "", path) for each in instruments)
    path = "analysis/reference/claims.json"
    for claim in json.loads((BASE / path).read_text(encoding="utf-8"))["claims"]:
        if claim.get("scope_note"):
            yield Said(claim["scope_note"], "", path)
        if claim["marker"] not in substances:
            yield Said(claim["marker"], "", path)


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
