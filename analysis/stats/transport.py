"""A frozen classifier taken to a site that had no part in it, and judged there.

What is frozen is what prediction needs: the features' names, the preparation and the model, as
plain arrays. No row, label or study code is in it. A forest's thresholds lie halfway between two
people's values, so it is still made of personal data: delete it when one of them is erased.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.stats.calibration import Calibration, calibrate, recalibrate
from analysis.stats.errors import UnusableData
from analysis.stats.forest import ForestModel
from analysis.stats.labels import same_name, site_names
from analysis.stats.learners import Learner, Model, Settings, fit_without
from analysis.stats.logistic import LogisticModel
from analysis.stats.roc import Auc, auc
from analysis.stats.site_folds import (
    Floats,
    Preparation,
    Scale,
    read_study,
    standardise_by_site,
)
from analysis.stats.tables import finite_table

FORMAT = "hiki-classifier-1"
KINDS: dict[str, type[ForestModel] | type[LogisticModel]] = {
    "forest": ForestModel,
    "logistic": LogisticModel,
}
KEPT = {
    "forest": "the trees' split features, thresholds, children and leaf shares, and medians; "
    "a threshold lies halfway between two training people's values; no row or label is kept",
    "logistic": "intercept, slopes and medians; no row or label is kept",
}
# With more of its features missing, a frozen model says little of what was tested.
MISSING_AT_MOST = 1 / 3


@dataclass(frozen=True)
class FrozenClassifier:
    """A classifier that is not fitted any further.

    ``names`` are its features in their order; ``scale`` says whether a new site is standardised by
    itself (then it must send its people together) or by the training means. ``n_case``,
    ``n_control`` and ``sites`` are of the training samples.
    """

    learner: str
    kind: str
    settings: Settings
    scale: Scale
    names: tuple[str, ...]
    preparation: Preparation
    model: Model
    sites: tuple[str, ...]
    n_case: int
    n_control: int

    def scores(self, values: pd.DataFrame) -> Floats:
        """The chance of being a case, 0 to 1, of each row of one site's values.

        Parameters
        ----------
        values : DataFrame of shape (n_samples, any)
            One site's people on the scale of the training values, columns by feature name; further
            columns are ignored, a third of the features may be missing.

        Raises
        ------
        UnusableData
            More than a third of the features are missing, or a value is infinite.
        """
        missing = self.missing(values)
        if len(missing) > MISSING_AT_MOST * len(self.names):
            raise UnusableData(
                f"{len(missing)} of the model's {len(self.names)} features are missing, such as "
                f"{', '.join(missing[:5])}: at most a third may be."
            )
        array = finite_table(values.reindex(columns=list(self.names)))
        if self.scale == "within_site":
            array = standardise_by_site(array, np.zeros(len(array)))
        return self.model.probability(self.preparation.apply(array))

    def missing(self, values: pd.DataFrame) -> list[str]:
        """Features of the model that nobody in these values has."""
        if not isinstance(values, pd.DataFrame) or not values.columns.is_unique:
            raise UnusableData("A frozen model finds its features by name: give a table of them.")
        known = values.columns[values.notna().any()]
        return [name for name in self.names if name not in set(known)]

    def to_json(self) -> str:
        """Everything about the model but its arrays, whose digest it names."""
        return json.dumps(
            {
                "format": FORMAT,
                "learner": self.learner,
                "kind": self.kind,
                "settings": dict(self.settings),
                "scale": self.scale,
                "features": list(self.names),
                "sites": list(self.sites),
                "n_case": self.n_case,
                "n_control": self.n_control,
                "kept": KEPT[self.kind],
                "arrays_sha256": _digest(self._arrays()),
            },
            sort_keys=True,
        )

    def to_npz(self) -> bytes:
        """The arrays as an .npz file without pickle."""
        buffer = io.BytesIO()
        # The stubs take any name in the mapping for the argument allow_pickle.
        np.savez_compressed(buffer, **self._arrays())  # type: ignore[arg-type]  # numpy's stub wants names
        return buffer.getvalue()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "prepared_mean": self.preparation.mean,
            "prepared_deviation": self.preparation.deviation,
            "prepared_median": self.preparation.median,
            **self.model.arrays(),
        }


@dataclass(frozen=True)
class Transported:
    """A frozen classifier at a new site.

    ``auc`` and ``calibration`` are of the model as it is. ``recalibrated`` is the calibration with
    all chances moved by ``shift`` on the logit scale, found on the same people: what a site could
    reach by adjusting the level alone, and so a little too good. ``features_missing`` were filled
    with training medians.
    """

    auc: Auc
    calibration: Calibration
    shift: float
    recalibrated: Calibration
    scores: Floats
    features_missing: tuple[str, ...]
    warnings: tuple[str, ...]


def freeze(
    values: pd.DataFrame,
    labels: ArrayLike,
    site: ArrayLike,
    *,
    learner: Learner,
    settings: Settings,
    rng: np.random.Generator,
    scale: Scale = "within_site",
) -> FrozenClassifier:
    """Fit on all sites, on the features that two thirds of them measured, and keep the result.

    Parameters
    ----------
    values : DataFrame of shape (n_samples, n_features)
        On the scale of the analysis, columns by feature name.
    labels, site, scale
        As `analysis.stats.nested.nested_leave_one_site_out`; its choices say which settings do.
    settings : mapping
        Settings of the learner.
    rng : Generator
        Draws the fit's seed.

    Raises
    ------
    UnusableData
        As `read_study`, a group is empty, or no feature is measured at two thirds of the sites.
    """
    study = read_study(values, labels, site, scale=scale)
    n_case = int(study.is_case.sum())
    if n_case in (0, len(study.is_case)) or not study.usable().any():
        raise UnusableData(
            f"{n_case} cases of {len(study.is_case)} people and "
            f"{int(study.usable().sum())} features at two thirds of the sites: "
            "a model needs cases, controls and a feature."
        )
    fitted = fit_without(study, [], learner, settings, int(rng.integers(2**31 - 1)))
    used = fitted.preparation.used
    narrow = Preparation(
        np.ones(int(used.sum()), dtype=bool),
        None,
        fitted.preparation.mean,
        fitted.preparation.deviation,
        fitted.preparation.median,
    )
    return FrozenClassifier(
        learner=learner.name,
        kind="forest" if isinstance(fitted.model, ForestModel) else "logistic",
        settings=dict(settings),
        scale=scale,
        names=tuple(np.array(study.names)[used].tolist()),
        preparation=narrow,
        model=fitted.model,
        sites=study.codes,
        n_case=n_case,
        n_control=len(study.is_case) - n_case,
    )


def thaw(metadata: str, payload: bytes) -> FrozenClassifier:
    """The classifier that `to_json` and `to_npz` wrote.

    Raises
    ------
    UnusableData
        Another format, or arrays that are not those that the metadata were written with.
    """
    about, arrays = _read(metadata, payload)
    if _digest(arrays) != about["arrays_sha256"]:
        raise UnusableData(
            "The arrays are not those of this metadata: their digests differ; export both again."
        )
    prepared = [arrays[f"prepared_{name}"] for name in ("mean", "deviation", "median")]
    used = np.ones(len(about["features"]), dtype=bool)
    return FrozenClassifier(
        learner=about["learner"],
        kind=about["kind"],
        settings=about["settings"],
        scale=about["scale"],
        names=tuple(about["features"]),
        preparation=Preparation(used, None, *prepared),
        model=KINDS[about["kind"]].from_arrays(arrays),
        sites=tuple(about["sites"]),
        n_case=about["n_case"],
        n_control=about["n_control"],
    )


def _read(metadata: str, payload: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        about = json.loads(metadata)
    except ValueError as error:
        raise UnusableData(f"The metadata are cut off ({error}): export them again.") from error
    form = about.get("format") if isinstance(about, dict) else None
    if form != FORMAT:
        raise UnusableData(f"The metadata's format is {form!r}, not {FORMAT!r}: export them again.")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableData(f"The arrays are cut off ({error}): export them again.") from error
    return about, arrays


def transport(
    frozen: FrozenClassifier, values: pd.DataFrame, labels: ArrayLike, *, site: str
) -> Transported:
    """Judge a frozen classifier at a new site [1]_: AUC, calibration, its level set right [2]_.

    Raises
    ------
    UnusableData
        The site has no name or trained the model, or as `FrozenClassifier.scores` and `auc`.

    References
    ----------
    .. [1] Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7
    .. [2] Steyerberg et al. 2004, doi:10.1002/sim.1844
    """
    site_names([site], 1)
    if any(same_name(site, trained) for trained in frozen.sites):
        raise UnusableData(
            f"{site} is one of the sites that trained the model ({', '.join(frozen.sites)}): "
            "judge it where it has not been."
        )
    scores = frozen.scores(values)
    area, before = auc(labels, scores), calibrate(labels, scores)
    after = calibrate(labels, recalibrate(scores, before.in_the_large))
    missing = tuple(frozen.missing(values))
    return Transported(
        auc=area,
        calibration=before,
        shift=before.in_the_large,
        recalibrated=after,
        scores=scores,
        features_missing=missing,
        warnings=tuple(_doubts(site, len(np.ravel(labels)), missing)),
    )


def _doubts(site: str, n_people: int, missing: Sequence[str]) -> list[str]:
    said = []
    if missing:
        said.append(f"{site}: {', '.join(missing)} not measured, training medians taken")
    if n_people < 100:
        said.append(f"{site}: {n_people} people; slope and level of calibration are rough")
    return said


def _digest(arrays: dict[str, NDArray[Any]]) -> str:
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
