"""ComBat: batch effects taken out of features, what the covariates explain left in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.stats.batches import (
    batch_design,
    batch_numbers,
    encoded,
    refuse_batches,
)
from analysis.stats.design import Coding, Covariates
from analysis.stats.errors import UnusableData
from analysis.stats.labels import batch_labels, distinct_labels
from analysis.stats.location_scale import Located, fit_batches, left_alone, locate
from analysis.stats.moments import finite_or_missing, rows_of, tiles
from analysis.stats.shrinkage import Priors, priors_of, shrink_nonparametric, shrink_parametric
from analysis.stats.tables import checked_values

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CombatModel:
    """A fitted ComBat; its ``apply`` is the only way by which values are adjusted.

    Arrays over features have the shape (n_features,), over batches too (n_batches, n_features),
    in the features' own units except ``gamma_star`` (in ``pooled_sd``) and ``delta_star`` (a
    ratio of variances). ``left_alone`` marks features that are returned as they came, because
    they are constant or too rarely measured inside a batch; ``seen`` says which batches measured
    a feature at all. ``priors`` has one entry a batch.
    """

    batches: tuple[str, ...]
    n_samples: tuple[int, ...]
    reference_batch: str | None
    parametric: bool
    mean_only: bool
    codings: tuple[Coding, ...]
    column_names: tuple[str, ...]
    column_means: Floats
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]
    coefficients: Floats
    grand_mean: Floats
    pooled_sd: Floats
    gamma_star: Floats
    delta_star: Floats
    left_alone: Bools
    seen: Bools
    priors: tuple[Priors, ...]
    notes: tuple[str, ...]

    def apply(
        self, values: npt.ArrayLike, batch: npt.ArrayLike, covariates: Covariates = None
    ) -> Floats:
        """Values with the batch effects taken out, shape (n_samples, n_features).

        Raises
        ------
        UnusableData
            A batch, a covariate level or a feature of a batch that the model was not fitted on,
            a missing covariate, another number of features, or an infinite value.
        """
        data = checked_values(values)
        if data.shape[1] != len(self.grand_mean):
            raise UnusableData(
                f"The model has {len(self.grand_mean)} features and the values {data.shape[1]}: "
                "give the features it was fitted on, in their order."
            )
        codes = self._codes(batch_labels(batch, len(data)), data)
        columns = self._columns(covariates, len(data))
        inverse, lines = self._lines()
        order, ends, rows_of_batches = rows_of(codes, len(self.batches))
        adjusted, total = np.empty_like(data), 0.0
        for number, rows in enumerate(rows_of_batches):
            own = columns[order[ends[number] : ends[number + 1]]]
            for part, within, features in tiles(rows, data.shape[1]):
                tile = own[within] @ lines[number, :, features]
                tile += data[part, features] * inverse[number, features]
                adjusted[part, features] = tile
                total += tile.sum()
        if not np.isfinite(total):
            finite_or_missing(data)
        return adjusted

    def to_json(self) -> str:
        """The model as text; ``from_json`` gives back the same numbers to the last digit."""
        content = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return json.dumps(content, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CombatModel:
        """The model that ``to_json`` wrote."""
        content = json.loads(text)
        n_features = len(content["grand_mean"])
        for name in ("coefficients", "gamma_star", "delta_star"):
            content[name] = _array(content[name]).reshape(-1, n_features)
        for name in ("column_means", "grand_mean", "pooled_sd"):
            content[name] = _array(content[name])
        content["left_alone"] = np.array(content["left_alone"], dtype=bool)
        content["seen"] = np.array(content["seen"], dtype=bool).reshape(-1, n_features)
        content["codings"] = tuple(
            Coding(coding["name"], tuple(coding["levels"])) for coding in content["codings"]
        )
        content["priors"] = tuple(Priors(**prior) for prior in content["priors"])
        for name in ("batches", "n_samples", "column_names", "adjusted_for", "dropped", "notes"):
            content[name] = tuple(content[name])
        return cls(**content)

    def _codes(self, labels: list[str], data: Floats) -> Ints:
        """Number of each row's batch; refuses what the model has never seen."""
        unknown = sorted(set(labels) - set(self.batches))
        if unknown:
            raise UnusableData(
                f"Batches {unknown} are unknown to this model (it knows {list(self.batches)}): "
                "refit with them, or standardise them by themselves and say so."
            )
        codes = batch_numbers(labels, self.batches)
        for batch in np.flatnonzero(~self.seen.all(axis=1)):
            unseen = ~self.seen[batch] & ~self.left_alone
            rows = codes == batch
            new = unseen & ~np.isnan(data[rows]).all(axis=0) if rows.any() else unseen & False
            if new.any():
                raise UnusableData(
                    f"Feature {np.flatnonzero(new)[0]} was not measured in batch "
                    f"{self.batches[batch]} when this was fitted: refit with these rows."
                )
        return codes

    def _columns(self, covariates: Covariates, n_samples: int) -> Floats:
        """An intercept and the centred covariate columns, (n_samples, 1 + n_columns)."""
        columns = encoded(covariates, n_samples, self.codings, self.column_names)
        lacking = np.flatnonzero(np.isnan(columns).any(axis=1))
        if len(lacking):
            raise UnusableData(
                f"{len(lacking)} samples lack one of {list(self.adjusted_for)}, the first in row "
                f"{lacking[0]}: fill it, or leave the samples out."
            )
        return np.column_stack([np.ones(n_samples), columns - self.column_means])

    def _lines(self) -> tuple[Floats, Floats]:
        """Adjusted value = value * inverse + (intercept and covariate columns) @ lines.

        Shapes (n_batches, n_features) and (n_batches, 1 + n_columns, n_features).
        """
        known = self.seen & ~self.left_alone
        inverse = 1 / np.sqrt(np.where(known, self.delta_star, 1.0))
        shift = self.grand_mean + self.pooled_sd * self.gamma_star
        lines = np.empty((len(known), 1 + len(self.coefficients), len(self.grand_mean)))
        lines[:, 0] = np.where(known, self.grand_mean - inverse * shift, 0.0)
        coefficients = np.where(self.left_alone, 0.0, self.coefficients)
        lines[:, 1:] = coefficients * (1 - inverse)[:, None]
        return inverse, lines


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
    labels = distinct_labels(batch, len(data))
    names = tuple(sorted(set(labels)))
    codes = batch_numbers(labels, names)
    refuse_batches(names, reference_batch)
    design, layout = batch_design(covariates, labels, codes, len(names))
    notes: tuple[str, ...] = ()
    if not mean_only and (layout.n == 1).any():
        single = names[int(np.flatnonzero(layout.n == 1)[0])]
        notes = (f"Batch {single} has one sample, so only shifts are adjusted.",)
        mean_only = True
    fit = fit_batches(data, layout)
    alone = left_alone(data, layout, fit, mean_only=mean_only)
    reference = None if reference_batch is None else names.index(reference_batch)
    if reference is not None:
        alone |= fit.n[reference] == 0
    if (~alone).sum() < 2:
        raise UnusableData(
            f"{(~alone).sum()} of {data.shape[1]} features vary inside every batch that measured "
            "them; ComBat needs at least 2 to learn from."
        )
    means = design.columns.mean(axis=0)
    located = locate(fit, layout, layout.levels - means, alone, reference)
    gamma, delta, priors = _shrink(located, reference, parametric=parametric, mean_only=mean_only)
    return CombatModel(
        batches=names,
        n_samples=tuple(layout.n.tolist()),
        reference_batch=reference_batch,
        parametric=parametric,
        mean_only=mean_only,
        codings=tuple(c for c in design.codings if c.name in design.adjusted_for),
        column_names=design.column_names,
        column_means=means,
        adjusted_for=design.adjusted_for,
        dropped=design.dropped,
        coefficients=_spread(located.coefficients, alone),
        grand_mean=_spread(located.grand_mean, alone),
        pooled_sd=_spread(located.pooled_sd, alone),
        gamma_star=_spread(gamma, alone),
        delta_star=_spread(delta, alone),
        left_alone=alone,
        seen=fit.n > 0,
        priors=priors,
        notes=notes,
    )


