"""One plot of a run, as the page, its script and its table need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.models import Run


@dataclass(frozen=True)
class Plot:
    """One drawing: its kind and data for the script, the same as a table, and where it is from.

    ``table``: the header, then rows. ``source``: the address of the same numbers in the API.
    """

    kind: str
    name: str
    title: str
    words: str
    data: Mapping[str, Any]
    header: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    source: str = ""

    @property
    def script_id(self) -> str:
        """The id of the element that carries the data to the script."""
        return f"data-{self.name}"


def address(run: Run, part: str) -> str:
    """Where the API has the same numbers."""
    return f"/api/v1/runs/{run.pk}/{part}"
