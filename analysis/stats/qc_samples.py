"""Which samples are pooled QC, when each was injected, and what was measured in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData
from analysis.stats.tables import LARGEST, real_numbers, truth_values

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Amounts that spread by a factor of e^20 to both sides: no assay has such a range.
_LARGEST_SD_LN = 20.0


def logs_of_qc(data: Floats, qc: Bools) -> Floats:
    """Ln of the QC samples' intensities, shape (n_qc, n_features); refuses what has none."""
    pool = data[qc]
    if np.isnan(pool).all():
        raise UnusableData(f"The {len(pool)} QC samples have no measured value: check the rows.")
    low = np.argwhere(pool <= 0)
    if len(low):
        row, feature = np.flatnonzero(qc)[low[0, 0]], low[0, 1]
        raise UnusableData(
            f"{len(low)} QC values are not positive, the first in row {row}, feature {feature}: "
            "give raw intensities, empty where nothing was detected."
        )
    return np.log(pool)


def refuse_batches_without_qc(
    names: tuple[str, ...], labels: npt.NDArray[np.str_], qc: Bools
) -> None:
    """Refuse, all at once, the batches of which no level can be learned."""
    without = [
        f"{name} ({(labels == name).sum()} samples)"
        for name in names
        if not qc[labels == name].any()
    ]
    if without:
        raise UnusableData(
            f"No QC sample in batch {', '.join(without)}: leave the batch as it is, or out."
        )


def qc_marks(is_qc: npt.ArrayLike, n_samples: int) -> Bools:
    """Which samples are QC, shape (n_samples,); refuses marks of which none is one."""
    chosen = truth_values(is_qc, (n_samples,), "QC marks")
    if not chosen.any():
        raise UnusableData(f"None of the {n_samples} samples is a QC sample: mark them.")
    return chosen


def injection_positions(order: npt.ArrayLike | None, n_samples: int, *, needed: bool) -> Floats:
    """Injection order as numbers; zeros where none is needed."""
    if not needed:
        return np.zeros(n_samples)
    if order is None:
        raise UnusableData("A curve needs the injection order: give it, or use median_ratio.")
    positions = real_numbers(order, "Injection orders")
    if positions.shape != (n_samples,):
        raise UnusableData(
            f"Injection order has the shape {positions.shape} for {n_samples} samples: one each."
        )
    lacking = np.flatnonzero(~(np.abs(positions) <= LARGEST))
    if len(lacking):
        raise UnusableData(
            f"{len(lacking)} samples lack an injection order, the first in row {lacking[0]}: "
            "give it, or use median_ratio."
        )
    return positions


def refuse_no_logarithms(sd_ln: Floats, features: Ints, scale: str) -> None:
    """Values that were never logarithms would come out with an infinite RSD."""
    wide = np.flatnonzero(sd_ln > _LARGEST_SD_LN)
    if len(wide):
        raise UnusableData(
            f"QC samples of features {features[wide][:5].tolist()} (counted from 0) spread by an "
            f"SD of {sd_ln[wide].max():.3g} natural logarithms, as no amounts do: are the values "
            f'on the scale "{scale}"? Say scale="raw" of amounts.'
        )
