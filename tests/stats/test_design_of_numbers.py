"""Covariates that are complete numbers need no frame, and give the same model as with one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.stats import design
from analysis.stats.design import build_design

NUMBERS = np.random.default_rng(5).normal([40, 24, 2010], [12, 3, 5], (30, 3))


@pytest.mark.parametrize(
    "covariates",
    [
        None,
        NUMBERS,
        NUMBERS.round().astype(np.int64),
        pd.DataFrame(NUMBERS, columns=["age", "bmi", "year"]),
        np.column_stack([NUMBERS, NUMBERS[:, 0]]),  # a copy
        np.column_stack([NUMBERS, np.full(30, 7.0)]),  # a constant
        NUMBERS[:2],  # hardly any sample
    ],
)
def test_the_short_way_gives_the_model_of_the_long_one(covariates, monkeypatch):
    n = 30 if covariates is None else len(covariates)
    short = build_design(covariates, n)
    monkeypatch.setattr(design, "complete_numbers", lambda *_: None)
    long = build_design(covariates, n)
    assert np.array_equal(short.columns, long.columns)
    assert np.array_equal(short.rows, long.rows)
    for name in ("codings", "column_names", "adjusted_for", "dropped"):
        assert getattr(short, name) == getattr(long, name)


def test_complete_and_independent_numbers_take_the_short_way(monkeypatch):
    monkeypatch.setattr(design, "as_frame", None)
    assert build_design(NUMBERS, 30).adjusted_for == ("covariate 1", "covariate 2", "covariate 3")
