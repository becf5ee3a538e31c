"""Sentences that are written once in English and said in each reader's language.

Plain Python, since tables are checked in a process without Django; `told` says them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self


class Sentence(str):
    """The English text, which keeps the template and the values that it was made of.

    It is a ``str``, so the API, files and logs have it in English without doing anything.
    """

    __slots__ = ("template", "values")
    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, values: Mapping[str, Any] | None = None) -> Self:
        kept = {name: _plain(value) for name, value in (values or {}).items()}
        made = super().__new__(cls, template % kept if kept else template)
        made.template, made.values = template, kept
        return made

    def __getnewargs__(self) -> tuple[str, dict[str, Any]]:  # type: ignore[override]  # of pickle
        return self.template, self.values

    def as_dict(self) -> dict[str, Any]:
        """To be stored as JSON beside the English text."""
        values = {
            name: value.as_dict() if isinstance(value, Sentence) else value
            for name, value in self.values.items()
        }
        return {"template": self.template, "values": values}


def say(template: str, /, **values: Any) -> Sentence:
    """A sentence; each ``%(name)s`` stands for a value, which may be a sentence too."""
    return Sentence(template, values)


def together(*parts: str) -> Sentence:
    """Sentences one after the other."""
    named = {f"part{n}": part for n, part in enumerate(parts)}
    return Sentence(" ".join(f"%({name})s" for name in named), named)


def stored(said: str) -> dict[str, Any]:
    """What to keep of a sentence beside its text; nothing of a text that is no sentence."""
    return said.as_dict() if isinstance(said, Sentence) else {}


def _plain(value: Any) -> Any:
    return value if isinstance(value, Sentence | int | float) else str(value)
