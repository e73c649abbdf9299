"""Which shard an interaction belongs to: at random, or by a balanced clustering of pre-trained embeddings.

    user         ‖p_u − a‖            all interactions of a user together
    item         ‖q_i − a‖            all interactions of an item together
    interaction  ‖p_u − a‖ ‖q_i − a'‖

Anchors a start at random members; in the order of the distances each member joins the nearest anchor whose shard has room; anchors
move to the means of their shards; again, until nothing moves. Source: Chen et al., "Recommendation Unlearning" (WWW 2022), the
three balanced partitions. Room is (1 + slack) m / K members as in the public code, which compares squared distances: the order, and
so the result, is the same. The public code averages a shard over its members *and* over the dimensions, which leaves anchors that
are one number; here they are vectors, as in the paper.

Interactions that are forgotten together (`Interactions.groups`) are one member: negatives go where their positive goes.

>>> assign_balanced(np.array([[0.1, 9.0], [0.2, 8.0], [0.3, 7.0]]), room=2)
array([0, 0, 1], dtype=int32)
"""

from dataclasses import dataclass
from typing import Literal

import jax
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError

PartitionBy = Literal["interaction", "user", "item"]


def random_partition(key: jax.Array, data: Interactions, num_shards: int) -> np.ndarray:
    """int32 [n]: shards of equal size, give or take one member.

    Raises:
      DataError: no shard, or more shards than members.
    """
    member, leaders = _members(data)
    _check(num_shards, len(leaders), "interactions")
    shards = np.empty(len(leaders), np.int32)
    shards[_generator(key).permutation(len(leaders))] = np.arange(len(leaders)) % num_shards
    return shards[member]


def balanced_partition(
    key: jax.Array,
    data: Interactions,
    user_vectors: np.ndarray,
    item_vectors: np.ndarray,
    num_shards: int,
    *,
    by: PartitionBy = "interaction",
    slack: float = 0.2,
    iterations: int = 50,
) -> np.ndarray:
    """int32 [n]: shards of similar users, items or interactions, of about equal size.

    Args:
      key: chooses the first anchors; all else is determined.
      data: n interactions.
      user_vectors, item_vectors: [num_users, d], [num_items, e], pre-trained on the data.
      num_shards: K.
      by: what is similar within a shard. Room is counted in members: users, items or interactions.
      slack: share by which a shard may be larger than the mean.
      iterations: at the most.

    Raises:
      DataError: no shard, more shards than members, or a slack below 0.
    """
    if slack < 0:
        raise DataError(f"slack is {slack}: shards must have room for all, give 0 or more.")
    member, leaders = _members(data)
    users, items = data.users[leaders], data.items[leaders]
    if by == "interaction":
        spaces = [_Space(user_vectors, users), _Space(item_vectors, items)]
        which = np.arange(len(leaders))
    else:
        rows, vectors = (users, user_vectors) if by == "user" else (items, item_vectors)
        present, which = np.unique(rows, return_inverse=True)
        spaces = [_Space(vectors, present)]
    count = len(spaces[0].rows)
    _check(num_shards, count, f"{by}s")
    room = int(np.ceil((1 + slack) * count / num_shards))
    return _cluster(_generator(key), spaces, num_shards, room, iterations)[which][member]


@dataclass(frozen=True)
class _Space:
    """Members as rows [m] of a table [r, d]: many share a row, so distances are taken per row."""

    table: np.ndarray
    rows: np.ndarray

    def distances(self, anchors: np.ndarray) -> np.ndarray:
        """[m, K]"""
        from scipy.spatial.distance import cdist  # half a second that only a partition needs

        return cdist(self.table, anchors)[self.rows]

    def means(self, shards: np.ndarray, anchors: np.ndarray) -> np.ndarray:
        """[K, d]; a shard without members keeps its anchor."""
        num_rows, num_shards = len(self.table), len(anchors)
        counts = np.bincount(self.rows * num_shards + shards, minlength=num_rows * num_shards).reshape(num_rows, num_shards)
        sizes = counts.sum(0)[:, None]
        return np.where(sizes > 0, counts.T @ self.table / np.maximum(sizes, 1), anchors)


def _cluster(rng: np.random.Generator, spaces: list[_Space], num_shards: int, room: int, iterations: int) -> np.ndarray:
    first = rng.choice(len(spaces[0].rows), num_shards, replace=False)
    anchors = [np.asarray(space.table, np.float64)[space.rows[first]] for space in spaces]
    shards = np.zeros(0, np.int32)
    for _ in range(iterations):
        before = shards
        shards = assign_balanced(np.prod([s.distances(a) for s, a in zip(spaces, anchors, strict=True)], axis=0), room=room)
        if np.array_equal(before, shards):
            break
        anchors = [space.means(shards, anchor) for space, anchor in zip(spaces, anchors, strict=True)]
    return shards


def assign_balanced(distances: np.ndarray, *, room: int) -> np.ndarray:
    """Goes through all (member, shard) in ascending order of distance; a member joins the first shard that has room.

    Between two moments at which a shard fills up, every member joins the nearest shard with room, so that at most K sorts of the
    members replace one of all m K distances.

    Args:
      distances: [m, K].
      room: members per shard at the most; K room ≥ m.

    Returns:
      int32 [m].
    """
    num_members, num_shards = distances.shape
    shards = np.zeros(num_members, np.int32)
    left, waiting, shut = np.full(num_shards, room), np.arange(num_members), np.zeros(num_shards, bool)
    while waiting.size:
        open_distances = np.where(shut, np.inf, distances[waiting])
        nearest = open_distances.argmin(1)
        order = np.argsort(open_distances[np.arange(len(waiting)), nearest], kind="stable")
        joined = np.eye(num_shards, dtype=np.int64)[nearest[order]].cumsum(0)
        full = np.flatnonzero((joined >= left).any(1) if not shut.any() else (joined[:, ~shut] >= left[~shut]).any(1))
        end = full[0] + 1 if full.size else len(waiting)
        chosen = order[:end]
        shards[waiting[chosen]] = nearest[chosen]
        left = left - joined[end - 1]
        shut = left == 0
        waiting = np.delete(waiting, chosen)
    return shards


def _members(data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """The member [n] that each interaction belongs to, and the interaction [m] that leads each member."""
    if data.groups is None:
        return np.arange(len(data)), np.arange(len(data))
    _, leaders, member = np.unique(data.groups, return_index=True, return_inverse=True)
    return member, leaders


def _check(num_shards: int, members: int, kind: str) -> None:
    if not 1 <= num_shards <= members:
        raise DataError(f"num_shards is {num_shards} for {members} {kind}: give at least one shard, and no more than there are.")


def _generator(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
