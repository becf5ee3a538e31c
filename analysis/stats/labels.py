"""Names of batches and sites: one a sample, none of them empty, none of them two for one."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict

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
    blank = {label for label in set(labels) if not label.strip()}
    if blank:
        row = next(row for row, label in enumerate(labels) if label in blank)
        raise UnusableData(f"Row {row} has no {what}: name it or leave it out.")
    return labels


def distinct_labels(batch: npt.ArrayLike, n_samples: int, what: str = "batch") -> list[str]:
    """As `batch_labels`, each name written in one way.

    Raises
    ------
    UnusableData
        As `batch_labels`, or names that differ in case or spaces alone, of which a spreadsheet may
        have made two of one: "A", "A " and "a".
    """
    labels = batch_labels(batch, n_samples, what)
    alike: defaultdict[str, list[str]] = defaultdict(list)
    names = set(labels)
    for name in names:
        alike[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    if len(alike) < len(names):
        n = Counter(labels)
        told = sorted(
            "; ".join(f'"{name}" ({n[name]} samples)' for name in sorted(group))
            for group in alike.values()
            if len(group) > 1
        )
        raise UnusableData(
            f"Names of a {what} differ in case or spaces alone: {' and '.join(told)}. Write each "
            f"{what} in one way."
        )
    return labels


def site_names(site: npt.ArrayLike, n_samples: int, what: str = "site") -> Labels:
    """The distinct labels of shape (n_samples,), as an array of text; refuses the same."""
    return np.array(distinct_labels(site, n_samples, what), dtype=np.str_)
