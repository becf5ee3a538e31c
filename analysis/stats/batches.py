"""What ComBat is given: values, batch labels, and covariates that the batches do not determine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.stats.design import Covariates, Design, as_frame, build_design, independent
from analysis.stats.errors import UnusableData

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def batch_design(covariates: Covariates, labels: npt.NDArray[np.str_], codes: Ints) -> Design:
    """Covariate columns that the batches leave something of, or a refusal with the numbers."""
    frame = as_frame(covariates, len(labels))
    design = build_design(frame, len(labels))
    if not design.rows.all():
        gaps = [name for name in design.adjusted_for if frame[name].isna().any()]
        raise UnusableData(
            f"{(~design.rows).sum()} samples lack a covariate ({', '.join(gaps)}), the first in "
            f"row {np.flatnonzero(~design.rows)[0]}: fill it, or leave out the samples or it."
        )
    member = (codes == np.arange(codes.max() + 1)[:, None]).astype(np.float64)
    basis = (member / np.sqrt(member.sum(axis=1, keepdims=True))).T
    lost = np.flatnonzero(~independent(design.columns, beside=basis))
    if len(lost):
        names = [design.column_names[column] for column in lost]
        guilty = [c.name for c in design.codings if set(c.column_names) & set(names)]
        told = "; ".join(_tabulate(frame[name], labels, name) for name in guilty)
        raise UnusableData(
            f"Confounded with batch: {', '.join(guilty)} ({told}). ComBat cannot tell them from "
            "the batches and would erase or invent their effect: leave out the covariate if its "
            "effect need not be kept, or analyse each batch by itself."
        )
    return design


def _tabulate(column: pd.Series[Any], labels: npt.NDArray[np.str_], name: str) -> str:
    """Counts of a covariate's values in each batch, the commonest three of each."""
    told = []
    for label in sorted(set(labels)):
        counts = column[labels == label].astype(str).value_counts()
        values = ", ".join(f"{value} in {count}" for value, count in counts.head(3).items())
        told.append(f"{label} has {name} {values}" + (" and others" if len(counts) > 3 else ""))
    return ", ".join(told)


def refuse_batches(names: tuple[str, ...], reference_batch: str | None) -> None:
    """Refuse a single batch, or a reference that is none of them."""
    if len(names) < 2:
        raise UnusableData(f"ComBat needs at least 2 batches, got {list(names)}.")
    if reference_batch is not None and reference_batch not in names:
        raise UnusableData(
            f'The reference batch "{reference_batch}" is not among {list(names)}: name one of them.'
        )


def checked_values(values: npt.ArrayLike) -> Floats:
    """Values as floats of shape (n_samples, n_features); NaN may be among them, infinity not."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 2 or 0 in data.shape:
        raise UnusableData(f"Values need samples and features, got the shape {data.shape}.")
    if np.isinf(data).any():
        row, feature = np.argwhere(np.isinf(data))[0]
        raise UnusableData(
            f"The value in row {row}, feature {feature} is infinite: was a logarithm taken of zero?"
        )
    return data


def batch_labels(batch: npt.ArrayLike, n_samples: int) -> npt.NDArray[np.str_]:
    """One batch name a sample, as text."""
    column = pd.Series(np.asarray(batch).ravel())
    if len(column) != n_samples:
        raise UnusableData(f"{len(column)} batch labels for {n_samples} samples: give one each.")
    if column.isna().any():
        raise UnusableData(
            f"Row {int(np.flatnonzero(column.isna())[0])} has no batch: name it or leave it out."
        )
    return column.astype(str).to_numpy(dtype=str)
