"""A table as JSON, written by columns: what its rows would be, number by number."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cohorts.api.renderers import TableJsonRenderer, json_of, records_of

NUMBERS = st.floats(allow_infinity=False) | st.sampled_from([0.0, -0.0, 7.0, 1e16, 1e-7])
TEXTS = st.text() | st.none()
ROWS = st.tuples(NUMBERS, TEXTS, st.integers(0, 99) | st.none(), st.booleans() | st.none())


@given(st.lists(ROWS, max_size=5))
def test_a_table_by_columns_is_the_json_of_its_rows(rows):
    frame = pd.DataFrame(rows, columns=["p", 'a "name"', "n_case", "told"])
    frame = frame.astype({"p": float, "n_case": "Int64", "told": "boolean"})
    # With types: 1 and 1.0 are told apart, and so are 0.0 and -0.0.
    assert repr(json.loads(json_of(frame))) == repr(records_of(frame))


def test_what_is_no_number_in_json_is_null():
    frame = pd.DataFrame({"p": [np.inf, -np.inf, np.nan, 2.0]})
    assert json_of(frame) == b'[{"p":null},{"p":null},{"p":null},{"p":2.0}]'
    assert json_of(frame[:0]) == json_of(pd.DataFrame()) == b"[]"


def test_who_asks_for_indented_json_gets_the_same_rows():
    frame = pd.DataFrame({"p": [0.25], "feature": ["オルニチン"]})
    pretty = TableJsonRenderer().render(frame, "application/json; indent=2")
    assert pretty.decode().startswith("[\n  {")
    assert json.loads(pretty) == json.loads(json_of(frame))
