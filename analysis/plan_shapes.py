"""What form each setting of a plan has, before anybody asks what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cohorts.models.consent import SCOPES

LISTS = ("case", "control", "strata", "covariates", "scopes", "sensitivity", "transport_to")
TEXTS = (
    *("outcome", "below_lod", "harmonisation", "tau2", "test", "multiplicity", "only_sex"),
    *("moderated", "qc_correction", "language_check", "release"),
)


def shape_faults(data: Any) -> list[str]:
    """Settings that are no list, no text or no object where they have to be one."""
    if not isinstance(data, Mapping):
        return ['plan: a plan is an object of settings; write {"case": [...], "control": [...]}.']
    return [*_lists(data), *_texts(data), *_scores(data)]


def _lists(data: Mapping[str, Any]) -> Iterator[str]:
    for key in LISTS:
        if key in data and not _names(data[key]):
            yield f'plan: {key} is {data[key]!r}; write a list of names, such as ["one", "two"].'
        elif key in data and len(set(data[key])) < len(data[key]) and key != "sensitivity":
            yield f"plan: {key} names something twice; name each once."
    if _names(unknown := data.get("scopes", ())):
        for scope in unknown:
            if scope not in SCOPES:
                yield f"plan: scope {scope!r} is unknown; choose from {', '.join(SCOPES)}."


def _texts(data: Mapping[str, Any]) -> Iterator[str]:
    for key in TEXTS:
        if key in data and not isinstance(data[key], str):
            yield f"plan: {key} is {data[key]!r}; write a text in quotes."


def _scores(data: Mapping[str, Any]) -> Iterator[str]:
    scores = data.get("class_scores", {})
    if not isinstance(scores, Mapping):
        yield f"plan: class_scores is {scores!r}; write the features of each class by its name."
        return
    for name, members in scores.items():
        if not members or not _names(members):
            yield f"plan: class_scores of {name!r} names no features; write a list of them."


def _names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
