"""Intervals from some users against the mean over all."""

import numpy as np
import pytest

from ifru_jax import DataError, Interactions
from ifru_jax.evaluation import estimated_ranking, ranking_metrics

USERS, ITEMS = 400, 30


@pytest.fixture(scope="module")
def case():
    """Scores, train and test."""
    rng = np.random.default_rng(0)
    places = rng.permutation(USERS * ITEMS)[: USERS * 12]
    users, items = np.divmod(places, ITEMS)
    sizes = {"num_users": USERS, "num_items": ITEMS}
    train, test = (
        Interactions(users[part], items[part], np.ones(len(users[part])), **sizes)
        for part in (slice(0, None, 2), slice(1, None, 2))
    )
    scores = rng.normal(size=(USERS, ITEMS))
    scores[test.users, test.items] += 0.5 * rng.exponential(size=len(test))
    return (lambda rows: scores[rows]), train, test


def test_of_all_users_it_is_their_mean(case):
    expected = ranking_metrics(*case, k=2)
    found = estimated_ranking(*case, users=10 * USERS, k=2)
    assert found.keys() == expected.keys()
    for name, (mean, low, high) in found.items():
        assert mean == low == high == pytest.approx(expected[name], abs=1e-12)


def test_nineteen_of_twenty_intervals_hold_the_mean_of_all(case):
    expected = ranking_metrics(*case, k=2)
    held = {name: [] for name in expected}
    for seed in range(200):
        for name, found in estimated_ranking(*case, users=100, seed=seed, k=2).items():
            held[name].append(found.low <= expected[name] <= found.high)
            assert found.low < found.mean < found.high
    # Within three standard deviations of 95 %.
    assert all(0.90 <= np.mean(of) <= 0.995 for of in held.values()), held


def test_without_a_relevant_item_there_is_no_figure(case):
    score, train, test = case
    nothing = test.select(np.zeros(0, int))
    assert set(estimated_ranking(score, train, nothing, users=5, k=2).values()) == {None}
    with pytest.raises(DataError, match="users is 1"):
        estimated_ranking(score, train, test, users=1)
