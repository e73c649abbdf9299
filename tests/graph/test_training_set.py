"""Interactions on the device: removing some equals never having had them."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.data.interactions import Interactions
from ifru_jax.graph import Change, build_examples, build_training_set
from ifru_jax.graph.training_set import padded_size

USERS, ITEMS, CAPACITY = 5, 4, 16
ROWS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.booleans()), max_size=CAPACITY)


def interactions(rows):
    users, items, labels = np.array(rows, int).reshape(-1, 3).T
    return Interactions(users, items, labels, USERS, ITEMS, timestamps=np.arange(len(rows), dtype=float))


def training_set(data):
    return build_training_set(data, capacities=(CAPACITY, CAPACITY))


def columns(data):
    return data.users, data.items, data.labels, data.timestamps


def assert_same(got, expected):
    assert len(got) == len(expected)
    jax.tree.map(
        np.testing.assert_array_equal,
        (columns(got.interactions), got.examples, got.graph.edges, got.positives),
        (columns(expected.interactions), expected.examples, expected.graph.edges, expected.positives),
    )
    # The sums of degrees may differ in their order, so the weights are equal up to rounding only.
    np.testing.assert_allclose(got.graph.weights, expected.graph.weights, rtol=1e-6)


@given(ROWS, st.data())
@settings(max_examples=30)
def test_without_equals_building_from_the_rest(rows, data):
    whole = training_set(interactions(rows))
    forgotten = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    rest = whole.interactions.select(~forgotten)
    assert_same(whole.without(np.flatnonzero(forgotten)), training_set(rest))


@given(
    ROWS.map(lambda rows: list({row[:2]: row for row in rows}.values())).flatmap(
        lambda r: st.tuples(st.just(r), st.permutations(r))
    )
)
@settings(max_examples=30)
def test_the_order_of_the_data_does_not_matter(both):
    first, second = (training_set(interactions(rows)) for rows in both)
    jax.tree.map(np.testing.assert_array_equal, (first.examples, first.graph), (second.examples, second.graph))


@given(ROWS)
@settings(max_examples=30)
def test_host_and_device_agree(rows):
    whole, n = training_set(interactions(rows)), len(rows)
    data, examples, graph = whole.interactions, whole.examples, whole.graph
    np.testing.assert_array_equal(examples.pairs.users[:n], data.users)
    np.testing.assert_array_equal(examples.pairs.items[:n], data.items)
    np.testing.assert_array_equal(examples.labels, np.pad(data.labels, (0, CAPACITY - n)))
    np.testing.assert_array_equal(examples.weights, np.arange(CAPACITY) < n)
    positive = np.flatnonzero(data.labels > 0.5)
    np.testing.assert_array_equal(whole.positives, positive)
    np.testing.assert_array_equal(graph.edges.rows[: len(positive)], data.users[positive])
    np.testing.assert_array_equal(graph.edges.cols[: len(positive)], data.items[positive])


@given(ROWS)
@settings(max_examples=20)
def test_examples_of_a_forget_set(rows):
    examples = build_examples(interactions(rows))
    counted = np.asarray(examples.weights) > 0
    arrays = (examples.pairs.users, examples.pairs.items, examples.labels)
    got = zip(*(np.asarray(array)[counted].tolist() for array in arrays), strict=True)
    assert sorted(got) == sorted(rows)
    assert not np.asarray(examples.labels)[~counted].any()
    assert examples.pairs.edges.capacity == 16


@given(ROWS, st.data())
@settings(max_examples=20)
def test_names_go_with_the_last_interaction(rows, data):
    named = interactions(rows)
    ids = np.array([f"user {u}" for u in range(USERS)]), np.arange(ITEMS) + 100
    named = replace(named, user_ids=ids[0], item_ids=ids[1])
    whole = training_set(named)
    forgotten = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    labels = whole.interactions.labels[forgotten]
    rest = Change(whole, np.flatnonzero(forgotten), np.ones(len(labels), bool), labels).after.interactions
    before, after = ({"user": set(d.users.tolist()), "item": set(d.items.tolist())} for d in (whole.interactions, rest))
    for u in range(USERS):
        assert rest.user_ids[u] == ("" if u in before["user"] - after["user"] else ids[0][u])
    for i in range(ITEMS):
        assert (rest.item_ids[i] == ids[1][i]) == (i not in before["item"] - after["item"])


@given(st.integers(0, 10**7))
def test_padding_of_a_data_set(size):
    padded = padded_size(size)
    assert padded >= size
    if size > 1 << 16:
        assert padded % (1 << 16) == 0
        assert padded - size < 1 << 16


def test_default_capacities():
    rng = np.random.default_rng(0)
    data = Interactions(rng.integers(0, 50, 300), rng.integers(0, 40, 300), np.arange(300) % 3 == 0, 50, 40)
    whole = build_training_set(data)
    assert whole.capacities == (512, 128)
    after = whole.without(np.arange(290))
    shapes = jax.tree.map(lambda leaf: leaf.shape, (whole.examples, whole.graph))
    assert jax.tree.map(lambda leaf: leaf.shape, (after.examples, after.graph)) == shapes


def test_too_small_a_capacity_is_refused():
    with pytest.raises(ValueError, match="2 edges don't fit a capacity of 1"):
        build_training_set(interactions([(0, 0, 1), (1, 1, 1)]), capacities=(1, None))
