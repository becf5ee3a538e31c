"""What may be wrong with each kind of argument, and what must be refused whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

NAN, INF = float("nan"), float("inf")
WIDE = 10**400
Fault = Callable[[Any], Any]


def _with(number: Any) -> Fault:
    """An array of numbers with another one in its middle."""

    def fault(array: Any) -> np.ndarray:
        changed = np.array(array, dtype=complex if isinstance(number, complex) else np.float64)
        changed.flat[changed.size // 2] = number
        return changed

    return fault


def _all(number: Any, kind: type = float) -> Fault:
    return lambda array: np.full(np.shape(array), number, dtype=kind)


def _ragged(array: Any) -> list[Any]:
    rows = np.asarray(array).tolist()
    return [row[: 1 + n % 2] if isinstance(row, list) else [row, row] for n, row in enumerate(rows)]


NUMBERS: dict[str, Fault] = {
    "none": lambda array: np.asarray(array)[:0],
    "one too few": lambda array: np.asarray(array)[:-1],
    "a dimension too many": lambda array: np.asarray(array)[..., None],
    "a number alone": lambda array: np.asarray(array).flat[0],
    "nothing": lambda array: None,
    "ragged": _ragged,
    "infinite": _with(INF),
    "minus infinite": _with(-INF),
    "too large for a square": _with(1e200),
    "all too large": lambda array: np.asarray(array) * 1e300,
    "an overflown integer": _all(np.iinfo(np.int64).max, np.int64),
    "wider than floats": _all(WIDE, object),
    "complex": _with(1j),
    "words": _all("low", str),
    "objects": _all("low", object),
    "text of numbers": lambda array: np.asarray(array).astype(str),
    "times": lambda array: np.asarray(array).astype("datetime64[s]"),
}
TABLE = NUMBERS | {
    "a dimension too few": lambda array: np.asarray(array)[:, 0],
    "no feature": lambda array: np.asarray(array)[:, :0],
}
SHARES = NUMBERS | {"above 1": _with(2.0), "below 0": _with(-0.5)}
MARKS: dict[str, Fault] = {
    "one too few": lambda marks: marks[:-1],
    "a dimension too many": lambda marks: marks[..., None],
    "numbers": lambda marks: marks.astype(int) * 2,
    "words": lambda marks: np.where(marks, "yes", "no"),
    "a gap": _with(NAN),
    "objects": lambda marks: np.where(marks, None, False),
    "ragged": lambda marks: [[True, False], *marks.tolist()[1:]],
}
LABELS: dict[str, Fault] = {
    "a third group": _with(2),
    "a gap": _with(NAN),
    "infinite": _with(INF),
    "complex": _with(1j),
    "words": lambda labels: np.where(labels == 1, "case", "control"),
    "text of numbers": lambda labels: labels.astype(str),
    "wrapped around": lambda labels: (labels - 1).astype(np.uint8),
    "wider than floats": lambda labels: [WIDE, *labels[1:].tolist()],
    "times": lambda labels: labels.astype("datetime64[s]"),
    "ragged": lambda labels: [[1, 0], *labels[1:].tolist()],
    "nothing": lambda labels: None,
    "one too few": lambda labels: labels[:-1],
    "a column too many": lambda labels: np.column_stack([labels, labels]),
}


def _second(change: Callable[[str], Any], first: Any = None) -> Fault:
    """Names of which the second is another; ``first`` stands for its whole site."""

    def fault(names: Any) -> list[Any]:
        given = [first if first is not None and name == names[0] else name for name in names]
        given[1] = change(given[1])
        return given

    return fault


def _wide(name: str) -> str:
    """The name in full-width letters, as a Japanese keyboard may write it."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in name)


NAMES: dict[str, Fault] = {
    "a space after it": _second(lambda name: f" {name} "),
    "full-width letters": _second(_wide),
    "another case": _second(str.upper),
    "1 and '1'": _second(lambda name: 1, "1"),
    "1 and 1.0": _second(lambda name: 1.0, 1),
    "'1' and '1.0'": _second(lambda name: "1.0", "1"),
    "no name": _second(lambda name: None),
    "a gap": _second(lambda name: NAN),
    "infinite": _second(lambda name: INF),
    "blanks": _second(lambda name: " "),
    "ragged": _second(lambda name: ["a", "b"]),
    "nothing": lambda names: None,
    "none": lambda names: names[:0],
    "one too few": lambda names: names[:-1],
    "a column too many": lambda names: np.column_stack([names, names]),
}


def _cell(number: Any) -> Fault:
    """A table in which one row of every column is another number."""

    def fault(table: pd.DataFrame) -> pd.DataFrame:
        changed = {
            name: table[name].astype(object).where(table.index != 3, number) for name in table
        }
        return table.assign(**changed)

    return fault


CELLS = {
    "infinite": _cell(INF),
    "minus infinite": _cell(-INF),
    "in words": _cell("low"),
    "wider than floats": _cell(WIDE),
    "complex": _cell(1j),
}


def _but(faults: dict[str, Fault], *known: str) -> dict[str, Fault]:
    return {name: fault for name, fault in faults.items() if name not in known}


SIZED = ("too large for a square", "all too large")
UNBOUNDED = ("infinite", "minus infinite", *SIZED, "an overflown integer", "wider than floats")
ANY_SHAPE = ("none", "one too few", "a dimension too many", "a number alone", "ragged")
COLUMNS = _but(TABLE, "nothing", "no feature", "words", "objects", "text of numbers")

