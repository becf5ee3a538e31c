"""A table read as numbers at once is checked to the same values as one read cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cohorts.ingest import assays, checking
from tests.cohorts.test_mutated_tables import FACTS, OPTIONS

CELLS = st.sampled_from(["", "0", "1e-5", "+7", ".5", "5."]) | st.floats(0, 1e300).map(repr)


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6),
    st.sampled_from("zlm"),
    st.sampled_from(",;\t"),
)
def test_both_ways_of_reading_agree(rows, zero, separator):
    options = replace(OPTIONS, zero_means={"z": "zero", "l": "below_lod", "m": "missing"}[zero])
    lines = ["sample,alpha,injection_order,beta"]
    lines += [f"T{i},{a},{i},{b}" for i, (a, b) in enumerate(rows)]
    content = "\n".join(lines).replace(",", separator).encode() + b"\n"
    slow = assays.check(checking.read_file("assays", content, "t.csv"), FACTS, options)
    quick = checking.check_file("assays", content, "t.csv", lambda: FACTS, options)
    assert quick.report == slow.report
    [mine], [theirs] = quick.batches, slow.batches
    assert np.array_equal(mine.values, theirs.values, equal_nan=True)
    assert np.array_equal(mine.flags, theirs.flags)
    assert (mine.rows, mine.features) == (theirs.rows, theirs.features)


def test_a_negative_number_is_still_told_as_it_was_sent():
    checked = checking.check_file(
        "assays", b"sample,alpha\nT1,-3.50\n", "t.csv", lambda: FACTS, OPTIONS
    )
    [fault] = checked.report.faults
    assert (fault.row, fault.column) == (2, "alpha")
    assert fault.message.startswith('"-3.50" is negative')
