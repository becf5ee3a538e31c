"""A fitted ComBat: what it learned, how it adjusts values, and how it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.stats.adjustment import Lines, on_lines
from analysis.stats.batches import batch_numbers, encoded
from analysis.stats.design import Coding, Covariates
from analysis.stats.errors import UnusableData
from analysis.stats.labels import batch_labels
from analysis.stats.shrinkage import Priors
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
    they are constant or too rarely measured inside a batch: what would have been learned of them
    is NaN. ``seen`` says which batches measured a feature at all. ``priors`` has one entry a
    batch.
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
        """Values with the batch effects taken out, shape (n_samples, n_features); NaN stays NaN.

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
        return on_lines(data, codes, columns, self._lines())

    def to_json(self) -> str:
        """The model as text; ``from_json`` gives back the same numbers to the last digit."""
        content = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return json.dumps(content, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CombatModel:
        """The model that ``to_json`` wrote; refuses any other text."""
        try:
            content = json.loads(text)
            return cls._of(content)
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableData(f"This is no ComBat model ({error}): export it again.") from error

    @classmethod
    def _of(cls, content: dict[str, Any]) -> CombatModel:
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
        try:
            codes = batch_numbers(labels, self.batches)
        except KeyError as error:
            unknown = sorted(set(labels).difference(self.batches))
            raise UnusableData(
                f"Batches {unknown} are unknown to this model (it knows {list(self.batches)}): "
                "refit with them, or standardise them by themselves and say so."
            ) from error
        if np.count_nonzero(self.seen) == self.seen.size:
            return codes
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
        """The centred covariate columns, (n_samples, n_columns)."""
        columns = encoded(covariates, n_samples, self.codings, self.column_names)
        centred: Floats = columns - self.column_means
        return centred

    def _lines(self) -> Lines:
        inverse = 1 / np.sqrt(self.delta_star)
        shift = self.grand_mean + self.pooled_sd * self.gamma_star
        shift *= inverse
        np.subtract(self.grand_mean, shift, out=shift)
        slopes, known = self.coefficients, self.seen & ~self.left_alone
        if np.count_nonzero(known) < known.size:
            # What is left alone comes out as it went in.
            inverse[~known], shift[~known] = 1.0, 0.0
            slopes = np.where(self.left_alone, 0.0, slopes)
        return Lines(inverse, shift, slopes)


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
