"""The analysis plan as data: what it may say, its defaults, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.core.exceptions import ValidationError

from analysis.plan_shapes import shape_faults
from analysis.stats import harmonise, impute, qc
from analysis.stats.sensitivity import CHANGES
from cohorts.language.told import told_lazily

STRATA = {"all": None, "men": "male", "women": "female"}
TAU2 = ("REML", "DL", "PM", "ML", "HE", "HS", "SJ", "EB", "FE")
TESTS = ("hksj", "hksj_plain", "z", "t")
SEXES = ("", "male", "female")
MODERATED = ("", "plain", "trend", "robust", "trend_robust")
LANGUAGE_CHECKS = ("", "report", "refuse")
QC_CORRECTIONS = ("", *qc.METHODS)
RELEASES = ("automatic", "by_approval")
MULTIPLICITY = ("bh", "by", "holm", "hochberg", "hommel", "bonferroni")

CHANGES_BY_NAME = {change.name: change for change in CHANGES}

CAME_LATER = frozenset(
    {
        *("permutations", "only_sex", "handling_clean", "one_stage"),
        *("sensitivity", "depression", "bmi"),
        *("nested", "partial_auc_from", "transport_to", "moderated", "language_check"),
        *("most_folds", "qc_correction", "release"),
    }
)


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
    most_folds: int = 10  # with more sites, models are judged with so many groups of them left out
    severity_components: int = 2
    severity_permutations: int = 200
    seed: int = 20220601
    only_sex: str = ""  # male or female: the others are left out of everything
    handling_clean: bool = False  # leave out samples whose records show a handling fault
    one_stage: bool = False  # one mixed model over all sites beside the pooled effects
    sensitivity: tuple[str, ...] = ()  # changes, of which every combination is pooled too
    depression: str = "PHQ-9"  # instrument or variable that the grid adjusts for
    bmi: str = "bmi"  # variable of participants that the grid adjusts for
    nested: bool = False  # a tuned forest and penalised logistic regression, compared
    partial_auc_from: float = 0.9  # specificity from which their partial AUC counts
    transport_to: tuple[str, ...] = ()  # sites to which a model frozen without them is taken
    moderated: str = ""  # effects of the sites with variances that borrow strength
    qc_correction: str = ""  # by pooled QC samples: median_ratio, or loess along the injections
    language_check: str = ""  # of the outcome's items: report, or refuse the severity model
    release: str = "automatic"  # once the rules allow it, or by_approval of a data manager

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
    # What has the wrong form is not asked what it means.
    faults = shape_faults(data) or _faults(data)
    if faults:
        raise ValidationError([told_lazily(fault) for fault in faults])
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
        "moderated": MODERATED,
        "language_check": LANGUAGE_CHECKS,
        "qc_correction": QC_CORRECTIONS,
        "release": RELEASES,
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
        for key in ("drug_free_only", "handling_clean", "one_stage", "nested")
        if key in data and not isinstance(data[key], bool)
    ]
    for each in (_number_faults, _sex_faults, _grid_faults, _model_faults):
        found += each(data)
    return found


def _sex_faults(data: Mapping[str, Any]) -> list[str]:
    """Strata in which a plan of one sex would have nobody."""
    sex = data.get("only_sex") or ""
    return [
        f"plan: the stratum {name} has nobody where only_sex is {sex!r}; take it off `strata`."
        for name in data.get("strata", AnalysisPlan.strata)
        if sex in SEXES[1:] and STRATA.get(name) not in (None, sex)
    ]


def _grid_faults(data: Mapping[str, Any]) -> list[str]:
    """Changes of the sensitivity grid that are none, are named twice, or would change nothing."""
    asked = list(data.get("sensitivity", ()))
    found = [
        f"plan: sensitivity {name!r} is unknown; choose from {', '.join(CHANGES_BY_NAME)}."
        for name in asked
        if name not in CHANGES_BY_NAME
    ]
    if len(set(asked)) < len(asked):
        found.append("plan: sensitivity names a change twice; name each once.")
    if "drug-free" in asked and data.get("drug_free_only"):
        found.append(
            "plan: sensitivity 'drug-free' changes nothing where drug_free_only is true; "
            "take one of them off."
        )
    return found + [
        f"plan: {key} is {data[key]!r}; write the name of {what}."
        for key, what in (("depression", "an instrument or variable"), ("bmi", "a variable"))
        if key in data and not (isinstance(data[key], str) and data[key])
    ]


def _model_faults(data: Mapping[str, Any]) -> list[str]:
    """Settings of the further models that lack what they are about."""
    found = [
        f"plan: transport_to {site!r} is no site's code; write codes such as FUK."
        for site in data.get("transport_to", ())
        if not isinstance(site, str) or not site
    ]
    if data.get("language_check") and not data.get("outcome"):
        found.append(
            "plan: language_check compares the items of the outcome, and there is none; "
            "name an instrument in `outcome`."
        )
    if "partial_auc_from" in data and not data.get("nested"):
        found.append(
            "plan: partial_auc_from is of the nested classifiers; set `nested` to true or drop it."
        )
    return found


def _number_faults(data: Mapping[str, Any]) -> list[str]:
    ranges = {
        "min_per_arm": (2, 10_000),
        "min_detected": (0, 1),
        "min_covariate_known": (0, 1),
        "smallest_effect": (0.01, 5),
        "effect_of_interest": (0.05, 2),
        "permutations": (0, 100_000),
        "n_trees": (10, 5_000),
        "most_folds": (2, 1_000),
        "partial_auc_from": (0, 0.99),
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
