"""What a new version of a study's dictionary changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from cohorts.ingest.facts import ContextVariable


@dataclass(frozen=True)
class Altered:
    """One property of one variable that is said anew."""

    name: str
    what: str
    was: str
    now: str


@dataclass(frozen=True)
class DictionaryChanges:
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Altered, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every variable that is not what it was."""
        return frozenset({*self.added, *self.removed, *(each.name for each in self.changed)})

    def what_of(self, name: str) -> str:
        """In a word, what happens to that variable."""
        if name in self.added:
            return "added"
        return "removed" if name in self.removed else "changed"


def changes_between(
    before: Sequence[ContextVariable], after: Sequence[ContextVariable]
) -> DictionaryChanges:
    """The order of the variables is no change; a renamed one is removed and added."""
    old, new = ({each.name: each for each in side} for side in (before, after))
    return DictionaryChanges(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(
            Altered(name, field.name, _shown(was), _shown(now))
            for name, variable in new.items()
            if name in old
            for field in fields(ContextVariable)
            if (was := getattr(old[name], field.name)) != (now := getattr(variable, field.name))
        ),
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " | ".join(f"{code}, {label}" for code, label in value)
    return str(value)
