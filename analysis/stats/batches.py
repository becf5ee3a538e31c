"""What ComBat is given: values, batch labels, and covariates that the batches do not determine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.stats.design import (
    Coding,
    Covariates,
    Design,
    as_frame,
    build_design,
    complete_numbers,
    design_of_numbers,
    encode,
    independent,
)
from analysis.stats.errors import UnusableData
from analysis.stats.moments import Layout, lay_out

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# A column that keeps this share of its length beside the batches and the columns before it needs
# no closer look.
_CLEAR = 1e-5


def batch_design(
    covariates: Covariates, labels: list[str], codes: Ints, n_batches: int
) -> tuple[Design, Layout]:
    """Covariate columns that the batches leave something of, or a refusal with the numbers."""
    numbers = complete_numbers(covariates, len(labels))
    if numbers is not None and numbers[1].shape[1] < len(labels):
        design = design_of_numbers(*numbers)
        layout = lay_out(codes, n_batches, design.columns)
        if _clearly_independent(design.columns, layout):
            return design, layout
    design = build_design(covariates, len(labels))
    _refuse_confounded(design, covariates, labels, codes)
    return design, lay_out(codes, n_batches, design.columns)


def _clearly_independent(columns: Floats, layout: Layout) -> bool:
    left = np.abs(layout.upper.diagonal())
    lengths = np.sqrt(np.add.reduce(columns * columns))
    return bool(np.count_nonzero(left > _CLEAR * lengths) == len(left))


def _refuse_confounded(
    design: Design, covariates: Covariates, labels: list[str], codes: Ints
) -> None:
    if not design.rows.all():
        frame = as_frame(covariates, len(labels))
        gaps = [name for name in design.adjusted_for if frame[name].isna().any()]
        raise UnusableData(
            f"{(~design.rows).sum()} samples lack a covariate ({', '.join(gaps)}), the first in "
            f"row {np.flatnonzero(~design.rows)[0]}: fill it, or leave out the samples or it."
        )
    member = (codes == np.arange(codes.max() + 1)[:, None]).astype(np.float64)
    basis = (member / np.sqrt(member.sum(axis=1, keepdims=True))).T
    lost = np.flatnonzero(~independent(design.columns, beside=basis))
    if len(lost):
        frame = as_frame(covariates, len(labels))
        names = [design.column_names[column] for column in lost]
        guilty = [c.name for c in design.codings if set(c.column_names) & set(names)]
        told = "; ".join(_tabulate(frame[name], labels, name) for name in guilty)
        raise UnusableData(
            f"Confounded with batch: {', '.join(guilty)} ({told}). ComBat cannot tell them from "
            "the batches and would erase or invent their effect: leave out the covariate if its "
            "effect need not be kept, or analyse each batch by itself."
        )


def encoded(
    covariates: Covariates, n_samples: int, codings: Sequence[Coding], column_names: Sequence[str]
) -> Floats:
    """The columns of a fitted design in new rows; refuses rows that lack one."""
    if not codings and covariates is None:
        return np.empty((n_samples, 0))
    numbers = complete_numbers(covariates, n_samples)
    if numbers is not None and not any(coding.levels for coding in codings):
        names, columns = numbers
        if names == list(column_names):
            return columns
        if set(column_names) <= set(names):
            return columns[:, [names.index(name) for name in column_names]]
    names = [name for coding in codings for name in coding.column_names]
    columns = encode(codings, as_frame(covariates, n_samples))
    columns = columns[:, [names.index(name) for name in column_names]]
    lacking = np.flatnonzero(np.isnan(columns).any(axis=1))
    if len(lacking):
        told = [c.name for c in codings if set(c.column_names) & set(column_names)]
        raise UnusableData(
            f"{len(lacking)} samples lack one of {told}, the first in row {lacking[0]}: fill it, "
            "or leave the samples out."
        )
    return columns


def _tabulate(column: pd.Series[Any], labels: list[str], name: str) -> str:
    """Counts of a covariate's values in each batch, the commonest three of each."""
    told = []
    for label in sorted(set(labels)):
        own = np.array(labels) == label
        counts = column[own].astype(str).value_counts()
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


def batch_numbers(labels: list[str], names: Sequence[str]) -> Ints:
    """Place of each label among ``names``."""
    number = {name: code for code, name in enumerate(names)}
    return np.fromiter(map(number.__getitem__, labels), dtype=np.int64, count=len(labels))
