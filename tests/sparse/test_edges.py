"""Patterns: order, padding, pointers, and leaving edges out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.errors import DataError
from ifru_jax.graph import SortedPairs
from ifru_jax.sparse import build_edges, capacity_of, without_edges
from ifru_jax.sparse.removal import closed_on_device, column_without, places_on_device

ROWS, COLS, CAPACITY = 5, 4, 16
EDGE_LISTS = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), max_size=CAPACITY)


def build(pairs, capacity=CAPACITY):
    rows, cols = np.array(pairs, int).reshape(-1, 2).T
    return build_edges(rows, cols, num_rows=ROWS, num_cols=COLS, capacity=capacity)


def assert_same(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    assert jax.tree.map(lambda leaf: leaf.dtype, got) == jax.tree.map(lambda leaf: leaf.dtype, expected)


@given(EDGE_LISTS)
def test_edges_stand_in_the_order_that_is_returned(pairs):
    edges, order = build(pairs)
    n = len(pairs)
    given_pairs = np.array(pairs, int).reshape(-1, 2)[order]
    np.testing.assert_array_equal(np.stack([edges.rows, edges.cols], 1)[:n], given_pairs)
    assert [tuple(pair) for pair in given_pairs] == sorted(pairs)
    np.testing.assert_array_equal(edges.mask, np.arange(CAPACITY) < n)
    assert (edges.num_rows, edges.num_cols, edges.capacity) == (ROWS, COLS, CAPACITY)
    assert SortedPairs(edges).users is edges.rows
    assert SortedPairs(edges).items is edges.cols


@given(EDGE_LISTS)
def test_pointers_delimit_rows_and_columns(pairs):
    edges, _ = build(pairs)
    rows, cols, order = (np.asarray(a) for a in (edges.rows, edges.cols, edges.col_order))
    for r in range(ROWS):
        np.testing.assert_array_equal(np.arange(*edges.row_ptr[r : r + 2]), np.flatnonzero(rows == r))
    assert sorted(order) == list(range(CAPACITY))
    assert (np.diff(cols[order]) >= 0).all()
    np.testing.assert_array_equal(edges.col_rows, rows[order])
    for c in range(COLS):
        assert (cols[order][edges.col_ptr[c] : edges.col_ptr[c + 1]] == c).all()
    assert edges.row_ptr[-1] == edges.col_ptr[-1] == CAPACITY


@given(EDGE_LISTS.flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))))
def test_the_order_given_does_not_matter(both):
    assert_same(build(both[0])[0], build(both[1])[0])


@given(EDGE_LISTS.flatmap(lambda p: st.tuples(st.just(p), st.lists(st.booleans(), min_size=len(p), max_size=len(p)))))
def test_keeping_edges_equals_building_from_them(both):
    pairs, keep = both
    edges, order = build(pairs)
    kept = np.array(keep, bool)[order]
    expected, _ = build([pair for pair, stays in zip(pairs, keep, strict=True) if stays])
    assert_same(without_edges(edges, np.flatnonzero(~kept), len(pairs)), expected)


@given(EDGE_LISTS, st.data())
def test_keeping_twice_equals_keeping_once(pairs, data):
    edges, _ = build(pairs)
    masks = st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs))
    first, second = (np.array(data.draw(masks), bool) for _ in range(2))

    def kept(edges, keep):
        return without_edges(edges, np.flatnonzero(~keep), len(keep))

    assert_same(kept(kept(edges, first), second[first]), kept(edges, first & second))


@given(EDGE_LISTS.flatmap(lambda p: st.tuples(st.just(p), st.lists(st.booleans(), min_size=len(p), max_size=len(p)))))
def test_an_accelerator_takes_edges_out_as_the_host_does(both):
    pairs, keep = both
    edges, order = build(pairs)
    gone = np.flatnonzero(~np.array(keep, bool)[order])
    expected = without_edges(edges, gone, len(pairs))
    assert_same(closed_on_device(edges, places_on_device(gone, CAPACITY), len(pairs) - len(gone)), expected)
    values = np.zeros(CAPACITY, np.float32)
    values[: len(pairs)] = 1 + np.arange(len(pairs))
    left = np.delete(values[: len(pairs)], gone)
    column = column_without(jnp.asarray(values), places_on_device(gone, CAPACITY), len(pairs))
    np.testing.assert_array_equal(column, np.pad(left, (0, CAPACITY - len(left))))


def test_too_many_edges_for_the_capacity():
    with pytest.raises(DataError, match="3 edges don't fit a capacity of 2: raise"):
        build([(0, 0)] * 3, capacity=2)


def test_without_a_capacity_there_is_no_padding():
    assert build([(0, 0)] * 3, capacity=None)[0].capacity == 3


@given(st.integers(0, 10**9), st.sampled_from([1, 16]))
def test_capacities_are_powers_of_two_and_tight(size, least):
    capacity = capacity_of(size, least=least)
    assert capacity >= size
    assert capacity & (capacity - 1) == 0
    assert capacity == least or capacity < 2 * size
