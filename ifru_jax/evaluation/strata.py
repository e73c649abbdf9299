"""Quality by group of users (activity) and of items (popularity): nobody pays for somebody else's erasure.

Users and items with an interaction are cut into groups of equal size by how many they have; ties are cut by number, so that the
groups depend on the data alone. Users are judged by the NDCG of their lists, items by how many of their relevant pairs are found:

    NDCG@k of a user group   = mean over its users with a test positive
    Recall@k of an item group = found relevant pairs of its items / all relevant pairs of its items

A mean over all users hides a group that lost what another gained (Ekstrand et al., "All the cool kids, how do they fit in?", FAT*
2018; for unlearning: Chen et al., "CURE4Rec", arXiv 2408.14393).

>>> import numpy as np
>>> groups_by_degree(np.array([5, 0, 1, 9, 2]), ("few", "many"))
{'few': array([2, 4]), 'many': array([0, 3])}
"""

from collections.abc import Sequence

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.evaluation.ranking import UserRanking

ACTIVITY = ("least active", "medium", "most active")
POPULARITY = ("least popular", "medium", "most popular")


def groups_by_degree(degrees: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Rows with a degree above 0 in groups of equal size, ascending degree; each int, ascending."""
    present = np.flatnonzero(degrees)
    ordered = present[np.argsort(degrees[present], kind="stable")]
    return {name: np.sort(part) for name, part in zip(names, np.array_split(ordered, len(names)), strict=True)}


def grouped_metrics(ranking: UserRanking, retained: Interactions, *, k: int) -> dict[str, float | None]:
    """{"ndcg@k, users: GROUP", "recall@k, items: GROUP"}; None for a group without a relevant pair.

    Args:
      ranking: of `user_ranking`.
      retained: whose degrees make the groups; the same for all models that are compared.
      k: length of the lists.
    """
    found: dict[str, float | None] = {}
    for name, users in groups_by_degree(retained.user_degrees(), ACTIVITY).items():
        found[f"ndcg@{k}, users: {name}"] = _mean(ranking.metrics["ndcg"][np.isin(ranking.users, users)])
    for name, items in groups_by_degree(retained.item_degrees(), POPULARITY).items():
        found[f"recall@{k}, items: {name}"] = _mean(ranking.hits[np.isin(ranking.relevant_items, items)])
    return found


def found_of_items(ranking: UserRanking, retained: Interactions, *, k: int) -> dict[str, int]:
    """{"recall@k, items: GROUP": relevant pairs found}, the counts behind the shares of `grouped_metrics`."""
    groups = groups_by_degree(retained.item_degrees(), POPULARITY)
    return {f"recall@{k}, items: {n}": int(ranking.hits[np.isin(ranking.relevant_items, i)].sum()) for n, i in groups.items()}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None
