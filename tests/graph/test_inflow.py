"""Part of a graph with its inflow, against the whole graph."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.graph import build_graph
from ifru_jax.graph.inflow import OnePass, Propagations, inflow
from ifru_jax.sparse import build_edges

pytestmark = pytest.mark.usefixtures("float64")
USERS, ITEMS, SIZE = 6, 7, 3


def graph_of(users, items, *, num_users=USERS, num_items=ITEMS, weights=None):
    edges, order = build_edges(users, items, num_rows=num_users, num_cols=num_items, capacity=40)
    graph = build_graph(edges)
    if weights is None:
        return graph
    padded = np.zeros(40)
    padded[: len(users)] = weights[order]
    return type(graph)(edges, jnp.asarray(padded))


def two_layers(graph, users, items):
    """Something that is not linear between the layers."""
    for _ in range(2):
        users, items = jnp.tanh(graph.to_users(items)) + users, jnp.tanh(graph.to_items(users)) * items
    return users, items


@given(
    st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=1, max_size=30),
    st.integers(0, USERS - 1),
    st.integers(0, 1000),
)
@settings(max_examples=30)
def test_rows_may_change_where_all_edges_are_in_the_part(pairs, moved, seed):
    users, items = np.array(pairs).T
    rng = np.random.default_rng(seed)
    whole = graph_of(users, items)
    before = jnp.asarray(rng.normal(size=(USERS, SIZE))), jnp.asarray(rng.normal(size=(ITEMS, SIZE)))
    seen = OnePass(whole)
    two_layers(seen, *before)
    record = seen.propagations

    # Two layers: the edges at the user that moves and at its items.
    near_items = np.unique(items[users == moved])
    inside = (users == moved) | np.isin(items, near_items)
    near_users = np.unique(np.append(users[inside], moved))
    # In other numbers, with a row of padding on either side.
    rows_u, rows_i = np.append(near_users, 0), np.append(near_items, 0)
    part = graph_of(
        np.searchsorted(near_users, users[inside]),
        np.searchsorted(near_items, items[inside]),
        num_users=len(rows_u),
        num_items=len(rows_i),
        weights=(1 / np.sqrt(np.bincount(users)[users] * np.bincount(items)[items]))[inside],
    )
    after = before[0].at[moved].add(rng.normal(size=SIZE)), before[1]
    expected = two_layers(whole, *after)
    local = OnePass(part, inflow(part, record, jnp.asarray(rows_u), jnp.asarray(rows_i)))
    found = two_layers(local, after[0][rows_u], after[1][rows_i])
    np.testing.assert_allclose(found[0][:-1], expected[0][near_users], atol=1e-12)
    np.testing.assert_allclose(found[1][:-1], expected[1][near_items], atol=1e-12)

    # The record of the whole, brought up to date from the part alone; padding stands for no row.
    ends = [jnp.asarray(np.append(rows, 10**6)) for rows in (near_users, near_items)]
    renewed, fresh = record.at(*ends, local.propagations), OnePass(whole)
    two_layers(fresh, *after)
    for side in ("to_users", "to_items"):
        for a, b in zip(getattr(renewed, side), getattr(fresh.propagations, side), strict=True):
            np.testing.assert_allclose(a.taken, b.taken, atol=1e-12)
            np.testing.assert_allclose(a.given, b.given, atol=1e-12)


def test_whatever_else_is_read_is_noticed():
    graph = graph_of(np.array([0, 1]), np.array([2, 3]))
    seen = OnePass(graph)
    two_layers(seen, jnp.ones((USERS, SIZE)), jnp.ones((ITEMS, SIZE)))
    assert seen.only_propagates
    assert seen.propagations.any
    assert not Propagations().any
    assert seen.degrees()[0].shape == (USERS,)
    assert not seen.only_propagates
