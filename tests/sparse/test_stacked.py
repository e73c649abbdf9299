"""Patterns side by side, against each of them on its own."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.errors import DataError
from ifru_jax.ragged import Ragged
from ifru_jax.sparse.edges import host_edges
from ifru_jax.sparse.stacked import Shape, stacked_edges

ROWS, COLS, CAPACITY = 5, 6, 12
EDGES = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), max_size=CAPACITY)


@given(st.lists(EDGES, min_size=1, max_size=4), st.integers(0, 2))
@settings(max_examples=100)
def test_each_is_the_pattern_that_it_is_alone(patterns, empty):
    """With duplicates, in any order, and with empty ones behind."""
    pairs = [np.array(edges, np.int64).reshape(-1, 2) for edges in patterns]
    cols = Ragged.of([of[:, 1] for of in pairs])
    shape = Shape(ROWS, COLS, CAPACITY, len(pairs) + empty)
    stacked, order = stacked_edges(np.concatenate([of[:, 0] for of in pairs]), cols, shape)
    nothing = np.zeros((0, 2), np.int64)
    for number, of in enumerate([*pairs, *[nothing] * empty]):
        alone, alone_order = host_edges(of[:, 0], of[:, 1], num_rows=ROWS, num_cols=COLS, capacity=CAPACITY)
        for got, expected in zip(jax.tree.leaves(stacked), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(got[number], expected)
            assert got.dtype == expected.dtype
        if number < len(pairs):
            own = order[cols.starts[number] : cols.starts[number] + len(of)] - cols.starts[number]
            np.testing.assert_array_equal(own, alone_order)


def test_more_than_fit_are_refused():
    with pytest.raises(DataError, match="3 edges don't fit a capacity of 2"):
        stacked_edges(np.zeros(3, int), Ragged.of([np.arange(3)]), Shape(1, 3, 2, 1))
