"""What a function of the core may do with input that it cannot use."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.stats.errors import UnusableData


def refusal(call: Callable[[], Any]) -> str:
    """What a call that must refuse says; any other exception, or a result, is a failure."""
    with pytest.raises(UnusableData) as refused:
        call()
    words = str(refused.value)
    assert words.endswith(".") or words.endswith("?"), words
    assert len(words.split()) >= 6, words
    return words


# What the result's docstring says to be NaN without a reason: the interval of a further cohort
# under 3 cohorts and for FE, and the tau2 of a subgroup of one cohort.
DOCUMENTED = {"PooledEffects": ("pi_low", "pi_high"), "SubgroupDifference": ("tau2",)}


def _nameless(numbers: Any, reason: Any) -> bool:
    """Whether a number is NaN where its reason is empty."""
    array = np.asarray(numbers)
    if array.dtype.kind != "f" or array.shape[-1:] != (len(reason),):
        return False
    return bool((np.isnan(array) & (np.array(reason) == "")).any())


def in_words(refused: UnusableData) -> None:
    """A refusal that says what, where and what to do takes more than a word."""
    assert len(str(refused).split()) >= 6, refused


def answered(call: Callable[[], Any]) -> Any:
    """None where the call refuses; else its result, no NaN of which lacks its reason."""
    try:
        result = call()
    except UnusableData as refused:
        return in_words(refused)
    reason = getattr(result, "reason", None)
    if isinstance(reason, tuple):
        for field in dataclasses.fields(result):
            if field.name in DOCUMENTED.get(type(result).__name__, ()):
                continue
            assert not _nameless(getattr(result, field.name), reason), field.name
    return result
