"""What every classifier of cases must be able to do, so that all are tested in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.stats.site_folds import Bools, Floats, Preparation, SiteStudy, learn_preparation

Settings = Mapping[str, float | int | str]
ROWS_AT_ONCE = 512


class Model(Protocol):
    """A fitted classifier, kept as plain arrays."""

    @property
    def importance(self) -> Floats:
        """How much each feature (n_features,) counts in the model, 1 in all (0 where none does)."""

    def probability(self, values: Floats) -> Floats:
        """The chance of being a case, 0 to 1, of values (n_samples, n_features) without gaps."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that prediction needs, by name."""


class Learner(Protocol):
    """A kind of classifier and the settings that may be chosen among, the plain one first."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def grid(self) -> tuple[Settings, ...]:
        """Settings to choose from."""

    @property
    def precision(self) -> type:
        """The kind of numbers that it reads."""

    def fit(self, values: NDArray[Any], is_case: Bools, settings: Settings, seed: int) -> Model:
        """Fit to values (n_samples, n_features) without gaps, of that kind."""


@dataclass(frozen=True)
class Fitted:
    """A model together with the preparation that its training samples taught."""

    preparation: Preparation
    model: Model

    def prepared(self, study: SiteStudy, rows: Bools) -> Floats:
        """The rows' values as the model takes them."""
        covariates = None if study.covariates is None else study.covariates[rows]
        return self.preparation.apply(study.values[rows], covariates)

    def probability(self, study: SiteStudy, rows: Bools) -> Floats:
        """The chance of being a case of each of these rows."""
        return self.model.probability(self.prepared(study, rows))


@dataclass(frozen=True)
class Training:
    """Prepared samples to train on, and the preparation that they taught: one for all settings."""

    preparation: Preparation
    values: NDArray[Any]
    is_case: Bools

    def fit(self, learner: Learner, settings: Settings, seed: int) -> Fitted:
        """Fit a learner with one of its settings."""
        return Fitted(self.preparation, learner.fit(self.values, self.is_case, settings, seed))


def training_without(
    study: SiteStudy, left_out: Sequence[frozenset[str]], precision: type = np.float64
) -> Training:
    """The samples of all other sites, prepared, on features that the left-out groups have too."""
    others = ~study.rows(frozenset[str]().union(*left_out))
    return training_on(study, others, study.usable(*left_out), precision)


def training_on(study: SiteStudy, train: Bools, used: Bools, precision: type) -> Training:
    """These samples (n_samples,) on these features (n_features,), prepared."""
    preparation = learn_preparation(study, train, used)
    values = _prepared(preparation, study, np.flatnonzero(train), precision)
    return Training(preparation, values, study.is_case[train])


def fit_without(
    study: SiteStudy,
    left_out: Sequence[frozenset[str]],
    learner: Learner,
    settings: Settings,
    seed: int,
) -> Fitted:
    """Prepare and fit on the samples of all other sites."""
    return training_without(study, left_out, learner.precision).fit(learner, settings, seed)


def _prepared(
    preparation: Preparation, study: SiteStudy, rows: NDArray[np.intp], precision: type
) -> NDArray[Any]:
    """The rows as the learner reads them, made some at a time: whole, they would be there twice."""
    values: NDArray[Any] = np.empty((len(rows), int(preparation.used.sum())), dtype=precision)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        covariates = None if study.covariates is None else study.covariates[part]
        values[start : start + ROWS_AT_ONCE] = preparation.apply(study.values[part], covariates)
    return values


def settings_in_words(settings: Settings) -> str:
    """``min_leaf 5, max_features sqrt``."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in settings.items()
    )


def both_groups(is_case: Bools, at_least: int) -> bool:
    """Whether there are this many cases and this many controls."""
    return bool(min(int(np.sum(is_case)), int(np.sum(~is_case))) >= at_least)
