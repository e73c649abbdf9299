"""The protocol of published benchmarks: which interactions, how they are split, and how lists are judged.

That of RecBole-GNN's results on ml-1m: ratings of at least 3 are positives; each user's are split 8:1:1 at random; all items that
the user has neither in train nor, when it is tested, in valid are ranked; Recall, MRR, NDCG, hit rate and precision at 10, each a
mean over the users with test items.
"""

import numpy as np

from ifru_jax.data import Interactions, Split, k_core
from ifru_jax.evaluation.lists import top_lists
from ifru_jax.evaluation.ranking import averages, user_ranking, users_with_relevant
from ifru_jax.training import Trained

K = 10


def positives(data: Interactions, *, core: int = 1, least: float = 3.0) -> Interactions:
    """The interactions rated at least this much, with label 1, of users and items with at least `core` of them."""
    chosen = data.select(data.labels >= least)
    return k_core(chosen.with_labels(np.ones(len(chosen))), core)


def split_by_user(data: Interactions, *, seed: int = 0) -> Split:
    """Each user's interactions at random, a tenth of them (rounded down, but one of 2 … 9) for test, another for valid.

    RecBole's "RS" split grouped by user. Items that train doesn't have stay in the tables, and count against the model.
    """
    draw = np.random.default_rng(seed).random(len(data))
    # The draw belongs to the place in the sorted data, so that the order of the rows decides nothing.
    canonical = np.lexsort((data.items, data.users))
    order = canonical[np.lexsort((draw, data.users[canonical]))]
    counts = data.user_degrees()
    test = np.where(counts > 1, np.maximum(counts // 10, 1), 0)
    valid = np.where(counts > 2, np.maximum(counts // 10, 1), 0)
    users = data.users[order]
    place = np.arange(len(data)) - (np.cumsum(counts) - counts)[users]
    in_test, in_valid = place < test[users], (place >= test[users]) & (place < (test + valid)[users])
    return Split(data.select(order[~in_test & ~in_valid]), data.select(order[in_valid]), data.select(order[in_test]))


def ranking(trained: Trained, seen: Interactions, wanted: Interactions, *, batch: int) -> dict[str, float]:
    """The figures at 10 over the items that are not in `seen`; precision is of ten, as in RecBole."""
    users = users_with_relevant(seen, wanted)
    lists = top_lists(trained.score_grid, seen, users, k=K, batch=batch)
    found = user_ranking(lists, users, seen, wanted)
    figures = {name: value for name, value in averages(found, k=K).items() if value is not None}
    return figures | {f"precision@{K}": float(found.hits.sum() / (K * len(users)))}
