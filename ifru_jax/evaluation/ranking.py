"""Top-k quality over the full ranking of the items a user has not seen. With R_u the user's test positives:

    Recall@k(u) = |top_k(u) ∩ R_u| / |R_u|
    NDCG@k(u)   = Σ_{r ≤ k} [item at rank r ∈ R_u] / log₂(r + 1)  /  Σ_{r ≤ min(k, |R_u|)} 1 / log₂(r + 1)
    HR@k(u)     = [top_k(u) ∩ R_u ≠ ∅]
    MRR@k(u)    = 1 / rank of the first item of R_u, 0 if none is in the list
    MAP@k(u)    = (1 / |R_u|) Σ_{r ≤ k} [item at rank r ∈ R_u] · (hits up to r) / r

Every item the user has in train, liked or not, is taken out of the ranking first. All are averaged over the users with at least one
item in R_u (He et al., "LightGCN", SIGIR 2020; Järvelin and Kekäläinen, TOIS 2002; MAP and MRR as trec_eval cuts them).

>>> import numpy as np
>>> from ifru_jax.data.interactions import Interactions
>>> table = {"num_users": 1, "num_items": 4}
>>> train = Interactions(np.array([0]), np.array([0]), np.array([1.0]), **table)
>>> known = Interactions(np.zeros(4, int), np.arange(4), np.ones(4), **table)  # all items are known, by whatever data
>>> test = Interactions(np.array([0]), np.array([2]), np.array([1.0]), **table)
>>> scores = np.array([[9.0, 3.0, 2.0, 1.0]])  # item 0 is seen, so item 2 has rank 2
>>> {name: round(value, 4) for name, value in ranking_metrics(lambda users: scores[users], train, test, known=known, k=2).items()}
{'ndcg@2': 0.6309, 'recall@2': 1.0, 'hr@2': 1.0, 'mrr@2': 0.5, 'map@2': 0.5}
"""

from dataclasses import dataclass

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.errors import DataError
from ifru_jax.evaluation.lists import NO_ITEM, ScoreBlock, top_lists

METRICS = ("ndcg", "recall", "hr", "mrr", "map")


@dataclass(frozen=True, eq=False)
class UserRanking:
    """Quality of the list of each user, before it is averaged.

    Attributes:
      users: int [n], the users with a relevant item, ascending.
      metrics: float64 [n] by name, one of `METRICS`.
      relevant_users, relevant_items: int [m], all relevant pairs.
      hits: bool [m], whether the pair's item is in its user's list.
    """

    users: np.ndarray
    metrics: dict[str, np.ndarray]
    relevant_users: np.ndarray
    relevant_items: np.ndarray
    hits: np.ndarray


def ranking_metrics(
    score_block: ScoreBlock,
    train: Interactions,
    test: Interactions,
    *,
    known: Interactions | None = None,
    k: int = 20,
    batch: int = 256,
) -> dict[str, float | None]:
    """NDCG, Recall, hit rate, MRR and MAP at k, each a mean over users.

    Args:
      score_block: takes int32 [b] users, returns [b, num_items] scores; see `top_lists`.
      train: interactions whose items leave the ranking, whatever their label.
      test: interactions labelled 1 are relevant, others are ignored; so are pairs that occur in train.
      known: users and items without an interaction in it are in no list; None takes `train`.
      k: length of the list.
      batch: users per block; memory is batch × num_items scores.

    Returns:
      {"ndcg@k", "recall@k", "hr@k", "mrr@k", "map@k"}, all None when no user has a relevant item. Among equal scores the item with
      the smaller number ranks first.

    Raises:
      DataError: train and test of different tables, k or batch below 1, or scores of another shape.
      NumericsError: a score that is NaN or +∞.
    """
    users = users_with_relevant(train, test)
    lists = top_lists(score_block, train, users, known=known, k=k, batch=batch)
    return averages(user_ranking(lists, users, train, test), k=k, data=test)


def averages(ranking: UserRanking, *, k: int, data: Interactions | None = None) -> dict[str, float | None]:
    """Means over users, named "ndcg@k" and so on; None without a user. Of shares of `data` over the users of all processes."""
    sums = np.array([len(ranking.users), *(ranking.metrics[name].sum() for name in METRICS)], np.float64)
    count, *sums = (sums if data is None else data.added_up(sums)).tolist()
    return {f"{name}@{k}": total / count if count else None for name, total in zip(METRICS, sums, strict=True)}


def users_with_relevant(train: Interactions, test: Interactions) -> np.ndarray:
    """int [n]: the users who have a test positive that is not in train, ascending; of shares those of all processes."""
    counts = np.bincount(_relevant(train, test) // test.num_items, minlength=test.num_users)
    return np.flatnonzero(test.added_up(counts))


def user_ranking(lists: np.ndarray, users: np.ndarray, train: Interactions, test: Interactions) -> UserRanking:
    """Quality of given lists.

    Of shares the quality is that of the users of this process.

    Args:
      lists: int [n, k], what `top_lists` gave for these users.
      users: int [n], distinct; all users with a relevant item must be among them.
      train, test: as for `ranking_metrics`.

    Raises:
      DataError: a user with a relevant item has no list.
    """
    relevant = _relevant(train, test)
    relevant_users = relevant // test.num_items
    having, num_relevant = np.unique(relevant_users, return_counts=True)
    row_of = np.full(test.num_users, -1)
    row_of[users] = np.arange(len(users))
    missing = having[row_of[having] < 0]
    if missing.size:
        raise DataError(f"user {missing[0]} has a relevant item but no list ({missing.size} such users): give the lists of all.")
    of_user = lists[row_of[having]]
    keys = np.where(of_user == NO_ITEM, -1, pair_keys(having[:, None], of_user, test.num_items))
    hit = contains(relevant, keys.ravel()).reshape(keys.shape)
    ranks = np.arange(1, lists.shape[1] + 1)
    discount = 1 / np.log2(ranks + 1)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(num_relevant, len(ranks))]
    any_hit = hit.any(1)
    metrics = {
        "ndcg": (hit * discount).sum(1) / ideal,
        "recall": hit.sum(1) / num_relevant,
        "hr": any_hit.astype(np.float64),
        "mrr": np.where(any_hit, 1 / (hit.argmax(1) + 1), 0.0),
        "map": (hit * hit.cumsum(1) / ranks).sum(1) / num_relevant,
    }
    return UserRanking(having, metrics, relevant_users, relevant % test.num_items, contains(distinct(keys.ravel()), relevant))


def _relevant(train: Interactions, test: Interactions) -> np.ndarray:
    """Keys of the distinct test positives that are not in train, ascending."""
    if (train.num_users, train.num_items) != (test.num_users, test.num_items):
        raise DataError(f"train is {train} but test is {test}: both must number the same users and items.")
    positive = test.labels > 0.5
    wanted = distinct(pair_keys(test.users[positive], test.items[positive], test.num_items))
    return wanted[~contains(distinct(pair_keys(train.users, train.items, train.num_items)), wanted)]
