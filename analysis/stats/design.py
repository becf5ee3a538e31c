"""Covariates of the study as columns of numbers, none of them redundant.

Effects, ComBat and permutations all take their model from here, so that they agree on which
covariate was really in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.stats.errors import UnusableData
from analysis.stats.tables import LARGEST, as_array

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Covariates = pd.DataFrame | npt.ArrayLike | None

# A column whose share outside the span of the earlier ones is below this is a copy of them.
COLLINEAR = 1e-9
# One that keeps this share needs no closer look.
CLEAR = 1e-5
_TOO_WIDE = 2**63


@dataclass(frozen=True)
class Coding:
    """How one covariate becomes columns: ``levels`` is empty for a number."""

    name: str
    levels: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of its columns; the first level is the reference and has none."""
        if not self.levels:
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in self.levels[1:])

    def columns(self, column: pd.Series[Any]) -> Floats:
        """Columns of one covariate, shape (n_samples, n_columns); NaN in a row without a value.

        Raises
        ------
        UnusableData
            A level that was not there when the coding was made, or an infinite number.
        """
        if not self.levels:
            return _numbers(column, self.name)[:, None]
        words = _words(column)
        unknown = sorted(set(words[words.notna()]) - set(self.levels))
        if unknown:
            raise UnusableData(
                f'Covariate "{self.name}" has levels {unknown} unknown to this model '
                f"(it knows {list(self.levels)}): refit it with them, or correct the rows."
            )
        # A category with one level, such as sex among men, has no column of its own.
        coded = np.zeros((len(words), len(self.levels) - 1))
        for number, level in enumerate(self.levels[1:]):
            coded[:, number] = words == level
        coded[words.isna().to_numpy()] = np.nan
        return coded


@dataclass(frozen=True)
class Design:
    """Covariate columns of full rank beside an intercept.

    ``columns`` (n_used, n_columns) holds the rows marked in ``rows`` (n_samples); intercept and
    group are not among them. ``adjusted_for`` names the covariates in the model, ``dropped``
    those left out because they are constant, empty or a copy of earlier ones.
    """

    codings: tuple[Coding, ...]
    column_names: tuple[str, ...]
    columns: Floats
    rows: Bools
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]

    def basis(self) -> Floats:
        """Orthonormal basis (n_used, 1 + n_columns) of the intercept and the covariates."""
        n = len(self.columns)
        centred = self.columns - self.columns.mean(axis=0) if n else self.columns
        q, _ = np.linalg.qr(np.column_stack([np.full(n, 1.0), centred]))
        return q


def build_design(covariates: Covariates, n_samples: int) -> Design:
    """Code covariates into full-rank columns.

    Parameters
    ----------
    covariates : DataFrame, array of shape (n_samples, n_covariates), or None
        Numbers and truth values enter as they are; anything else as indicators of its levels,
        the first in sorted order being the reference. Row order is that of the values.
    n_samples : int
        Rows that the values have.

    Returns
    -------
    Design
        A covariate without any value is dropped by name; a row that lacks one of the others
        is not in ``rows``.

    Raises
    ------
    UnusableData
        Another number of rows than the values, or infinite numbers.
    """
    plain = complete_numbers(covariates, n_samples)
    if plain is not None and clearly_independent(plain[1]):
        return design_of_numbers(*plain)
    frame = as_frame(covariates, n_samples)
    codings = tuple(_coding(frame, name) for name in frame.columns)
    empty = [
        coding.name
        for coding in codings
        if (_words(frame[coding.name]) if coding.levels else frame[coding.name]).isna().all()
    ]
    codings = tuple(c for c in codings if c.name not in empty)
    columns = encode(codings, frame)
    rows: Bools = np.isnan(columns).sum(axis=1) == 0
    names = [name for coding in codings for name in coding.column_names]
    kept = independent(columns[rows])
    adjusted_for, dropped = _account(codings, names, kept)
    return Design(
        codings=codings,
        column_names=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        columns=np.ascontiguousarray(columns[rows][:, kept]),
        rows=rows,
        adjusted_for=adjusted_for,
        dropped=(*empty, *dropped),
    )


