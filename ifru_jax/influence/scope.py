"""Scope: which rows a request may change, by the importance of nodes.

    s_0(v) = forgotten interactions at v / d(v)
    s_k(w) = Σ_{v ∈ N(w) ∪ {w}} s_{k−1}(v) / d(w),    d(v) = 1 + interactions at v

over the interactions of both labels. Of the nodes first reached at hop k the most important share is kept. Source: Zhang et al.
(arXiv 2307.02147), §4.3, importance-based pruning. Unlike in the authors' code, the endpoints of forgotten interactions are
never pruned.
"""

from collections.abc import Sequence

import numpy as np

from ifru_jax.errors import DataError
from ifru_jax.graph import Nodes, TrainingSet
from ifru_jax.sparse.edges import edges_at


def importance_scope(
    data: TrainingSet, touched: np.ndarray, ratios: Sequence[float] | None, *, max_nodes: int | None = None
) -> tuple[Nodes, int]:
    """The nodes whose rows may change, and how many a budget left out.

    Args:
      data: D.
      touched: int [k], places of the interactions that are forgotten or corrected.
      ratios: share of the nodes newly reached at hop 1, 2, … that is kept; () keeps the endpoints of touched interactions alone;
        None keeps every node.
      max_nodes: nodes at the most; nearer hops come first, then importance. Endpoints always stay.

    Raises:
      DataError: a ratio outside [0, 1], or a budget without ratios.
    """
    if ratios is None:
        if max_nodes is not None:
            raise DataError(f"max_nodes is {max_nodes} but the scope is all rows: give a ratio per hop, for instance scope=(1.0,).")
        return Nodes.everywhere(*data.sizes), 0
    bad = [r for r in ratios if not 0 <= r <= 1]
    if bad:
        raise DataError(f"scope ratio {bad[0]} is not a share: give one value from 0 to 1 per hop.")
    num_users = data.sizes[0]
    kept = Nodes.of(data.interactions.users[touched], data.interactions.items[touched], data.sizes)
    reached, left_out = kept, 0
    scores = importance(data, touched, num_hops=len(ratios)) if ratios else []
    for (user_score, item_score), ratio in zip(scores[1:], ratios, strict=True):
        fresh = np.concatenate([(user_score > 0) & ~reached.users, (item_score > 0) & ~reached.items])
        score = np.where(fresh, np.concatenate([user_score, item_score]), 0)
        count = int(np.ceil(np.round(ratio * fresh.sum(), 9)))  # .07 · 100 is 7.000000000000001
        room = count if max_nodes is None else min(count, max(0, max_nodes - kept.count))
        left_out += count - room
        # In single precision equals are equal whatever the order of their sums was. The sort is stable, so the lower number stays.
        best = np.argsort(-score.astype(np.float32), kind="stable")[:room]
        added = np.zeros(len(score), bool)
        added[best] = True
        kept = kept | Nodes(added[:num_users], added[num_users:])
        reached = Nodes(user_score > 0, item_score > 0)
    return kept, left_out


def importance(data: TrainingSet, touched: np.ndarray, *, num_hops: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """[(s_k of users, s_k of items)] for k = 0 … num_hops, float64 [num_users] and [num_items].

    Only the lists of nodes that have a score are read.

    Args:
      data, touched: see `importance_scope`.
      num_hops: how far importance spreads.
    """
    interactions, pattern = data.interactions, data.lists[0]
    user_degree, item_degree = (1.0 + of for of in data.degrees)
    gone = interactions.select(touched)
    users, items = gone.user_degrees() / user_degree, gone.item_degrees() / item_degree
    scores = [(users, items)]
    for _ in range(num_hops):
        at_items, at_users = edges_at(pattern, np.flatnonzero(items), "col"), edges_at(pattern, np.flatnonzero(users), "row")
        passed_on = items[interactions.items[at_items]], users[interactions.users[at_users]]
        from_items = np.bincount(interactions.users[at_items], weights=passed_on[0], minlength=data.sizes[0])
        from_users = np.bincount(interactions.items[at_users], weights=passed_on[1], minlength=data.sizes[1])
        users, items = (users + from_items) / user_degree, (items + from_users) / item_degree
        scores.append((users, items))
    return scores
