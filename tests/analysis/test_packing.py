"""What is kept or computed elsewhere comes back bit for bit."""

import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.packing import canonical, digest_of, leaf_digest, pack, unpack
from analysis.steps.pieces import Leaves

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | st.text()
TREES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)
)


@given(TREES)
def test_plain_trees_come_back(tree):
    assert repr(unpack(pack(tree))) == repr(tree)


@given(st.lists(NUMBERS, max_size=30))
def test_numbers_come_back_to_the_last_bit(numbers):
    array = np.array(numbers, dtype=np.float64)
    (back,) = unpack(pack([array]))
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.array([True, False]),
        np.array(["FUK", "東京"]),
        np.empty((0, 4)),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    ],
)
def test_an_array_keeps_kind_shape_and_values(array):
    back = unpack(pack(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


MIXED = pd.DataFrame(
    {"case": [1.0, np.nan], "sex": ["male", None], "n": [1, 2], "free": ["3", 4]},
    index=pd.Index([7, 9], name="participant_id"),
)
NUMERIC = pd.DataFrame({"orn": [1.5, np.nan], "arg": [0.1, 0.2]}, index=[3, 1])


@pytest.mark.parametrize("frame", [MIXED, NUMERIC, MIXED.iloc[:0], MIXED[[]]])
def test_a_frame_comes_back_with_its_names_and_kinds(frame):
    pd.testing.assert_frame_equal(unpack(pack(frame)), frame, check_index_type=False)


@pytest.mark.parametrize("frame", [MIXED, NUMERIC])
def test_what_is_computed_here_reads_memory_in_the_order_of_what_came_back(frame):
    here, elsewhere = canonical(frame), unpack(pack(frame))
    strides = [part.to_numpy().strides for part in (here, elsewhere)]
    assert strides[0] == strides[1]


def test_every_part_counts_in_the_digest():
    base = {"values": NUMERIC, "site": "FUK", "n": 1}
    changed = [
        base | {"values": NUMERIC + 1e-12},
        base | {"values": NUMERIC.rename(columns={"orn": "cit"})},
        base | {"values": NUMERIC.set_axis([3, 2], axis=0)},
        base | {"site": "TYO"},
        base | {"n": 1.0},
        {"values": NUMERIC, "site": "FUK"},
    ]
    assert len({digest_of(tree) for tree in [base, *changed]}) == len(changed) + 1


def test_what_cannot_be_packed_is_refused_in_words():
    with pytest.raises(TypeError, match="set cannot be packed: use numbers, texts"):
        pack({"sites": {"FUK"}})


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_leaf_that_a_run_has_done_with_is_not_kept(order):
    leaves, array = Leaves(), np.ones((3, 4), order=order)
    leaves.digest(array)
    leaves.canonical(array)
    ended = weakref.ref(array)
    del array
    assert ended() is None


def test_another_leaf_in_the_same_place_has_a_digest_of_its_own():
    """The seeded fault: by its place in memory alone it would be taken for the one before."""
    leaves, places = Leaves(), set()
    for number in range(50):
        array = np.full(1000, float(number))
        assert leaves.digest(array) == leaf_digest(array)
        assert leaves.canonical(array)[0] == number
        places.add(id(array))
        del array
    assert len(places) < 50
