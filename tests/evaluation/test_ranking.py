"""NDCG@k and Recall@k against a loop over users and items."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.evaluation import ranking_metrics

NUM_USERS, NUM_ITEMS = 37, 29


def split(seed: int) -> tuple[Interactions, Interactions]:
    generator = np.random.default_rng(seed)
    cells = generator.permutation(NUM_USERS * NUM_ITEMS)
    chosen = np.split(cells[:500], [350])
    return tuple(
        Interactions(cell // NUM_ITEMS, cell % NUM_ITEMS, generator.integers(0, 2, cell.size), NUM_USERS, NUM_ITEMS)
        for cell in chosen
    )


def brute_force(scores: np.ndarray, train: Interactions, test: Interactions, k: int) -> dict[str, float]:
    ndcg, recall = [], []
    for user in range(NUM_USERS):
        seen = set(train.items[train.users == user])
        relevant = set(test.items[(test.users == user) & (test.labels == 1)]) - seen
        if not relevant:
            continue
        ranking = sorted(set(range(NUM_ITEMS)) - seen, key=lambda item: (-scores[user, item], item))[:k]
        gains = [1 / np.log2(rank + 2) for rank, item in enumerate(ranking) if item in relevant]
        ideal = [1 / np.log2(rank + 2) for rank in range(min(k, len(relevant)))]
        ndcg.append(sum(gains) / sum(ideal))
        recall.append(len(gains) / len(relevant))
    return {f"ndcg@{k}": np.mean(ndcg), f"recall@{k}": np.mean(recall)}


@pytest.mark.parametrize("k", [1, 5, 20, 100])
@pytest.mark.parametrize("batch", [1, 8, 256])
def test_agrees_with_the_loop(k, batch):
    train, test = split(k)
    scores = np.random.default_rng(k).normal(size=(NUM_USERS, NUM_ITEMS)).astype(np.float32)
    found = ranking_metrics(lambda users: scores[users], train, test, k=k, batch=batch)
    assert found == pytest.approx(brute_force(scores, train, test, k), abs=1e-6)


def test_ties_go_to_the_smaller_item_number():
    train, test = split(3)
    scores = np.zeros((NUM_USERS, NUM_ITEMS), np.float32)
    found = ranking_metrics(lambda users: scores[users], train, test, k=5)
    assert found == pytest.approx(brute_force(scores, train, test, 5), abs=1e-6)


def test_a_perfect_ranking_scores_one_and_repeated_rows_count_once():
    train, test = split(4)
    repeated = test.select(np.concatenate([np.arange(len(test)), np.arange(20)]))
    scores = np.zeros((NUM_USERS, NUM_ITEMS), np.float32)
    scores[test.users, test.items] = test.labels
    found = ranking_metrics(lambda users: scores[users], train, repeated)
    assert found == pytest.approx({"ndcg@20": 1.0, "recall@20": 1.0})


def test_a_pair_that_is_also_in_train_is_not_relevant():
    seen = Interactions(np.array([0]), np.array([1]), np.array([0.0]), 1, 3)
    test = Interactions(np.array([0, 0]), np.array([1, 2]), np.array([1.0, 1.0]), 1, 3)
    scores = np.array([[0.0, 9.0, 1.0]])
    assert ranking_metrics(lambda users: scores[users], seen, test, k=1) == {"ndcg@1": 1.0, "recall@1": 1.0}


def test_users_come_in_blocks_of_one_size_so_a_jitted_model_compiles_once():
    train, test = split(5)
    shapes = []

    @jax.jit
    def score_block(users):
        shapes.append(users.shape)
        return jnp.sin(users[:, None] * 7.0 + jnp.arange(NUM_ITEMS))

    ranking_metrics(score_block, train, test, batch=8)
    assert shapes == [(8,)]


def test_none_without_a_relevant_item():
    train, test = split(6)
    disliked = test.with_labels(np.zeros(len(test)))
    found = ranking_metrics(lambda users: np.zeros((len(users), NUM_ITEMS)), train, disliked)
    assert found == {"ndcg@20": None, "recall@20": None}


def test_errors_say_what_is_wrong():
    train, test = split(7)
    with pytest.raises(NumericsError, match="not finite"):
        ranking_metrics(lambda users: np.full((len(users), NUM_ITEMS), np.nan), train, test)
    with pytest.raises(DataError, match="score_block returned shape"):
        ranking_metrics(lambda users: np.zeros((len(users), 2)), train, test)
    with pytest.raises(DataError, match="same users and items"):
        ranking_metrics(lambda users: np.zeros((len(users), 2)), train, Interactions.from_arrays([1], [1]))
    with pytest.raises(DataError, match="at least 1"):
        ranking_metrics(lambda users: np.zeros((len(users), NUM_ITEMS)), train, test, k=0)
