"""What a model answers, by original ids: lists of recommendations, and scores of pairs.

Rows of the tables are asked by `Trained.score_rows` and `Trained.score_grid`.
"""

from collections.abc import Iterable
from itertools import compress

import numpy as np

from ifru_jax.data.forget import Ids, listed
from ifru_jax.data.groups import perhaps_observed
from ifru_jax.errors import DataError, check_kind
from ifru_jax.evaluation.lists import NO_ITEM, scored_lists
from ifru_jax.exact import ExactModel
from ifru_jax.forks import check_not_forked
from ifru_jax.training import Trained


def recommend(
    trained: Trained | ExactModel, *, users: Ids | None = None, k: int = 10
) -> dict[int | str, list[tuple[int | str, float]]]:
    """The k best items of each user that the user has no interaction with, by original ids.

    Sampled negatives are no interactions of the user: nobody saw them. An item without data is in no list, whatever its row scores.

    Args:
      trained: what `fit`, `load` or `unlearn` returned, or an exact model.
      users: ids, or a single one; None takes all users with data.
      k: items per list; fewer where fewer are left.

    Returns:
      {user: [(item, logit), …]}, best first. The list of a user that the model doesn't know is empty: one who was forgotten, or
      never was in the data, which the model can't tell apart.

    Raises:
      DataError: k below 1.
      NumericsError: scores that are not finite.
    """
    check_not_forked()
    check_kind("trained", trained, (Trained, ExactModel), "give what fit, load or unlearn returned")
    data = trained.interactions
    if users is None:
        rows = np.flatnonzero(data.user_degrees())
        asked = (rows if data.user_ids is None else data.user_ids[rows]).tolist()
    else:
        named = listed(users)
        # As they were given: an array of all would make strings of numbers beside strings.
        asked, rows = named.tolist() if isinstance(named, np.ndarray) else list(named), data.user_rows(named)
    known = rows >= 0
    observed = data if data.groups is None else data.select(perhaps_observed(data))
    score = trained.score_columns if isinstance(trained, Trained) else trained.score_grid
    found = scored_lists(score, observed, rows[known], known=data, k=k)
    ids = np.arange(data.num_items) if data.item_ids is None else data.item_ids
    lists: dict[int | str, list[tuple[int | str, float]]] = {user: [] for user in asked}
    for user, items, scores in zip(compress(asked, known), found.items, found.scores, strict=True):
        count = int((items != NO_ITEM).sum())
        lists[user] = list(zip(ids[items[:count]].tolist(), scores[:count].tolist(), strict=True))
    return lists


def score(
    trained: Trained | ExactModel, *, users: Iterable[int | str] | int | str, items: Iterable[int | str] | int | str
) -> np.ndarray:
    """Logits float [n] of the pairs (users[k], items[k]) of original ids.

    Raises:
      DataError: an id that the model doesn't know, or as many users as items were not given.
    """
    check_not_forked()
    check_kind("trained", trained, (Trained, ExactModel), "give what fit, load or unlearn returned")
    who, what = trained.interactions.user_index(listed(users)), trained.interactions.item_index(listed(items))
    if len(who) != len(what):
        raise DataError(f"{len(who)} users and {len(what)} items: a score is of a pair, give one item for every user.")
    return trained.score_rows(who, what)
