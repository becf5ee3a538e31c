"""One section of study.toml: each key is taken once, under its type; what is left is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

from cohorts.ingest.nearest import nearest


class Section:
    """Reads the keys of one table. Whatever is wrong is said in ``said``, and reading goes on."""

    def __init__(self, title: str, data: Mapping[str, Any], said: list[str]) -> None:
        self._title = title
        self._data = dict(data)
        self._asked: list[str] = []
        self._said = said

    def say(self, message: str) -> None:
        self._said.append(f"{self._title}: {message}" if self._title else message)

    def close(self) -> None:
        """A fault for each key that nobody asked for."""
        for key in self._data:
            near = nearest(key, self._asked)
            self.say(
                f"`{key}` is not a key of this section{near}; the keys are "
                f"{', '.join(self._asked)}."
            )

    def text(self, key: str, *, required: bool = False, default: str = "") -> str:
        value = self._take(key)
        if value is None:
            if required:
                self.say(f"`{key}` is missing; write it.")
            return default
        if isinstance(value, str) and (value.strip() or not required):
            return value.strip()
        self.say(f'`{key}` is {value!r}; write a text, such as {key} = "...".')
        return default

    def file(self, key: str) -> str:
        """A file beside study.toml, "" with a fault where it is not one."""
        name = self.text(key, required=True)
        path = PurePosixPath(name)
        if name and (path.is_absolute() or ".." in path.parts):
            self.say(f'`{key}` is "{name}"; name a file in the folder of study.toml.')
            return ""
        return name

    def day(self, key: str, *, required: bool = False) -> date | None:
        value = self._take(key)
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        if value is not None or required:
            self.say(f"`{key}` is not a date; write {key} = 2020-01-31, without quotes.")
        return None

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        value = self._take(key)
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        if (value is not None and value != []) or required:
            self.say(f'`{key}` is not a list of texts; write {key} = ["...", "..."].')
        return ()

    def one_of(self, key: str, word: str, allowed: Sequence[str]) -> str:
        if word not in allowed:
            near = nearest(word, allowed)
            self.say(f'`{key}`: "{word}" is unknown{near}; choose from {", ".join(allowed)}.')
        return word

    def table(self, key: str) -> dict[str, Any] | None:
        """A sub-table as it stands, None if there is none."""
        value = self._take(key)
        if value is None or isinstance(value, dict):
            return value
        self.say(f"`{key}` is {value!r}; write it as a section: [{key}].")
        return None

    def section(self, key: str, *, required: bool = False) -> Section | None:
        value = self.table(key)
        if value is None:
            if required:
                self.say(f"the section [{key}] is missing; add it.")
            return None
        return Section(f"[{key}]", value, self._said)

    def sections(self, key: str) -> Iterator[Section]:
        """Repeated sections; a fault where it stands once in single brackets."""
        value = self._take(key)
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, start=1):
                yield Section(f"[[{key}]] {number}", item, self._said)
        elif value is not None:
            self.say(f"`{key}` is not a list of sections; write [[{key}]] before each.")

    def mapping(self, key: str) -> dict[str, str]:
        return {name: as_cell(value) for name, value in self._plain(key)}

    def lists(self, key: str) -> dict[str, tuple[str, ...]]:
        """Name -> cells; a single cell may stand without its list."""
        found: dict[str, tuple[str, ...]] = {}
        for name, value in self._items(key):
            cells = value if isinstance(value, list) else [value]
            if any(isinstance(cell, dict | list) for cell in cells):
                self.say(f"`{key}`: {name} is not a cell or a list of cells.")
                continue
            found[name] = tuple(as_cell(cell) for cell in cells)
        return found

    def mappings(self, key: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name, value in self._items(key):
            if not isinstance(value, dict):
                self.say(f'`{key}`: {name} is not a table; write {name} = {{ "1" = "case" }}.')
                continue
            found[name] = {cell: as_cell(meaning) for cell, meaning in value.items()}
        return found

    def _plain(self, key: str) -> Iterator[tuple[str, Any]]:
        for name, value in self._items(key):
            if isinstance(value, dict | list):
                self.say(f"`{key}`: {name} is not a single value.")
            else:
                yield name, value

    def _items(self, key: str) -> Iterator[tuple[str, Any]]:
        value = self._take(key)
        if value is None:
            return
        if not isinstance(value, dict):
            self.say(f'`{key}` is {value!r}; write it as {key} = {{ name = "..." }}.')
            return
        yield from value.items()

    def _take(self, key: str) -> Any:
        self._asked.append(key)
        return self._data.pop(key, None)


def as_cell(value: Any) -> str:
    """A TOML value as the cell of a table would hold it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return value.isoformat()
    return str(value).strip()
