"""Scope: which rows a request may change, by the importance of nodes.

    s_0(v) = forgotten interactions at v / d(v)
    s_k(w) = Σ_{v ∈ N(w) ∪ {w}} s_{k−1}(v) / d(w),    d(v) = 1 + interactions at v

over the interactions of both labels. Of the nodes first reached at hop k the most important share is kept. Source: Zhang et al.
(arXiv 2307.02147), §4.3, importance-based pruning. Unlike in the authors' code, the endpoints of forgotten interactions are
never pruned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifru_jax.data.forget import rows_among
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph import Edges
from ifru_jax.graph.edges import degrees
from ifru_jax.graph.incidence import places_of
from ifru_jax.graph.neighbourhood import Nodes, endpoints
from ifru_jax.models import Side


def importance_scope(
    data: Interactions,
    forgotten: np.ndarray,
    ratios: Sequence[float] | None,
    *,
    max_nodes: int | None = None,
    lists: Edges | None = None,
) -> tuple[Nodes, int]:
    """The nodes whose rows may change, and how many a budget left out.

    Args:
      data: all interactions, the forgotten included.
      forgotten: bool [n], or int places of the forgotten interactions.
      ratios: share of the nodes newly reached at hop 1, 2, … that is kept; () keeps the endpoints of forgotten
        interactions alone; None keeps every node.
      max_nodes: nodes at the most; nearer hops come first, then importance. Endpoints always stay.
      lists: see `importance`.

    Raises:
      DataError: a ratio outside [0, 1], or a budget without ratios.
    """
    if ratios is None:
        if max_nodes is not None:
            raise DataError(f"max_nodes is {max_nodes} but the scope is all rows: give a ratio per hop, for instance scope=(1.0,).")
        return Nodes(np.ones(data.num_users, bool), np.ones(data.num_items, bool)), 0
    bad = [r for r in ratios if not 0 <= r <= 1]
    if bad:
        raise DataError(f"scope ratio {bad[0]} is not a share: give one value from 0 to 1 per hop.")
    kept = endpoints(data.users[forgotten], data.items[forgotten], num_users=data.num_users, num_items=data.num_items)
    reached, left_out = kept, 0
    scores = importance(data, forgotten, num_hops=len(ratios), lists=lists) if ratios else []
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
        kept = Nodes(kept.users | added[: data.num_users], kept.items | added[data.num_users :])
        reached = Nodes(user_score > 0, item_score > 0)
    return kept, left_out


def importance(
    data: Interactions, forgotten: np.ndarray, *, num_hops: int, lists: Edges | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """[(s_k of users, s_k of items)] for k = 0 … num_hops, float64 [num_users] and [num_items].

    Args:
      data, forgotten: see `importance_scope`.
      num_hops: how far importance spreads.
      lists: the pattern of the same interactions in the same order, where there is one: then only the lists of nodes that have a
        score are read.
    """
    of_users, of_items = (data.user_degrees(), data.item_degrees()) if lists is None else degrees(lists, len(data))
    user_degree, item_degree = 1.0 + of_users, 1.0 + of_items
    gone = data.select(forgotten)
    users, items = gone.user_degrees() / user_degree, gone.item_degrees() / item_degree
    scores = [(users, items)]
    for _ in range(num_hops):
        from_items = _passed_on(items, data.items, data.users, size=data.num_users, side="item", lists=lists)
        from_users = _passed_on(users, data.users, data.items, size=data.num_items, side="user", lists=lists)
        users, items = (users + from_items) / user_degree, (items + from_users) / item_degree
        scores.append((users, items))
    return scores


def _passed_on(
    scores: np.ndarray, ends: np.ndarray, others: np.ndarray, *, size: int, side: Side, lists: Edges | None
) -> np.ndarray:
    """Σ of the scores of the neighbours, float64 [size]; reads the interactions of nodes that have a score and no others."""
    rows = np.flatnonzero(scores)
    which = np.flatnonzero(rows_among(ends, rows, len(scores))) if lists is None else places_of(lists, rows, side)
    return np.bincount(others[which], weights=scores[ends[which]], minlength=size)
