"""ComBat: batch effects taken out of features, what the covariates explain left in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.batches import batch_design, batch_numbers, refuse_batches
from analysis.stats.combat_model import CombatModel
from analysis.stats.design import Coding, Covariates, Design
from analysis.stats.errors import UnusableData
from analysis.stats.labels import distinct_labels
from analysis.stats.location_scale import Fit, Located, explained, fit_batches, left_alone, locate
from analysis.stats.moments import Layout
from analysis.stats.shrinkage import (
    BatchSums,
    Priors,
    priors_of,
    shrink_nonparametric,
    shrink_parametric,
)
from analysis.stats.tables import checked_values

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

__all__ = ["CombatModel", "fit_combat"]

_NONE = np.empty(0, dtype=np.int64)


def fit_combat(
    values: npt.ArrayLike,
    batch: npt.ArrayLike,
    covariates: Covariates = None,
    *,
    parametric: bool = True,
    mean_only: bool = False,
    reference_batch: str | None = None,
) -> CombatModel:
    """Estimate the shift and scale of every batch in every feature [1]_, as R's sva does.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        Usually logarithms; NaN is missing and is adjusted around. A batch in which a feature was
        never measured takes no part in that feature.
    batch : labels of shape (n_samples,)
    covariates : DataFrame, array of shape (n_samples, n_covariates), or None
        What to keep in the values: the group, age, sex. No gaps.
    parametric : bool
        Priors by their moments; otherwise from the features themselves.
    mean_only : bool
        Adjust shifts alone. A batch of one sample forces this, and ``notes`` says so.
    reference_batch : str, optional
        The batch that stays as it is and that the others are brought to.

    Raises
    ------
    UnusableData
        Fewer than two batches or adjustable features, an unknown reference, gaps in the
        covariates, or a covariate that the batches determine.

    References
    ----------
    .. [1] Johnson, Li and Rabinovic 2007, doi:10.1093/biostatistics/kxj037
    """
    data = checked_values(values)
    batches = _batches(batch, len(data), covariates, reference_batch, mean_only=mean_only)
    design, layout, mean_only = batches.design, batches.layout, batches.mean_only
    fit = fit_batches(data, layout)
    alone, told = _not_adjusted(data, layout, fit, batches.reference, mean_only=mean_only)
    means = layout.n / len(data) @ layout.levels
    located = locate(fit, layout, layout.levels - means, alone, batches.reference)
    gamma, delta, priors = _shrink(
        located, batches.reference, parametric=parametric, mean_only=mean_only
    )
    learned = [located.coefficients, located.grand_mean, located.pooled_sd, gamma, delta]
    if np.count_nonzero(alone):
        learned = [_spread(part, alone) for part in learned]
    coefficients, grand_mean, pooled_sd, gamma, delta = learned
    return CombatModel(
        batches=batches.names,
        n_samples=tuple(layout.n.tolist()),
        reference_batch=reference_batch,
        parametric=parametric,
        mean_only=mean_only,
        codings=_used(design),
        column_names=design.column_names,
        column_means=means,
        adjusted_for=design.adjusted_for,
        dropped=design.dropped,
        coefficients=coefficients,
        grand_mean=grand_mean,
        pooled_sd=pooled_sd,
        gamma_star=gamma,
        delta_star=delta,
        left_alone=alone,
        seen=fit.n > 0,
        priors=priors,
        notes=(*batches.notes, *told),
    )


@dataclass(frozen=True)
class _Batches:
    """Batches by name, laid out beside the covariates; ``reference`` is a place among them."""

    names: tuple[str, ...]
    design: Design
    layout: Layout
    reference: int | None
    mean_only: bool
    notes: tuple[str, ...] = ()


def _batches(
    batch: npt.ArrayLike,
    n_samples: int,
    covariates: Covariates,
    reference_batch: str | None,
    *,
    mean_only: bool,
) -> _Batches:
    """The batches that a model is of; one of a single sample forces shifts alone, and says so."""
    labels, names = distinct_labels(batch, n_samples)
    codes = batch_numbers(labels, names)
    refuse_batches(names, reference_batch)
    design, layout = batch_design(covariates, labels, codes, len(names))
    reference = None if reference_batch is None else names.index(reference_batch)
    if mean_only or not (layout.n == 1).any():
        return _Batches(names, design, layout, reference, mean_only)
    single = names[int(np.flatnonzero(layout.n == 1)[0])]
    told = f"Batch {single} has one sample, so only shifts are adjusted."
    return _Batches(names, design, layout, reference, mean_only=True, notes=(told,))


def _not_adjusted(
    data: Floats, layout: Layout, fit: Fit, reference: int | None, *, mean_only: bool
) -> tuple[Bools, tuple[str, ...]]:
    """Features that are returned as they came, and a sentence where nobody would expect it."""
    alone, spent = np.zeros(data.shape[1], dtype=bool), _NONE
    # What varies in every batch is neither constant nor explained in full.
    if not fit.plain or mean_only:
        alone = left_alone(data, layout, fit, mean_only=mean_only)
        spent = np.flatnonzero(explained(fit) & ~alone)
        alone[spent] = True
    if reference is not None:
        alone |= fit.n[reference] == 0
    if len(alone) - np.count_nonzero(alone) < 2:
        raise UnusableData(
            f"{(~alone).sum()} of {data.shape[1]} features vary inside every batch that measured "
            "them; ComBat needs at least 2 to learn from."
        )
    if not len(spent):
        return alone, ()
    return alone, (
        f"Batches and covariates explain {len(spent)} features in full, the first of them feature "
        f"{spent[0]} (counted from 0): these are left as they came.",
    )


def _shrink(
    located: Located, reference: int | None, *, parametric: bool, mean_only: bool
) -> tuple[Floats, Floats, tuple[Priors, ...]]:
    """Posterior shifts and scales of all batches, NaN where a batch lacks the feature."""
    sums = located.sums(mean_only=mean_only)
    if not sums.complete:
        _refuse_too_few_shared(sums)
    priors = priors_of(sums, mean_only=mean_only)
    if parametric and reference is None and sums.complete:
        return *shrink_parametric(sums, priors, mean_only=mean_only), priors
    learning = [number for number in range(len(priors)) if number != reference]
    gamma, delta = np.zeros_like(sums.n), np.ones_like(sums.n)
    if parametric:
        gamma[learning], delta[learning] = shrink_parametric(
            sums.batches(learning), [priors[number] for number in learning], mean_only=mean_only
        )
    else:
        for number in learning:
            seen = sums.seen[number]
            gamma[number, seen], delta[number, seen] = shrink_nonparametric(
                sums.batch(number), mean_only=mean_only
            )
    gamma[~sums.seen] = delta[~sums.seen] = np.nan
    return gamma, delta, priors


def _refuse_too_few_shared(sums: BatchSums) -> None:
    shared = sums.seen.sum(axis=1)
    few = np.flatnonzero(shared < 2)
    if len(few):
        raise UnusableData(
            f"The batch numbered {few[0]} shares {shared[few[0]]} features with the others; "
            "ComBat needs at least 2: leave the batch out."
        )


def _spread(kept: Floats, alone: Bools) -> Floats:
    """Results of the kept features in their places among all, NaN elsewhere."""
    whole = np.full((*kept.shape[:-1], len(alone)), np.nan)
    whole[..., ~alone] = kept
    return whole


def _used(design: Design) -> tuple[Coding, ...]:
    """How the covariates in the model become columns."""
    if not design.dropped:
        return design.codings
    return tuple(coding for coding in design.codings if coding.name in design.adjusted_for)
