"""ComBat: batch effects taken out of features, what the covariates explain left in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.stats.batches import batch_design, batch_labels, checked_values, refuse_batches
from analysis.stats.design import Coding, Covariates, as_frame, encode
from analysis.stats.errors import UnusableData
from analysis.stats.location_scale import Located, count_measured, left_alone, locate
from analysis.stats.shrinkage import (
    Priors,
    priors_of,
    shrink_nonparametric,
    shrink_parametric,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_CHUNK = 131_072  # values adjusted at once: they stay in the cache


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
            a missing covariate, or another number of features.
        """
        data = checked_values(values)
        if data.shape[1] != len(self.grand_mean):
            raise UnusableData(
                f"The model has {len(self.grand_mean)} features and the values {data.shape[1]}: "
                "give the features it was fitted on, in their order."
            )
        codes = self._codes(batch_labels(batch, len(data)), data)
        columns = self._columns(covariates, len(data))
        adjusted = np.empty_like(data)
        step = max(1, _CHUNK // max(data.shape[1], 1))
        for number, name in enumerate(self.batches):
            rows = np.flatnonzero(codes == number)
            if name == self.reference_batch:
                adjusted[rows] = data[rows]
                continue
            inverse, offset, slopes = self._line(number)
            for start in range(0, len(rows), step):
                chunk = rows[start : start + step]
                part = data[chunk]
                part *= inverse
                part += offset
                if len(slopes):
                    part += columns[chunk] @ slopes
                adjusted[chunk] = part
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

    def _codes(self, labels: npt.NDArray[np.str_], data: Floats) -> Ints:
        """Number of each row's batch; refuses what the model has never seen."""
        unknown = sorted({str(label) for label in labels} - set(self.batches))
        if unknown:
            raise UnusableData(
                f"Batches {unknown} are unknown to this model (it knows {list(self.batches)}): "
                "refit with them, or standardise them by themselves and say so."
            )
        number = {name: code for code, name in enumerate(self.batches)}
        codes = np.array([number[label] for label in labels], dtype=np.int64)
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
        frame = as_frame(covariates, n_samples)
        names = [name for coding in self.codings for name in coding.column_names]
        columns = encode(self.codings, frame)
        columns = columns[:, [names.index(name) for name in self.column_names]]
        lacking = np.flatnonzero(np.isnan(columns).any(axis=1))
        if len(lacking):
            raise UnusableData(
                f"{len(lacking)} samples lack one of {list(self.adjusted_for)}, the first in row "
                f"{lacking[0]}: fill it, or leave the samples out."
            )
        return columns - self.column_means

    def _line(self, number: int) -> tuple[Floats, Floats, Floats]:
        """Adjusted value = value * inverse + offset + covariate columns @ slopes."""
        known = self.seen[number] & ~self.left_alone
        inverse = np.ones(len(known))
        inverse[known] = 1 / np.sqrt(self.delta_star[number, known])
        offset = np.zeros(len(known))
        shift = self.grand_mean + self.pooled_sd * self.gamma_star[number]
        offset[known] = (self.grand_mean - inverse * shift)[known]
        return inverse, offset, np.where(known, self.coefficients, 0.0) * (1 - inverse)


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
    labels = batch_labels(batch, len(data))
    batches, codes = np.unique(labels, return_inverse=True)
    names = tuple(str(name) for name in batches)
    sizes = np.bincount(codes, minlength=len(names))
    refuse_batches(names, reference_batch)
    design = batch_design(covariates, labels, codes)
    notes: tuple[str, ...] = ()
    if not mean_only and (sizes == 1).any():
        single = names[int(np.flatnonzero(sizes == 1)[0])]
        notes = (f"Batch {single} has one sample, so only shifts are adjusted.",)
        mean_only = True
    counts = count_measured(data, codes, len(names))
    alone = left_alone(data, codes, counts, mean_only=mean_only)
    reference = None if reference_batch is None else names.index(reference_batch)
    if reference is not None:
        alone |= counts[reference] == 0
    if (~alone).sum() < 2:
        raise UnusableData(
            f"{(~alone).sum()} of {data.shape[1]} features vary inside every batch that measured "
            "them; ComBat needs at least 2 to learn from."
        )
    kept = data[:, ~alone] if alone.any() else data
    located = locate(kept, codes, design.columns, counts[:, ~alone], reference)
    gamma, delta, priors = _shrink(located, reference, parametric=parametric, mean_only=mean_only)
    return CombatModel(
        batches=names,
        n_samples=tuple(int(size) for size in sizes),
        reference_batch=reference_batch,
        parametric=parametric,
        mean_only=mean_only,
        codings=tuple(c for c in design.codings if c.name in design.adjusted_for),
        column_names=design.column_names,
        column_means=design.columns.mean(axis=0),
        adjusted_for=design.adjusted_for,
        dropped=design.dropped,
        coefficients=_spread(located.coefficients, alone),
        grand_mean=_spread(located.grand_mean, alone),
        pooled_sd=_spread(located.pooled_sd, alone),
        gamma_star=_spread(gamma, alone),
        delta_star=_spread(delta, alone),
        left_alone=alone,
        seen=counts > 0,
        priors=priors,
        notes=notes,
    )


def _shrink(
    located: Located, reference: int | None, *, parametric: bool, mean_only: bool
) -> tuple[Floats, Floats, tuple[Priors, ...]]:
    """Posterior shifts and scales of all batches, NaN where a batch lacks the feature."""
    gamma = np.full(located.n.shape, np.nan)
    delta = np.full(located.n.shape, np.nan)
    priors = []
    for number in range(len(gamma)):
        seen = located.n[number] > 0
        sums = located.sums(number, mean_only=mean_only)
        if len(sums.n) < 2:
            raise UnusableData(
                f"The batch numbered {number} shares {len(sums.n)} features with the others; "
                "ComBat needs at least 2: leave the batch out."
            )
        priors.append(priors_of(sums, mean_only=mean_only))
        if number == reference:
            gamma[number, seen], delta[number, seen] = 0.0, 1.0
        elif parametric:
            gamma[number, seen], delta[number, seen] = shrink_parametric(
                sums, priors[-1], mean_only=mean_only
            )
        else:
            gamma[number, seen], delta[number, seen] = shrink_nonparametric(
                sums, mean_only=mean_only
            )
    return gamma, delta, tuple(priors)


def _spread(kept: Floats, alone: Bools) -> Floats:
    """Results of the kept features in their places among all, NaN elsewhere."""
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
