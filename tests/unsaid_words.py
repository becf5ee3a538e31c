"""Words of the code that a person reads and no catalogue can find: literals outside of marks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

# Calls whose text is shown, and which argument it is; None is the last one.
SHOWN = {
    **dict.fromkeys(("success", "error", "warning", "info", "add_error"), 1),
    **dict.fromkeys(("ValidationError", "RegexValidator", "Line"), 0),
    "message_user": 1,
    **dict.fromkeys(("fault", "warn", "Fault", "BadCell", "UnitMismatch", "UnreadableFile"), None),
}
NAMED = {
    "label",
    "description",
    "title",
    "help_text",
    "empty_label",
    "violation_error_message",
    "verbose_name",
}
# Of the admin: attributes of its classes, and words of its pages.
HEADINGS = {"title", "site_header", "site_title", "index_title", "verbose_name", "help_text"}
# A person who reads these writes programs.
FOR_PROGRAMMERS = {
    *("ValueError", "RuntimeError", "TypeError", "KeyError", "AssertionError", "LookupError"),
    *("ImproperlyConfigured", "NotImplementedError", "Http404"),
}


def unsaid(code: str) -> Iterator[str]:
    """Each literal of two words or more in a shown place, with its line."""
    for node in ast.walk(ast.parse(code)):
        for place in _shown(node):
            if _is_words(place):
                yield f"line {place.lineno}: {ast.unparse(place)}"


def _shown(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        if _name(node.exc.func) not in FOR_PROGRAMMERS:
            yield from _branches(node.exc.args)
    elif isinstance(node, ast.Call):
        if _name(node.func) in SHOWN and _name(getattr(node.func, "value", None)) != "logger":
            place = SHOWN[_name(node.func)]
            yield from _branches(node.args[-1:] if place is None else node.args[place : place + 1])
        yield from _branches([each.value for each in node.keywords if each.arg in NAMED])
    elif isinstance(node, ast.Assign) and any(_name(each) in HEADINGS for each in node.targets):
        yield from _branches([node.value])
    elif isinstance(node, ast.Dict):
        yield from _branches(
            [
                value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and key.value in HEADINGS
            ]
        )


def _branches(found: list[ast.expr]) -> Iterator[ast.expr]:
    """An expression, or both of an either-or."""
    for each in found:
        yield from _branches([each.body, each.orelse]) if isinstance(each, ast.IfExp) else [each]


def _is_words(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_words(node.left) or _is_words(node.right)
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
        return _has_words(" ".join(parts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and _has_words(node.value)


def _has_words(text: str) -> bool:
    return len(re.findall(r"[A-Za-z]{2,}", text)) > 1 and " " in text.strip()


def _name(function: ast.AST | None) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))
