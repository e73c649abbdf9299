"""Groups of interactions that one loss compares: a positive and the negatives that were sampled for it.

Each interaction is compared with the *leader* of its group (`data.groups`). A pairwise loss is then a sum over (leader, other
member), a listwise one a sum over segments numbered by their leaders.
"""

from __future__ import annotations

import numpy as np

from ifru_jax.data.groups import leaders_of
from ifru_jax.data.interactions import Interactions

__all__ = ["group_members", "leaders_of", "leaders_without", "whole_groups"]


def whole_groups(touched: np.ndarray, leaders: np.ndarray) -> np.ndarray:
    """bool [n]: all members of the groups that have a member in `touched` (bool [n])."""
    marked = np.zeros(len(leaders), bool)
    marked[leaders[touched]] = True
    return marked[leaders]


def leaders_without(leaders: np.ndarray, keep: np.ndarray, kept: Interactions) -> np.ndarray:
    """The leaders of what is kept (`keep` bool [n]), in the places it has there."""
    old = leaders[keep]
    if keep[old].all():
        return (np.cumsum(keep, dtype=np.int32) - 1)[old]
    return leaders_of(kept)


def group_members(leaders: np.ndarray) -> np.ndarray:
    """int32 [groups, size]: the members of each group by their places, the leader first; −1 fills up smaller groups."""
    order = np.lexsort((np.arange(len(leaders)) != leaders, leaders))
    ordered = leaders[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(order)])
    members = np.full((len(starts), sizes.max(initial=1)), -1, np.int32)
    row = np.repeat(np.arange(len(starts)), sizes)
    members[row, np.arange(len(order)) - starts[row]] = order
    return members
