"""Texts that are written as they are, without marks: of the numerical core, which knows no
languages, of readers of laboratories' files, and of the API. Their templates are read off the code.

`cohorts.language.recognised` finds the template again from a text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch

# Every text of two words or more is shown to somebody.
TELLING = (
    *("analysis/stats/*.py", "cohorts/ingest/formats/*.py", "analysis/pipeline.py"),
    *(
        "analysis/steps/*.py",
        "analysis/services/disclosure/differencing.py",
        "analysis/services/parts.py",
    ),
)
# Only whole sentences are: beside them stand addresses, headers and the schema's English.
ANSWERING = (
    *("cohorts/api/*.py", "analysis/api/*.py"),
    *("cohorts/serializers/*.py", "analysis/serializers/*.py", "cohorts/services/repeats.py"),
    *(
        "cohorts/services/uploads.py",
        "cohorts/services/tables/sent_tables.py",
        "analysis/plans.py",
        "analysis/plan_shapes.py",
        "analysis/services/plans.py",
    ),
    *("analysis/webhook_http.py", "analysis/services/webhooks.py"),
    *("analysis/models/webhook.py", "analysis/services/queue.py", "analysis/services/results.py"),
    "analysis/services/told_verdicts.py",
    *("analysis/services/plan_locks.py", "hikiproject/exception_handler.py"),
)
# Beside sentences these have the words of the files that they read.
NAMING = (
    *("cohorts/ingest/formats/isa_[st]*.py", "cohorts/ingest/formats/mwtab*.py"),
    *("cohorts/ingest/formats/redcap_dictionary.py", "cohorts/ingest/formats/assay_file.py"),
)
# Told to programs and their writers alone.
SCHEMA_ALONE = ("cohorts/api/schema.py", "cohorts/api/sparse.py")
SCHEMA = {"help_text", "description", "summary", "label"}
MARKED = {"say", "_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
UNTOLD = MARKED | {
    *("work", "Piece"),  # names of steps
    *("debug", "info", "warning", "error", "exception", "getLogger", "compile", "sub"),
    *("ValueError", "TypeError", "RuntimeError", "LookupError", "KeyError", "AssertionError"),
    *("OpenApiParameter", "extend_schema", "extend_schema_view", "OpenApiResponse"),
    *("OpenApiExample", "execute", "field", "cast", "TypeVar", "warns", "filterwarnings"),
}
BRACED = re.compile(r"\{(\w+)\}")


def is_written(path: str) -> bool:
    """Whether a module of the project says something without marks."""
    return _among(path, (*TELLING, *ANSWERING)) and not _among(path, SCHEMA_ALONE)


def _among(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def written(code: str, path: str) -> Iterator[str]:
    """The templates of a module's texts, each value a hole that is called after it."""
    answers = not _among(path, TELLING)
    names = _among(path, NAMING)
    for node in _texts(ast.parse(code)):
        text = template_of(node)
        sentence = text.endswith(".")
        if (answers and not sentence) or not _is_told(text):
            continue
        if names and not sentence and "%(" not in text and not text.startswith("the "):
            continue
        yield _whole(text)


def _whole(text: str) -> str:
    """A piece that is put behind other words, as it is found again there."""
    return f"%(before)s{text}" if text.startswith(" ") else text.removeprefix("; ")


def template_of(node: ast.Constant | ast.JoinedStr) -> str:
    """``f"{n} rows lack {name!r}"`` -> ``%(n)s rows lack %(name)s``."""
    if isinstance(node, ast.Constant):
        text = str(node.value)
        return _named(BRACED, text) if BRACED.search(text) else text
    seen: dict[str, int] = {}
    parts = []
    holes = any(isinstance(each, ast.FormattedValue) for each in node.values)
    for each in node.values:
        if isinstance(each, ast.FormattedValue):
            name = _name(each.value).strip("_") or "value"
            seen[name] = seen.get(name, 0) + 1
            parts.append(f"%({name}{seen[name] if seen[name] > 1 else ''})s")
        else:
            words = str(getattr(each, "value", ""))
            parts.append(words.replace("%", "%%") if holes else words)
    return "".join(parts)


def _named(braced: re.Pattern[str], text: str) -> str:
    return braced.sub(r"%(\1)s", text.replace("%", "%%"))


def _texts(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Literals of a tree that are no docstring and no argument of what shows nothing."""
    if isinstance(node, ast.JoinedStr):
        yield node
        for value in node.values:  # words inside of a hole, such as an either-or
            if isinstance(value, ast.FormattedValue):
                yield from _texts(value.value)
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and _called(node.func) in UNTOLD:
        return
    if isinstance(node, ast.keyword) and node.arg in SCHEMA:
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def _is_told(text: str) -> bool:
    bare = re.sub(r"%\(\w+\)s", " ", text)
    return len(re.findall(r"[A-Za-z]{2,}", bare)) > 1 and " " in bare.strip()


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _name(value: ast.expr) -> str:
    """What a value is called in the code, for its hole."""
    if isinstance(value, ast.Name):
        return value.id
    if isinstance(value, ast.Attribute):
        return value.attr
    if isinstance(value, ast.Subscript):
        return _name(value.value)
    if isinstance(value, ast.Call):
        first = next((name for name in map(_name, value.args) if name), "")
        if _called(value.func) == "len":
            return f"n_{first}"
        return first or (_name(value.func.value) if isinstance(value.func, ast.Attribute) else "")
    return ""