def complete_numbers(covariates: Covariates, n_samples: int) -> tuple[list[str], Floats] | None:
    """Names and columns of covariates that are finite numbers throughout, None for others.

    A frame costs more than the fit of a small study; these can do without one.
    """
    if covariates is None:
        return [], np.empty((n_samples, 0))
    if isinstance(covariates, pd.DataFrame):
        names = [str(name) for name in covariates.columns]
        plain = all(isinstance(kind, np.dtype) and kind.kind in "fi" for kind in covariates.dtypes)
        array = covariates.to_numpy(dtype=np.float64) if plain and names else np.empty(0)
    else:
        array = as_array(covariates, "Covariates")
        n_columns = array.shape[-1] if array.ndim else 0
        names = [f"covariate {number}" for number in range(1, n_columns + 1)]
    usual = array.ndim == 2 and len(array) == n_samples and array.dtype.kind in "fi"
    if not usual or len(set(names)) < len(names):
        return None
    numbers = array.astype(np.float64, copy=False)
    # A gap is greater than nothing, and nothing is greater than it.
    largest = np.maximum.reduce(np.abs(numbers), axis=None, initial=0.0)
    return (names, numbers) if largest <= (LARGEST if array.dtype.kind == "f" else 2**53) else None


def design_of_numbers(names: list[str], columns: Floats) -> Design:
    """What `build_design` makes of complete and independent numbers."""
    return Design(
        codings=_codings_of_numbers(tuple(names)),
        column_names=tuple(names),
        columns=np.ascontiguousarray(columns),
        rows=np.ones(len(columns), dtype=bool),
        adjusted_for=tuple(names),
        dropped=(),
    )


@lru_cache(maxsize=64)
def _codings_of_numbers(names: tuple[str, ...]) -> tuple[Coding, ...]:
    return tuple(Coding(name) for name in names)


def clearly_independent(columns: Floats) -> bool:
    """Whether one look is enough to see that no column follows from those before it."""
    n, k = columns.shape
    if k == 0:
        return True
    if n <= k:
        return False
    centred = columns - columns.mean(axis=0)
    lengths = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    left = np.abs(np.diagonal(np.linalg.qr(centred, mode="r")))
    level = np.abs(columns).max(axis=0) * np.sqrt(n)
    clear: np.bool_ = ((left > CLEAR * lengths) & (lengths > CLEAR * level)).all()
    return bool(clear)


def as_frame(covariates: Covariates, n_samples: int) -> pd.DataFrame:
    """Covariates as a frame with a plain index; the columns of an array are numbered from 1.

    NaN and infinite numbers are still in it, for what encodes them to judge.
    """
    if covariates is None:
        return pd.DataFrame(index=range(n_samples))
    if isinstance(covariates, pd.DataFrame):
        frame = covariates.reset_index(drop=True)
        frame.columns = pd.Index([str(name) for name in frame.columns])
    else:
        array = as_array(covariates, "Covariates")
        if array.ndim != 2:
            raise UnusableData(f"Covariates need 2 dimensions, got {array.ndim}: use a DataFrame.")
        names = [f"covariate {number}" for number in range(1, array.shape[1] + 1)]
        frame = pd.DataFrame(array, columns=pd.Index(names)).infer_objects()
    if len(frame) != n_samples:
        raise UnusableData(
            f"Covariates have {len(frame)} rows and the values {n_samples}: give one row a sample."
        )
    _refuse_no_kind(frame)
    if not frame.columns.is_unique:
        raise UnusableData(f"Two covariates share a name in {list(frame.columns)}: rename one.")
    return frame


def encode(codings: Sequence[Coding], frame: pd.DataFrame) -> Floats:
    """All columns of ``codings``, shape (n_samples, n_columns), NaN where a value is missing."""
    missing = [coding.name for coding in codings if coding.name not in frame.columns]
    if missing:
        raise UnusableData(f"Covariates {missing} are missing: give those the model was fitted on.")
    parts = [coding.columns(frame[coding.name]) for coding in codings]
    return np.concatenate([np.empty((len(frame), 0)), *parts], axis=1)