# What every function refuses that reads an argument of this kind. A kind that says "optional" may
# be left out, one "alone" stands beside nothing whose length it must have, and "scores" are ranked.
REFUSED: dict[str, dict[str, Fault]] = {
    "values": TABLE,
    "values alone": _but(TABLE, "one too few"),
    "finite values": _but(TABLE, *SIZED),
    "any table": _but(TABLE, "one too few", "infinite", "minus infinite", *SIZED),
    "any values": _but(NUMBERS, *ANY_SHAPE, "infinite", "minus infinite", *SIZED)
    | {"ragged": _ragged},
    "covariates": COLUMNS,
    "covariates or one": _but(COLUMNS, "a dimension too few"),
    # These look at words and levels, or whether there are plain numbers; the fit refuses.
    "columns": _but(COLUMNS, *UNBOUNDED),
    "probed covariates": {"ragged": _ragged},
    # Only ComBat keeps the effect of covariates; the others promise not to read them.
    "unread": {},
    # Only how many there are is read.
    "counted": {},
    "labels": LABELS,
    "labels alone": _but(LABELS, "one too few"),
    "optional labels": _but(LABELS, "nothing"),
    "names": NAMES,
    "optional names": _but(NAMES, "nothing"),
    # A fitted model knows how each name is written.
    "known names": _but(
        NAMES,
        *("a space after it", "full-width letters", "another case"),
        *("1 and 1.0", "'1' and '1.0'"),
    ),
    "marks": MARKS,
    "table marks": MARKS,
    "numbers": NUMBERS,
    "optional numbers": _but(NUMBERS, "nothing"),
    "vector or table": _but(NUMBERS, "a dimension too many", "ragged"),
    "scores": _but(NUMBERS, *SIZED),
    "amounts": _but(NUMBERS, *SIZED) | {"below 0": _with(-0.5)},
    # A tube has one delay, though it may have been measured twice.
    "delays of tubes": _but(NUMBERS, *SIZED, "nothing", "none", "one too few")
    | {"below 0": _with(-0.5)},
    "chances": SHARES,
    "any chances": _but(SHARES, "none", "one too few"),
    "p values": _but(SHARES, *ANY_SHAPE),
    "counts": NUMBERS | {"below 0": _with(-1)},
    "tallies": _but(SHARES, *ANY_SHAPE, "above 1"),
    "estimates": TABLE,
    "variances": TABLE | {"zero": _with(0.0), "negative": _with(-0.1)},
    "limits": _but(NUMBERS, "nothing"),
    "optional flags": _but(NUMBERS, "nothing") | {"unknown": _with(7), "wraps to 1": _with(257)},
    "records": CELLS | {"one too few": lambda table: table.iloc[:-1]},
    "records alone": CELLS,
    "frame": CELLS,
    # A grid says in every cell why it has no number; who asks for names reads no numbers.
    "explained frame": {},
    "names of a frame": {},
    "levels": {"unknown": lambda column: column.where(column.index != 3, "fourth")},
    "number": {"no number": lambda _: NAN, "infinite": lambda _: INF},
    "positive": {"no number": lambda _: NAN, "zero": lambda _: 0.0, "negative": lambda _: -1.0},
    "share": {"no number": lambda _: NAN, "negative": lambda _: -1.0, "above 1": lambda _: 2.0},
    "level": {"no number": lambda _: NAN, "zero": lambda _: 0.0, "one": lambda _: 1.0},
    "count": {"no number": lambda _: NAN, "half": lambda _: 1.5, "negative": lambda _: -1},
    "option": {"unknown": lambda _: "x", "empty": lambda _: ""},
    "text": {"empty": lambda _: "", "another": lambda _: "{}", "cut": lambda text: text[:-5]},
    "bytes": {"empty": lambda _: b"", "cut": lambda data: data[:-30]},
    "new site": {"a space after it": lambda _: "Osaka ", "blanks": lambda _: " "},
    "range": {"turned": lambda _: (1.0, 0.9), "no number": lambda _: (NAN, 1.0)},
}


def _column(number: float) -> Fault:
    """A table of which the last column is one number; of a vector the last number is."""

    def fault(array: Any) -> np.ndarray:
        changed = np.array(array, dtype=np.float64)
        changed[..., -1] = number
        return changed

    return fault


# What says too little: refused, or answered with a reason for each missing number.
POOR: dict[str, Fault] = {
    "a gap": _with(NAN),
    "all missing": _all(NAN),
    "one feature all missing": _column(NAN),
    "constant": _all(1.0),
    "one feature constant": _column(1.0),
    "one feature": lambda array: np.asarray(array)[..., :1],
    "tiny": lambda array: np.asarray(array) * 1e-300,
    "negative": lambda array: -np.asarray(array, dtype=np.float64),
}
POOR_NAMES: dict[str, Fault] = {
    "one site": lambda names: np.full_like(names, names[0]),
    "a site a sample": lambda names: np.arange(len(names)),
}
POOR_LABELS = {"cases alone": np.ones_like, "controls alone": np.zeros_like}
POOR_TABLE: dict[str, Fault] = {
    "all missing": lambda table: table * NAN,
    "constant": lambda table: table * 0.0,
}


def poor(kind: str) -> dict[str, Fault]:
    """What says too little in an argument of this kind."""
    if "names of" in kind or "levels" in kind or "marks" in kind:
        return {}
    if "names" in kind:
        return POOR_NAMES
    if "labels" in kind:
        return POOR_LABELS
    if "frame" in kind or "records" in kind:
        return POOR_TABLE | (CELLS if kind == "explained frame" else {})
    single = (
        "number",
        "positive",
        "share",
        "level",
        "count",
        "option",
        "text",
        "bytes",
        "range",
        "counted",
    )
    return {} if kind in (*single, "new site", "unread") else POOR
