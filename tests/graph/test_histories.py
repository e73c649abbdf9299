"""Histories: who sees what, with equal times, negatives and deletions."""

import numpy as np
import pytest

from ifru_jax.data import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph import build_training_set

DATA = Interactions(
    users=np.array([0, 0, 0, 0, 0, 1]),
    items=np.array([3, 1, 0, 2, 4, 3]),
    labels=np.array([1, 1, 0, 1, 1, 1]),
    num_users=3,
    num_items=5,
    timestamps=np.array([50, 20, 50, 50, 70, 10]),
)


def seen(training_set):
    """(user, item): the items before it, for every interaction."""
    history, data = training_set.graph.history, training_set.interactions
    items, starts, positions = (np.asarray(x) for x in (history.items, history.starts, history.positions))
    return {
        (int(u), int(i)): items[starts[u] : starts[u] + p].tolist()
        for u, i, p in zip(data.users, data.items, positions[: len(data)], strict=True)
    }


def test_an_interaction_sees_what_was_strictly_before_it():
    found = seen(build_training_set(DATA, with_history=True))
    # Items 2 and 3 and the negative 0 have one time: none sees the others.
    assert found == {(0, 1): [], (0, 0): [1], (0, 2): [1], (0, 3): [1], (0, 4): [1, 2, 3], (1, 3): []}


def test_a_deletion_is_a_history_of_what_is_left():
    whole = build_training_set(DATA, with_history=True)
    gone = np.flatnonzero(whole.interactions.items == 1)
    after = whole.without(gone)
    assert seen(after) == {(0, 0): [], (0, 2): [], (0, 3): [], (0, 4): [2, 3], (1, 3): []}
    assert after.graph.history.items.shape == whole.graph.history.items.shape
    np.testing.assert_array_equal(after.graph.history.starts, [0, 3, 4, 4])
    unseen = whole.without(np.flatnonzero(whole.interactions.items == 0))
    assert seen(unseen)[0, 4] == [1, 2, 3]


def test_what_is_refused():
    with pytest.raises(DataError, match="what came before what"):
        build_training_set(Interactions(DATA.users, DATA.items, DATA.labels, 3, 5), with_history=True)
