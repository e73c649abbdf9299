"""Ranking metrics against a loop over users and items, and against trec_eval."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax.data import load_dataset, protocol_split
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.evaluation import ranking_metrics
from ifru_jax.evaluation.lists import list_overlap, top_lists
from ifru_jax.evaluation.ranking import averages, user_ranking
from ifru_jax.evaluation.strata import grouped_metrics

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
    found = {name: [] for name in ("ndcg", "recall", "hr", "mrr", "map")}
    for user in range(NUM_USERS):
        seen = set(train.items[train.users == user])
        relevant = set(test.items[(test.users == user) & (test.labels == 1)]) - seen
        if not relevant:
            continue
        ranking = sorted(set(range(NUM_ITEMS)) - seen, key=lambda item: (-scores[user, item], item))[:k]
        ranks = [rank for rank, item in enumerate(ranking, 1) if item in relevant]
        ideal = [1 / np.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1)]
        found["ndcg"].append(sum(1 / np.log2(rank + 1) for rank in ranks) / sum(ideal))
        found["recall"].append(len(ranks) / len(relevant))
        found["hr"].append(len(ranks) > 0)
        found["mrr"].append(1 / ranks[0] if ranks else 0)
        found["map"].append(sum(hits / rank for hits, rank in enumerate(ranks, 1)) / len(relevant))
    return {f"{name}@{k}": np.mean(values) for name, values in found.items()}


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
    assert found == pytest.approx(dict.fromkeys(("ndcg@20", "recall@20", "hr@20", "mrr@20", "map@20"), 1.0))


def test_a_pair_that_is_also_in_train_is_not_relevant():
    seen = Interactions(np.array([0]), np.array([1]), np.array([0.0]), 1, 3)
    test = Interactions(np.array([0, 0]), np.array([1, 2]), np.array([1.0, 1.0]), 1, 3)
    scores = np.array([[0.0, 9.0, 1.0]])
    everything = Interactions(np.zeros(3, int), np.arange(3), np.ones(3), 1, 3)
    assert set(ranking_metrics(lambda users: scores[users], seen, test, known=everything, k=1).values()) == {1.0}
    assert set(ranking_metrics(lambda users: scores[users], seen, test, k=1).values()) == {0.0}


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
    assert set(found.values()) == {None}


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


def test_agrees_with_trec_eval_on_ml_100k(shared_data):
    trec = pytest.importorskip("pytrec_eval")
    split = protocol_split(load_dataset(str(shared_data / "ml-100k.csv.gz")))
    train, test = split.train, split.test
    # Distinct scores, popular items mostly higher; trec_eval breaks ties in its own way.
    size = train.num_users * train.num_items
    wanted = np.random.default_rng(0).normal(size=size) + np.tile(0.02 * train.item_degrees(), train.num_users)
    scores = np.argsort(np.argsort(wanted)).astype(np.float32).reshape(train.num_users, -1)
    found = ranking_metrics(lambda users: scores[users], train, test, k=20)

    positive = test.labels == 1
    relevant, run = {}, {}
    for user in np.unique(test.users[positive]):
        relevant[str(user)] = {str(item): 1 for item in test.items[positive & (test.users == user)]}
        unseen = np.setdiff1d(np.arange(train.num_items), train.items[train.users == user])
        best = unseen[np.argsort(-scores[user, unseen])][:20]
        run[str(user)] = {str(item): float(scores[user, item]) for item in best}
    names = {
        "ndcg_cut_20": "ndcg@20",
        "recall_20": "recall@20",
        "success_20": "hr@20",
        "recip_rank": "mrr@20",
        "map_cut_20": "map@20",
    }
    per_user = trec.RelevanceEvaluator(relevant, set(names)).evaluate(run).values()
    expected = {ours: np.mean([user[theirs] for user in per_user]) for theirs, ours in names.items()}
    assert found == pytest.approx(expected, abs=1e-6)


def test_lists_hold_no_seen_item_and_end_where_items_do():
    train, _ = split(8)
    scores = np.random.default_rng(8).normal(size=(NUM_USERS, NUM_ITEMS)).astype(np.float32)
    users = np.array([3, 1])
    lists = top_lists(lambda rows: scores[rows], train, users, k=NUM_ITEMS, batch=1)
    for row, user in zip(lists, users, strict=True):
        unseen = np.setdiff1d(np.arange(NUM_ITEMS), train.items[train.users == user])
        assert row[row >= 0].tolist() == unseen[np.argsort(-scores[user, unseen])].tolist()
    assert list_overlap(lists, lists).tolist() == [1, 1]
    assert list_overlap(lists[:, :4], lists[:, 2:6]).tolist() == [0.5, 0.5]


def test_groups_together_are_the_whole():
    train, test = split(9)
    scores = np.random.default_rng(9).normal(size=(NUM_USERS, NUM_ITEMS)).astype(np.float32)
    users = np.arange(NUM_USERS)
    ranking = user_ranking(top_lists(lambda rows: scores[rows], train, users, k=5), users, train, test)
    everyone = Interactions(np.arange(NUM_USERS), np.arange(NUM_USERS) % NUM_ITEMS, np.ones(NUM_USERS), NUM_USERS, NUM_ITEMS)
    groups = grouped_metrics(ranking, everyone, k=5)
    sizes = [np.isin(ranking.users, part).sum() for part in np.array_split(np.arange(NUM_USERS), 3)]
    of_users = [value for name, value in groups.items() if "users" in name]
    assert np.average(of_users, weights=sizes) == pytest.approx(averages(ranking, k=5)["ndcg@5"])
    with pytest.raises(DataError, match="no list"):
        user_ranking(np.zeros((1, 5), int), np.array([0]), train, test)
