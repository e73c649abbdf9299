"""The metric of the damping against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifru_jax.curvature import degree_metric, degrees_of, inverse_root_metric, node_degrees
from ifru_jax.curvature.metric import median
from ifru_jax.graph import Examples, SortedPairs
from ifru_jax.sparse import build_edges

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, CAPACITY = 5, 4, 16
ROWS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.booleans()), max_size=CAPACITY)

TABLES = {"user": "user", "item": "item", "bias": "item", "deep": "user"}
PARAMS = {
    "user": jnp.ones((USERS, 3)),
    "item": jnp.ones((ITEMS, 2)),
    "bias": jnp.ones(ITEMS),
    "deep": jnp.ones((USERS, 2, 2)),
    "shared": {"kernel": jnp.ones((3, 2)), "scale": jnp.ones(())},
}


COUNTS = st.floats(1, 1e6) | st.sampled_from([1.0, 2.0, 3.0])


@given(
    users=st.lists(COUNTS, min_size=2, max_size=3),
    items=st.lists(COUNTS, max_size=2),
    behind=st.lists(COUNTS, max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_median_is_that_of_numpy(users, items, behind, dtype):
    """Values behind the last that counts change nothing."""
    sides = [np.resize([*of, *behind, 7.0], 8).astype(dtype) for of in (users, items)]
    expected = np.median(np.concatenate([np.array(of, dtype) for of in (users, items)]))
    found = median([jnp.asarray(side) for side in sides], (len(users), len(items)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype is np.float32 else 1e-15)


def examples(rows):
    """Interactions; those not kept stay in the pattern with weight 0."""
    users, items, kept = np.array(rows, int).reshape(-1, 3).T
    pattern, order = build_edges(users, items, num_rows=USERS, num_cols=ITEMS, capacity=CAPACITY)
    weights = np.zeros(CAPACITY)
    weights[: len(rows)] = kept[order]
    return Examples(SortedPairs(pattern), jnp.ones(CAPACITY), jnp.asarray(weights))


def counted(rows):
    users = np.zeros(USERS)
    items = np.zeros(ITEMS)
    for u, i, kept in rows:
        users[u] += kept
        items[i] += kept
    return users, items


@given(ROWS)
@settings(max_examples=20)
def test_degrees_count_what_has_weight(rows):
    for got, expected in zip(node_degrees(examples(rows)), counted(rows), strict=True):
        np.testing.assert_array_equal(got, expected)


@given(ROWS, st.sampled_from([0.0, 0.5, 1.0]))
@example([(0, 0, True), (1, 0, True), (2, 0, True)], 0.5)  # the median of users is 2, of all nodes 1
@settings(max_examples=20)
def test_metric_of_every_row(rows, exponent):
    users, items = counted(rows)
    median = np.median(1 + np.concatenate([users, items]))
    expected = {"user": ((1 + users) / median) ** exponent, "item": ((1 + items) / median) ** exponent}
    metric = degree_metric(PARAMS, TABLES, degrees_of(examples(rows)), exponent=exponent)
    assert metric.keys() == PARAMS.keys()
    for name, side in TABLES.items():
        assert metric[name].shape == (len(expected[side]), *[1] * (PARAMS[name].ndim - 1))
        np.testing.assert_allclose(metric[name].ravel(), expected[side], rtol=1e-12)
    shared = ((1 + users.sum()) / median) ** (exponent / 2)
    assert metric["shared"]["kernel"].shape == (1, 1)
    np.testing.assert_allclose(metric["shared"]["kernel"], shared, rtol=1e-12)
    np.testing.assert_allclose(metric["shared"]["scale"], shared, rtol=1e-12)
    if exponent == 0:
        assert all((metric[name] == 1).all() for name in TABLES)


@given(ROWS, st.lists(st.booleans(), min_size=USERS + ITEMS, max_size=USERS + ITEMS))
@settings(max_examples=20)
def test_the_inverse_root_is_that_of_the_metric_inside_and_zero_outside(rows, inside):
    degrees, rows_inside = degrees_of(examples(rows)), (np.array(inside[:USERS]), np.array(inside[USERS:]))
    metric = degree_metric(PARAMS, TABLES, degrees, exponent=0.5)
    found = inverse_root_metric(PARAMS, TABLES, degrees, rows_inside, exponent=0.5)
    for name, side in TABLES.items():
        kept = rows_inside[side == "item"].reshape(-1, *[1] * (PARAMS[name].ndim - 1))
        expected = np.broadcast_to(np.where(kept, np.asarray(metric[name]) ** -0.5, 0), PARAMS[name].shape)
        np.testing.assert_allclose(found[name], expected, rtol=1e-12)
    for name, value in PARAMS["shared"].items():
        np.testing.assert_allclose(found["shared"][name], np.full(value.shape, float(metric["shared"][name].ravel()[0]) ** -0.5))
