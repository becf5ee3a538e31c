"""A table that is read as numbers block by block is the one that is read whole."""

from __future__ import annotations

import numpy as np
import pytest

from cohorts.ingest import plain_numbers
from cohorts.ingest.plain_numbers import AsNumbers, read_numbers

N_ROWS = 100


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """A sixteenth of the file each."""
    monkeypatch.setattr(plain_numbers, "_BLOCK", 1)


def table(rows, line_end="\n"):
    return line_end.join(["sample,a,b", *rows]).encode()


def rows_of(rng, long_at=()):
    """Rows of two numbers, some of them longer than a block."""
    numbers = rng.normal(size=(N_ROWS, 2))
    names = [f"T{n}" + "x" * 900 * (n in long_at) for n in range(N_ROWS)]
    return [f"{name},{a!r},{b!r}" for name, (a, b) in zip(names, numbers.tolist(), strict=True)]


def read(content, told=None):
    names = lambda name: "sample" if name == "sample" else ""  # noqa: E731 - as the check has it
    tell = (lambda rows: None) if told is None else told.append
    return read_numbers(content, ",", AsNumbers(names, tell=tell))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "the end of a line"])
@pytest.mark.parametrize("long_at", [(), (0,), (40, 41, 99)])
def test_blocks_are_the_whole_table(line_end, last, long_at):
    rows = rows_of(np.random.default_rng(1), long_at)
    content = table(rows, line_end) + (line_end.encode() if last else b"")
    told = []
    texts, numbers = read(content, told)
    assert len(told) > 3
    names, *values = zip(*(row.split(",") for row in rows), strict=True)
    assert tuple(texts["sample"]) == names
    assert numbers.values.T.tolist() == [list(map(float, column)) for column in values]
    assert tuple(name for block in told for name in block["sample"].to_pylist()) == names


@pytest.mark.parametrize("odd", ["T70,1", "T70,1,2,3", "T70,word,2", "", ",1,2"])
def test_what_is_not_plain_in_a_later_block_is_read_the_other_way(odd):
    rows = rows_of(np.random.default_rng(2))
    assert read(table(rows)) is not None
    assert read(table([*rows[:70], odd, *rows[71:]])) is None