def _shrink(
    located: Located, reference: int | None, *, parametric: bool, mean_only: bool
) -> tuple[Floats, Floats, tuple[Priors, ...]]:
    """Posterior shifts and scales of all batches, NaN where a batch lacks the feature."""
    sums = located.sums(mean_only=mean_only)
    shared = sums.seen.sum(axis=1)
    few = np.flatnonzero(shared < 2)
    if len(few):
        raise UnusableData(
            f"The batch numbered {few[0]} shares {shared[few[0]]} features with the others; "
            "ComBat needs at least 2: leave the batch out."
        )
    priors = priors_of(sums, mean_only=mean_only)
    learning = np.array([number for number in range(len(priors)) if number != reference])
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


def _spread(kept: Floats, alone: Bools) -> Floats:
    """Results of the kept features in their places among all, NaN elsewhere."""
    if not alone.any():
        return kept
    whole = np.full((*kept.shape[:-1], len(alone)), np.nan)
    whole[..., ~alone] = kept
    return whole


def _plain(value: Any) -> Any:
    """JSON's own types; NaN, which JSON lacks, as null."""
    if isinstance(value, np.ndarray):
        if value.dtype == bool:
            return value.tolist()
        return (
            [_plain(part) for part in value]
            if value.ndim > 1
            else [None if np.isnan(number) else float(number) for number in value]
        )
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return asdict(value) if isinstance(value, (Coding, Priors)) else value


def _array(content: list[Any]) -> Floats:
    return np.array(content, dtype=np.float64)
