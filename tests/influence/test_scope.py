"""Importance and scope against the recurrence, node by node in exact fractions."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph import build_training_set
from ifru_jax.influence import importance, importance_scope

USERS, ITEMS = 7, 6
NODES = range(USERS + ITEMS)  # items follow the users

ROW = st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.booleans(), st.sampled_from([True, False, False]))
ROWS = st.lists(ROW, min_size=1, max_size=25)
RATIOS = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=3)


def request(rows):
    users, items, labels, forgotten = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((items, users))
    return build_training_set(Interactions(users, items, labels, USERS, ITEMS)), np.flatnonzero(forgotten[order])


def scores_by_hand(rows, num_hops):
    """[{node: s_k}] for k = 0 … num_hops."""
    ends = [(u, USERS + i) for u, i, *_ in rows]
    degree = {v: 1 + sum(v in pair for pair in ends) for v in NODES}
    gone = {v: sum(v in pair for pair, row in zip(ends, rows, strict=True) if row[3]) for v in NODES}
    scores = [{v: Fraction(gone[v], degree[v]) for v in NODES}]
    for _ in range(num_hops):
        last = scores[-1]
        around = {v: last[v] + sum(last[b if v == a else a] for a, b in ends if v in (a, b)) for v in NODES}
        scores.append({v: around[v] / degree[v] for v in NODES})
    return scores


def scope_by_hand(rows, ratios):
    scores = scores_by_hand(rows, len(ratios))
    reached = {v for v in NODES if scores[0][v] > 0}
    kept = set(reached)
    for score, ratio in zip(scores[1:], ratios, strict=True):
        fresh = sorted({v for v in NODES if score[v] > 0} - reached, key=lambda v: (-score[v], v))
        kept |= set(fresh[: ceil(ratio * len(fresh))])
        reached |= set(fresh)
    return kept


def as_set(nodes):
    return set(np.flatnonzero(np.concatenate([nodes.users, nodes.items])).tolist())


@given(ROWS, st.integers(0, 3))
@settings(max_examples=50)
def test_importance_follows_the_recurrence(rows, num_hops):
    got = importance(*request(rows), num_hops=num_hops)
    expected = scores_by_hand(rows, num_hops)
    assert len(got) == num_hops + 1
    for (users, items), score in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.concatenate([users, items]), [float(score[v]) for v in NODES], rtol=1e-12)


# Two nodes of the second hop are as important as each other, yet the sums of their scores differ in the last bit.
TIE = [(1, 3, 0), (2, 2, 0), (6, 3, 1), (1, 1, 0), (5, 5, 0), (4, 2, 1), (2, 5, 0), (2, 2, 0), (5, 2, 0)]


@given(ROWS, RATIOS)
@example([(u, i, True, bool(forgotten)) for u, i, forgotten in TIE], [1.0, 0.5])
@settings(max_examples=100)
def test_scope_keeps_the_most_important_of_each_hop(rows, ratios):
    assert as_set(importance_scope(*request(rows), ratios)[0]) == scope_by_hand(rows, ratios)


@given(ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))), RATIOS)
@settings(max_examples=100)
def test_the_order_of_the_data_does_not_matter(both, ratios):
    first, second = (importance_scope(*request(rows), ratios)[0] for rows in both)
    assert as_set(first) == as_set(second)


@given(ROWS, RATIOS)
@settings(max_examples=50)
def test_endpoints_are_never_pruned(rows, ratios):
    data, forgotten = request(rows)
    scope, _ = importance_scope(data, forgotten, ratios)
    assert scope.users[data.interactions.users[forgotten]].all()
    assert scope.items[data.interactions.items[forgotten]].all()


@given(ROWS, st.integers(0, 3))
@settings(max_examples=50)
def test_ratios_of_zero_and_one(rows, num_hops):
    data, forgotten = request(rows)
    ends = as_set(importance_scope(data, forgotten, ())[0])
    assert as_set(importance_scope(data, forgotten, [0] * num_hops)[0]) == ends
    scores = scores_by_hand(rows, num_hops)[-1]
    assert as_set(importance_scope(data, forgotten, [1] * num_hops)[0]) == {v for v in NODES if scores[v] > 0}


def test_a_share_of_a_round_number_is_a_round_number():
    """.07 · 100 is more than 7 in floating point, and .55 · 100 more than 55."""
    data = build_training_set(Interactions(np.zeros(101, int), np.arange(101), np.ones(101), 1, 101))
    for ratio, share in ((0.07, 7), (0.55, 55), (0.071, 8)):
        assert importance_scope(data, np.array([0]), [ratio])[0].count == 2 + share


def test_without_ratios_every_row_is_in_scope():
    data, _ = request([(0, 0, 1, 0)])
    assert importance_scope(data, np.zeros(0, int), None)[0].count == USERS + ITEMS


def test_a_request_for_nothing_has_no_scope():
    data, _ = request([(0, 0, 1, 0)])
    assert importance_scope(data, np.zeros(0, int), (1.0, 1.0))[0].count == 0


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_a_ratio_is_a_share(bad):
    with pytest.raises(DataError, match="is not a share: give one value from 0 to 1 per hop"):
        importance_scope(*request([(0, 0, 1, 1)]), [0.5, bad])