def columns_of(covariates: Covariates, n_samples: int) -> Floats:
    """All columns of covariates, be they redundant, NaN where a value is missing.

    A single covariate may come as a vector.
    """
    if not isinstance(covariates, pd.DataFrame | None):
        array = as_array(covariates, "Covariates")
        covariates = array[:, None] if array.ndim == 1 else array
    frame = as_frame(covariates, n_samples)
    return encode([_coding(frame, name) for name in frame.columns], frame)


def independent(columns: Floats, beside: Floats | None = None) -> Bools:
    """Which columns add something to the intercept (or ``beside``) and the columns before them.

    ``beside`` is an orthonormal basis, shape (n_samples, rank).
    """
    n = len(columns)
    basis = np.full((n, 1), 1 / np.sqrt(max(n, 1))) if beside is None else beside
    kept = np.zeros(columns.shape[1], dtype=bool)
    for position in range(columns.shape[1]):
        centred = columns[:, position] - (columns[:, position].mean() if n else 0.0)
        rest = centred
        # Twice: one pass of Gram-Schmidt leaves rounding that looks like information.
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        size = np.linalg.norm(rest)
        scale = np.linalg.norm(centred)
        level = np.abs(columns[:, position]).max(initial=0.0) * np.sqrt(n)
        if size > COLLINEAR * scale and scale > 1e-13 * level:
            kept[position] = True
            basis = np.column_stack([basis, rest / size])
    return kept


def _coding(frame: pd.DataFrame, name: str) -> Coding:
    column = frame[name]
    _refuse_too_wide(column, name)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return Coding(name)
    words = _words(column)
    return Coding(name, tuple(sorted(set(words[words.notna()]))) or ("",))


def _refuse_no_kind(frame: pd.DataFrame) -> None:
    """Complex numbers and dates are neither numbers nor words of a covariate."""
    for name, kind in frame.dtypes.items():
        if isinstance(kind, np.dtype) and kind.kind in "cmM":
            raise UnusableData(
                f'Covariate "{name}" is of the kind {kind}: give real numbers, such as years, or '
                "words."
            )


def _refuse_too_wide(column: pd.Series[Any], name: str) -> None:
    """Whole numbers of more than 64 bits come as objects and would pass for words."""
    if column.dtype != object and column.dtype != np.uint64:
        return
    for row, value in enumerate(column):
        if isinstance(value, int) and abs(value) >= _TOO_WIDE:
            raise UnusableData(
                f'Covariate "{name}" is {value} in row {row}, more than 64 bits hold: is it an '
                "identifier, or an overflow? Correct it or leave the covariate out."
            )


def _numbers(column: pd.Series[Any], name: str) -> Floats:
    try:
        numbers = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError, OverflowError) as error:
        raise UnusableData(f'Covariate "{name}" was numeric and is not here: {error}.') from error
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise UnusableData(
            f'Covariate "{name}" is infinite in row {infinite[0]}: correct it or leave it empty.'
        )
    whole = column.dtype.kind in "iu"
    huge = np.flatnonzero(np.abs(numbers) > (2**53 if whole else LARGEST))
    if len(huge):
        raise UnusableData(
            f'Covariate "{name}" is {numbers[huge[0]]:.3g} in row {huge[0]}, too large for its '
            "square: is it a marker of missing values? Correct it or leave it empty."
        )
    return numbers


def _words(column: pd.Series[Any]) -> pd.Series[Any]:
    words = column.astype(object).where(column.notna(), None)
    return words.map(lambda word: None if word is None or word == "" else str(word))


def _account(
    codings: Sequence[Coding], names: Sequence[str], kept: Bools
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of covariates in the model and of what was left out; single levels by their own."""
    adjusted_for: list[str] = []
    dropped: list[str] = []
    in_model = {name for name, keep in zip(names, kept, strict=True) if keep}
    for coding in codings:
        lost = [name for name in coding.column_names if name not in in_model]
        if len(lost) == len(coding.column_names):
            dropped.append(coding.name)
        else:
            adjusted_for.append(coding.name)
            dropped.extend(lost)
    return tuple(adjusted_for), tuple(dropped)
