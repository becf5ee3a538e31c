"""Every function of the core that takes data from outside, against everything that can be wrong.

A function that takes what the core has checked (`Floats`, a design, a study) is not listed: its
callers are held to that by their types.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis.stats
from analysis.stats.errors import UnusableData
from tests.stats.faces import models, preparation, summaries
from tests.stats.faces.faults import REFUSED, poor
from tests.stats.faces.study import K, N, P, Row
from tests.stats.refusing import in_words, refusal

ROWS: dict[str, Row] = preparation.ROWS | models.ROWS | summaries.ROWS
FROM_OUTSIDE = ("ArrayLike", "Covariates", "Items", "DataFrame", "Series")
# Shapes of an interface, which have nothing to call.
PROTOCOLS = {"harmonise.Adjustment.apply", "harmonise.Harmoniser.fit"}


def _written(thing: Any) -> ast.arguments:
    function = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.args


def _public() -> Iterator[tuple[str, Any]]:
    """Name and object of each public function and method of the core."""
    for module in pkgutil.iter_modules(analysis.stats.__path__):
        holder = importlib.import_module(f"analysis.stats.{module.name}")
        for name, thing in vars(holder).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != holder.__name__:
                continue
            if inspect.isfunction(thing):
                yield f"{module.name}.{name}", thing
            elif inspect.isclass(thing):
                for own, method in vars(thing).items():
                    bare = getattr(method, "__func__", method)
                    if not own.startswith("_") and inspect.isfunction(bare):
                        yield f"{module.name}.{name}.{own}", bare


def _read_from_outside(thing: Any) -> set[str]:
    arguments = _written(thing)
    given = [*arguments.args, *arguments.kwonlyargs]
    return {
        one.arg
        for one in given
        if one.annotation and any(kind in ast.unparse(one.annotation) for kind in FROM_OUTSIDE)
    }


def test_every_argument_that_comes_from_outside_is_in_a_row():
    rows: dict[str, set[str]] = {}
    for name, row in ROWS.items():
        rows.setdefault(name.split()[0], set()).update(row.kinds)
    lacking = {
        f"{name}: {argument}"
        for name, thing in _public()
        if name not in PROTOCOLS
        for argument in _read_from_outside(thing) - rows.get(name, set())
    }
    assert lacking == set()


@pytest.mark.parametrize("name", ROWS)
def test_arguments_that_can_be_used_are_answered(name):
    row = ROWS[name]
    _say_why(row.call(**row.good), _docstring(name))


@pytest.mark.parametrize("name", ROWS)
def test_what_cannot_be_used_is_refused_in_words_whichever_argument_it_is(name):
    row = ROWS[name]
    for argument, kind in row.kinds.items():
        for fault, spoil in REFUSED[kind].items():
            bad = row.good | {argument: spoil(row.good[argument])}
            try:
                refusal(lambda given=bad: row.call(**given))
            except (AssertionError, pytest.fail.Exception) as failure:
                raise AssertionError(f"{argument}, {fault}: {failure}") from failure


@pytest.mark.parametrize("name", ROWS)
def test_what_says_too_little_is_refused_or_answered_with_a_reason(name):
    row = ROWS[name]
    for argument, kind in row.kinds.items():
        for weaken in poor(kind).values():
            _answered(name, row.good | {argument: weaken(row.good[argument])})


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("name", ROWS)
def test_so_few_samples_are_refused_or_answered_with_a_reason(name, n):
    row = ROWS[name]
    _answered(name, {argument: _first(good, n) for argument, good in row.good.items()})


OF_TABLES = {
    name: [argument for argument, kind in row.kinds.items() if kind in ("values", "values alone")]
    for name, row in ROWS.items()
}


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.float32, bool, object])
@pytest.mark.parametrize("name", [name for name, arguments in OF_TABLES.items() if arguments])
def test_small_numbers_are_not_computed_with_in_their_own_kind(name, kind):
    # 120 + 20 is 140 in no int8, and 20 - 120 is not negative in uint8.
    row = ROWS[name]
    whole = np.random.default_rng(20220313).integers(1, 121, size=(N, P)).astype(kind)
    found = [
        _result(name, row.good | dict.fromkeys(OF_TABLES[name], table))
        for table in (whole.astype(np.float64), whole)
    ]
    # Bound methods within a result show where they lie in memory.
    told = [re.sub(r" at 0x\w+", "", repr(one)) for one in found]
    assert told[0] == told[1]


def _result(name: str, given: dict[str, Any]) -> Any:
    try:
        return ROWS[name].call(**given)
    except UnusableData as refused:
        return str(refused)


def _first(good: Any, n: int) -> Any:
    """The first rows of what has one a sample or cohort; the number of samples follows."""
    if isinstance(good, pd.DataFrame | pd.Series):
        return good.iloc[:n]
    if isinstance(good, np.ndarray) and len(good) in (N, K):
        return good[:n]
    if isinstance(good, tuple):
        return tuple(n if part == N else part for part in good)
    return n if isinstance(good, int) and good == N else good


def _answered(name: str, given: dict[str, Any]) -> None:
    try:
        result = ROWS[name].call(**given)
    except UnusableData as refused:
        in_words(refused)
        return
    _say_why(result, _docstring(name))


def _docstring(name: str) -> str:
    return str(dict(_public())[name.split()[0]].__doc__)


def _say_why(result: Any, docstring: str) -> None:
    """A missing number has its reason beside it, or the docstring says when there is none."""
    if dataclasses.is_dataclass(result):
        reason = getattr(result, "reason", None)
        for field in dataclasses.fields(result):
            part = getattr(result, field.name)
            if isinstance(reason, tuple) and np.shape(part)[-1:] == (len(reason),):
                part = np.asarray(part)[..., np.array(reason) == ""]
            _say_why(part, str(type(result).__doc__))
    elif isinstance(result, dict):
        _say_why(list(result.values()), docstring)
    elif isinstance(result, list | tuple):
        for part in result:
            _say_why(part, docstring)
    elif isinstance(result, pd.DataFrame):
        known = result[result["reason"] == ""] if "reason" in result else result
        _say_why(known.select_dtypes("number").to_numpy(), docstring)
    elif isinstance(result, float) or (isinstance(result, np.ndarray) and result.dtype.kind == "f"):
        assert not np.isnan(result).any() or "NaN" in docstring, docstring
        assert not np.isinf(result).any() or "infinit" in docstring, docstring
