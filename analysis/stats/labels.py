"""Names of batches and sites: one a sample, none of them empty, none of them two for one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.stats.errors import UnusableData
from analysis.stats.tables import as_array

Labels = npt.NDArray[np.str_]

# A whole number that a spreadsheet or pandas wrote with decimals.
_WHOLE = re.compile(r"^(\d+)\.0+$")


def batch_labels(batch: npt.ArrayLike, n_samples: int, what: str = "batch") -> list[str]:
    """One name a sample, as text; ``what`` is what the message calls it.

    Raises
    ------
    UnusableData
        Another number of names than samples, or a sample without one.
    """
    return _labels_and_names(batch, n_samples, what)[0]


def _labels_and_names(
    batch: npt.ArrayLike, n_samples: int, what: str
) -> tuple[list[str], set[str]]:
    # As an array of text a list would make "nan" of a gap.
    kind = object if isinstance(batch, list | tuple) else None
    names = np.asarray(batch, dtype=kind) if kind else as_array(batch, f"Names of a {what}")
    if names.shape != (n_samples,):
        raise UnusableData(
            f"{names.size} {what} labels of the shape {names.shape} for {n_samples} samples: give "
            "one each."
        )
    if names.dtype.kind not in "Uiub":
        column = pd.Series(names)
        if column.isna().any():
            row = int(np.flatnonzero(column.isna())[0])
            raise UnusableData(f"Row {row} has no {what}: name it or leave it out.")
        _refuse_odd(column, what)
        names = column.astype(str).to_numpy(dtype=object)
    labels: list[str] = names.astype(str).tolist() if names.dtype.kind in "iub" else names.tolist()
    different = set(labels)
    blank = [label for label in different if not label.strip()]
    if blank:
        row = next(row for row, label in enumerate(labels) if label in blank)
        raise UnusableData(f"Row {row} has no {what}: name it or leave it out.")
    return labels, different


def _refuse_odd(column: pd.Series[Any], what: str) -> None:
    """Refuse lists and infinities, and a name that is a number here and text there."""
    for row, name in enumerate(column):
        if isinstance(name, list | tuple | dict | set) or name in (np.inf, -np.inf):
            raise UnusableData(f"Row {row} has the {what} {name}: give each row one name.")
    numbers = {str(name) for name in column if not isinstance(name, str)}
    both = sorted(numbers & {name for name in column if isinstance(name, str)})
    if both:
        raise UnusableData(
            f"Names of a {what} stand as numbers and as text: {both}. Write each {what} in one way."
        )


def distinct_labels(
    batch: npt.ArrayLike, n_samples: int, what: str = "batch"
) -> tuple[list[str], tuple[str, ...]]:
    """As `batch_labels`, each name written in one way; and the names in their order.

    Raises
    ------
    UnusableData
        As `batch_labels`, or names that differ in case or spaces alone, of which a spreadsheet may
        have made two of one: "A", "A " and "a", or "1" and "1.0".
    """
    labels, names = _labels_and_names(batch, n_samples, what)
    if len({_bare(name) for name in names}) < len(names):
        _refuse_alike(Counter(labels), what)
    return labels, tuple(sorted(names))


@lru_cache(maxsize=4096)
def _bare(name: str) -> str:
    """A name without what a spreadsheet may change."""
    bare = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return _WHOLE.sub(r"\1", bare)


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in case, spaces or decimals of a whole number alone."""
    return _bare(one) == _bare(other)


def _refuse_alike(n: Counter[str], what: str) -> NoReturn:
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(n):
        alike[_bare(name)].append(name)
    told = sorted(
        "; ".join(f'"{name}" ({n[name]} samples)' for name in group)
        for group in alike.values()
        if len(group) > 1
    )
    raise UnusableData(
        f"Names of a {what} differ in case or spaces alone: {' and '.join(told)}. Write each "
        f"{what} in one way."
    )


def site_names(site: npt.ArrayLike, n_samples: int, what: str = "site") -> Labels:
    """The distinct labels of shape (n_samples,), as an array of text; refuses the same."""
    return np.array(distinct_labels(site, n_samples, what)[0], dtype=np.str_)
