"""The analysis plan as data: what it may say, its defaults, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.core.exceptions import ValidationError

from analysis.stats import harmonise, impute

STRATA = {"all": None, "men": "male", "women": "female"}
TAU2 = ("REML", "DL", "PM", "ML", "HE", "HS", "SJ", "EB", "FE")
TESTS = ("hksj", "hksj_plain", "z", "t")
SEXES = ("", "male", "female")
MULTIPLICITY = ("bh", "by", "holm", "hochberg", "hommel", "bonferroni")

CAME_LATER = frozenset({"permutations", "only_sex", "handling_clean", "one_stage"})


@dataclass(frozen=True)
class AnalysisPlan:
    """One analysis. ``outcome`` is an instrument's code or a numeric variable of participants."""

    case: tuple[str, ...]
    control: tuple[str, ...]
    strata: tuple[str, ...] = ("all", "men", "women")
    covariates: tuple[str, ...] = ("age_years", "sex")
    outcome: str = ""
    scopes: tuple[str, ...] = ("store_samples", "metabolomics", "share_consortium")
    drug_free_only: bool = False
    below_lod: str = "half_minimum"
    min_per_arm: int = 5  # people with a value, in each arm of a site, for that site to count
    min_detected: float = 0.5  # share of a site's people in whom the feature was detected
    min_covariate_known: float = 0.8  # below it the site is not adjusted for the covariate
    class_scores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    harmonisation: str = "combat"
    tau2: str = "REML"
    test: str = "hksj"
    multiplicity: str = "bh"
    permutations: int = 0  # of the groups within sites, for p values free of the normal law
    smallest_effect: float = 0.2  # Hedges g below which a difference would not matter
    effect_of_interest: float = 0.4  # Hedges g that the interval over all looks is tuned to
    n_trees: int = 300
    severity_components: int = 2
    severity_permutations: int = 200
    seed: int = 20220601
    only_sex: str = ""  # male or female: the others are left out of everything
    handling_clean: bool = False  # leave out samples whose records show a handling fault
    one_stage: bool = False  # one mixed model over all sites beside the pooled effects

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the plan says, defaults included.

        A setting that plans have not always had counts where it differs from its default: the
        digest of a plan that was locked before it came stays what it was.
        """
        came_later = {f.name: f.default for f in fields(self) if f.name in CAME_LATER}
        said = {
            name: value
            for name, value in asdict(self).items()
            if name not in came_later or value != came_later[name]
        }
        text = json.dumps(said, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def narrowed(self) -> bool:
        """Whether it looks at a part of the people whom other plans of the study look at."""
        return bool(self.only_sex or self.drug_free_only or self.handling_clean)


def parse(data: Mapping[str, Any]) -> AnalysisPlan:
    """The plan that ``data`` (JSON) describes.

    Raises ValidationError that names every key that is unknown or cannot mean what it says.
    """
    faults = list(_faults(data))
    if faults:
        raise ValidationError(faults)
    return AnalysisPlan(**{key: _frozen(value) for key, value in data.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(value) if isinstance(value, list) else value


def validate(data: Mapping[str, Any]) -> None:
    """For the model field: refuse a plan that `parse` would refuse."""
    parse(data)


def _faults(data: Mapping[str, Any]) -> list[str]:
    known = {f.name: f for f in fields(AnalysisPlan)}
    found = [
        f"plan: {key!r} is not a setting; the settings are {', '.join(known)}."
        for key in data
        if key not in known
    ]
    found += [
        f"plan: {arm!r} names no group; write the groups of that arm."
        for arm in ("case", "control")
        if not data.get(arm)
    ]
    both = set(data.get("case", ())) & set(data.get("control", ()))
    if both:
        found.append(f"plan: {sorted(both)} is both case and control; a person is in one arm only.")
    choices = {
        "tau2": TAU2,
        "test": TESTS,
        "multiplicity": MULTIPLICITY,
        "below_lod": impute.METHODS,
        "harmonisation": harmonise.METHODS,
        "only_sex": SEXES,
    }
    for key, allowed in choices.items():
        if key in data and data[key] not in allowed:
            names = ", ".join(filter(None, allowed))
            found.append(f"plan: {key} is {data[key]!r}; choose one of {names}.")
    found += [
        f"plan: stratum {name!r} is unknown; choose from {', '.join(STRATA)}."
        for name in data.get("strata", ())
        if name not in STRATA
    ]
    found += [
        f"plan: {key} is {data[key]!r}; write true or false."
        for key in ("drug_free_only", "handling_clean", "one_stage")
        if key in data and not isinstance(data[key], bool)
    ]
    return found + _number_faults(data) + _sex_faults(data)


def _sex_faults(data: Mapping[str, Any]) -> list[str]:
    """Strata in which a plan of one sex would have nobody."""
    sex = data.get("only_sex") or ""
    return [
        f"plan: the stratum {name} has nobody where only_sex is {sex!r}; take it off `strata`."
        for name in data.get("strata", AnalysisPlan.strata)
        if sex in SEXES[1:] and STRATA.get(name) not in (None, sex)
    ]


def _number_faults(data: Mapping[str, Any]) -> list[str]:
    ranges = {
        "min_per_arm": (2, 10_000),
        "min_detected": (0, 1),
        "min_covariate_known": (0, 1),
        "smallest_effect": (0.01, 5),
        "effect_of_interest": (0.05, 2),
        "permutations": (0, 100_000),
        "n_trees": (10, 5_000),
        "severity_components": (1, 20),
        "severity_permutations": (0, 100_000),
        "seed": (0, 2**63 - 1),
    }
    whole = {f.name for f in fields(AnalysisPlan) if isinstance(f.default, int)}
    found = [
        f"plan: {key} is {data[key]!r}; it is a whole number."
        for key in ranges
        if key in whole and isinstance(data.get(key), float)
    ]
    return found + [
        f"plan: {key} is {data[key]!r}; it lies between {low} and {high}."
        for key, (low, high) in ranges.items()
        if key in data
        and (
            isinstance(data[key], bool)
            or not isinstance(data[key], int | float)
            or not low <= data[key] <= high
        )
    ]
