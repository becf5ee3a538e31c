"""Names of batches and sites: one a sample, none of them empty, none of them two for one."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from functools import lru_cache
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.stats.errors import UnusableData

Labels = npt.NDArray[np.str_]


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
    names = np.asarray(batch, dtype=kind)
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
        names = column.astype(str).to_numpy(dtype=object)
    labels: list[str] = names.astype(str).tolist() if names.dtype.kind in "iub" else names.tolist()
    different = set(labels)
    blank = [label for label in different if not label.strip()]
    if blank:
        row = next(row for row, label in enumerate(labels) if label in blank)
        raise UnusableData(f"Row {row} has no {what}: name it or leave it out.")
    return labels, different


def distinct_labels(
    batch: npt.ArrayLike, n_samples: int, what: str = "batch"
) -> tuple[list[str], tuple[str, ...]]:
    """As `batch_labels`, each name written in one way; and the names in their order.

    Raises
    ------
    UnusableData
        As `batch_labels`, or names that differ in case or spaces alone, of which a spreadsheet may
        have made two of one: "A", "A " and "a".
    """
    labels, names = _labels_and_names(batch, n_samples, what)
    if len({_bare(name) for name in names}) < len(names):
        _refuse_alike(Counter(labels), what)
    return labels, tuple(sorted(names))


@lru_cache(maxsize=4096)
def _bare(name: str) -> str:
    """A name without what a spreadsheet may change."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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
