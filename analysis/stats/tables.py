"""Numbers as they come in: floats that are the same numbers, in rows of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.stats.errors import UnusableData

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Whole numbers above this have no exact float.
_EXACT_INTEGER = 2**53
# The square of a number above this, summed over a study, has no float.
LARGEST = 1e150


def real_numbers(numbers: npt.ArrayLike, name: str = "Values") -> Floats:
    """Numbers of any shape as floats that are the same numbers; a gap is NaN.

    Raises
    ------
    UnusableData
        Text, dates or complex numbers, rows of unequal length, and whole numbers beyond 2^53,
        which floats cannot tell from their neighbours.
    """
    array = as_array(numbers, name)
    if numbers is None:
        raise UnusableData(f"{name} are not given: give numbers, NaN where one is missing.")
    try:
        # Text and complex numbers would be read without a word, the one as numbers if it can be.
        kind = array.dtype.kind
        floats = array.astype(np.float64, copy=False) if kind in "biufO" else None
    except (TypeError, ValueError, OverflowError) as error:
        raise UnusableData(f"{name} are no real numbers ({error}): correct them.") from error
    if floats is None:
        raise UnusableData(f"{name} are of the kind {array.dtype}: give real numbers.")
    if kind in "iu" and np.abs(floats).max(initial=0.0) > _EXACT_INTEGER:
        place = tuple(int(i) for i in np.argwhere(np.abs(floats) > _EXACT_INTEGER)[0])
        raise UnusableData(
            f"{name} at {place} are {array[place]}, beyond 2^53, where whole numbers lose digits: "
            "is it an overflow, or an identifier?"
        )
    return floats


def as_array(given: npt.ArrayLike, name: str) -> npt.NDArray[np.generic]:
    """What was given as an array of its own kind, NaN and all; refuses ragged rows."""
    try:
        # The masked columns of pandas would turn into objects that no float is.
        if isinstance(given, pd.DataFrame | pd.Series):
            return np.asarray(given.to_numpy(na_value=np.nan))
        return np.asarray(given)
    except ValueError as error:
        raise UnusableData(
            f"{name} are no table: rows of unequal length, or mixed kinds ({error}); correct them."
        ) from error


def truth_values(marks: npt.ArrayLike, shape: tuple[int, ...], name: str) -> Bools:
    """Marks of this shape; refuses words, gaps and numbers, all of which Python takes for true."""
    found = as_array(marks, name)
    if found.shape != shape or found.dtype != bool:
        raise UnusableData(
            f"{name} have the shape {found.shape} and the kind {found.dtype}: give true or false "
            f"for each of {shape}."
        )
    return found.astype(bool, copy=False)


def refuse_no_count(number: float, what: str, *, least: int = 1) -> None:
    """Refuse what is no whole number of at least ``least``."""
    if not (isinstance(number, int | np.integer) and number >= least):
        raise UnusableData(f"{what}: {number} is no count; give a whole number from {least} up.")


def checked_values(values: npt.ArrayLike) -> Floats:
    """Values as floats of shape (n_samples, n_features); NaN may be among them."""
    data = real_numbers(values)
    if data.ndim != 2 or 0 in data.shape:
        raise UnusableData(f"Values need samples and features, got the shape {data.shape}.")
    return data


def finite_table(values: npt.ArrayLike) -> Floats:
    """Values as floats of shape (n_samples, n_features): NaN among them, nothing infinite.

    Nor anything above 1e150, of which the square would be.
    """
    data = checked_values(values)
    refuse_too_large(data)
    return data


def refuse_too_large(data: Floats, first_row: int = 0) -> None:
    """Refuse infinite values and those above 1e150; ``first_row`` is the number of row 0."""
    if np.fmax.reduce(np.abs(data), axis=None, initial=0.0) > LARGEST:
        row, feature = np.argwhere(np.abs(data) > LARGEST)[0]
        what = "infinite" if np.isinf(data[row, feature]) else f"{data[row, feature]:.3g}"
        raise UnusableData(
            f"The value in row {first_row + row}, feature {feature} is {what}: was a logarithm "
            "taken of zero, or a marker of missing values read as a number?"
        )
