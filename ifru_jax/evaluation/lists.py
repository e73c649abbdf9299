"""Top-K lists over the full ranking of the items a user has not seen, batched on the device; and how much two models' lists agree.

    overlap@K(a, b) = mean_u |top_K^a(u) ∩ top_K^b(u)| / |top_K(u)|

The share of a list that another model shows too: 1 for equal lists, whatever their order. Between two retrained models it is below
1, so it is read against that (see `ifru_jax.evaluation.closeness`).

>>> import numpy as np
>>> list_overlap(np.array([[4, 2, 7]]), np.array([[2, 9, 4]])).round(3)
array([0.667])
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.evaluation.lists_over_mesh import NO_ITEM, top_over_mesh
from ifru_jax.meshes import among_processes
from ifru_jax.sparse.placement import mesh_of, on_host

ScoreBlock = Callable[[np.ndarray], ArrayLike]
"""int32 [b] users → [b, num_items] scores; −∞ where an item is not to be shown."""


class Lists(NamedTuple):
    """The lists of n users.

    Attributes:
      items: int32 [n, k], best first; `NO_ITEM` where no item is left.
      scores: float [n, k]; −∞ where no item is left.
    """

    items: np.ndarray
    scores: np.ndarray


def top_lists(
    score_block: ScoreBlock,
    seen: Interactions,
    users: np.ndarray,
    *,
    known: Interactions | None = None,
    k: int = 20,
    batch: int = 256,
) -> np.ndarray:
    """The items of `scored_lists`, int32 [n, min(k, num_items)]; arguments and errors are the same."""
    return scored_lists(score_block, seen, users, known=known, k=k, batch=batch).items


def scored_lists(
    score_block: ScoreBlock,
    seen: Interactions,
    users: np.ndarray,
    *,
    known: Interactions | None = None,
    k: int = 20,
    batch: int = 256,
) -> Lists:
    """The k best items of each user that the user does not have in `seen`.

    An item without an interaction in `known` is in no list, and the list of a user without one is empty: a row that was cleared
    scores 0, which says nothing and is above all that a model doesn't want to recommend.

    Args:
      score_block: takes int32 [b] users, returns [b, num_items] scores. b is the same in every call (the last block repeats user
        rows), so a jitted one compiles once. Over the devices of a mesh it may have more columns, where the table is filled up:
        each device then ranks its own items, and only its best go to the others (`evaluation.lists_over_mesh`).
      seen: interactions whose items leave the ranking, whatever their label. Of shares all processes ask for the same users, and
        tell one another what those of a block have seen.
      users: int [n], rows of the users whose lists are wanted.
      known: what is known of users and items, whatever the label; None takes `seen`.
      k: length of the lists.
      batch: users per block; memory is batch × num_items scores.

    Returns:
      Lists of min(k, num_items) places; among equal scores the smaller item number comes first.

    Raises:
      DataError: k or batch below 1, or scores of another shape.
      NumericsError: a score that is NaN or +∞.
    """
    from scipy import sparse  # takes a tenth of a second to import

    if k < 1 or batch < 1:
        raise DataError(f"k is {k} and batch is {batch}: both must be at least 1.")
    users, known = np.asarray(users, np.int32), seen if known is None else known
    length = min(k, seen.num_items)
    if not users.size:
        return Lists(np.zeros((0, length), np.int32), np.zeros((0, length), np.float32))
    batch = min(batch, users.size)
    blocks = np.concatenate([users, np.repeat(users[:1], -users.size % batch)]).reshape(-1, batch)
    shape = (seen.num_users, seen.num_items)
    of_user = sparse.csr_array((np.ones(len(seen), bool), (seen.users, seen.items)), shape=shape)
    seen_pairs = [_of_all_shares(np.stack(of_user[block].nonzero()).astype(np.int32), seen) for block in blocks]
    # All blocks have as many pairs as the one with the most; those that fill up are of row b.
    width = max(pairs.shape[1] for pairs in seen_pairs)
    has_data = known.user_degrees() > 0, known.item_degrees() > 0

    # Each block is sent to the device before the one before it is read back.
    pending = []
    for block, pairs in zip(blocks, seen_pairs, strict=True):
        scores = jnp.asarray(score_block(block))
        mesh = mesh_of(scores)
        if scores.shape != (batch, seen.num_items) and (mesh is None or scores.shape[1] < seen.num_items):
            raise DataError(f"score_block returned shape {scores.shape} for {batch} users and {seen.num_items} items.")
        rows, items = np.pad(pairs, ((0, 0), (0, width - pairs.shape[1])), constant_values=batch)
        shown = np.pad(has_data[1], (0, scores.shape[1] - seen.num_items))
        top = _top if mesh is None else partial(top_over_mesh, mesh)
        pending.append(top(scores, (has_data[0][block], shown), (rows, items), length))
    values, lists, sound = (np.concatenate([on_host(part) for part in parts])[: users.size] for parts in zip(*pending, strict=True))
    if not sound.all():
        raise NumericsError(
            f"the scores of user {users[~sound][0]} are not finite ({int((~sound).sum())} such users): the model has "
            "diverged, lower its learning rate or raise the damping."
        )
    return Lists(lists, values)


def _of_all_shares(pairs: np.ndarray, data: Interactions) -> np.ndarray:
    """The pairs [2, m] of all processes, where each has some; as they are where nothing is shared."""
    if data.share is None:
        return pairs
    index, count = among_processes(data.share.mesh)
    counts = np.zeros(count, np.int64)
    counts[index] = pairs.shape[1]
    ends = np.cumsum(data.added_up(counts))
    out = np.zeros((2, ends[-1]), np.int32)
    out[:, ends[index] - pairs.shape[1] : ends[index]] = pairs
    return data.added_up(out)


def list_overlap(lists: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 [n]: share of the items of each list [n, k] that the other model's list of the same user has too.

    Raises:
      DataError: lists of different shapes.
    """
    if lists.ndim != 2 or lists.shape != others.shape:
        raise DataError(f"lists have shapes {lists.shape} and {others.shape}: compare the same users and one length.")
    in_both = np.zeros(len(lists))
    for place in range(others.shape[1]):
        item = others[:, place : place + 1]
        in_both += ((lists == item) & (item != NO_ITEM)).any(1)
    length = (lists != NO_ITEM).sum(1)
    # Two empty lists are equal.
    return np.where(length > 0, in_both / np.maximum(length, 1), 1.0)


@partial(jax.jit, static_argnames="k")
def _top(
    scores: jax.Array, known: tuple[ArrayLike, ArrayLike], seen: tuple[ArrayLike, ArrayLike], k: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scores and items [b, k], and whether no score of a user is NaN or +∞ [b]. Padded pairs have row b and are dropped.

    −∞ is a score of its own: not to be shown.
    """
    sound = (scores < jnp.inf).all(1)
    shown = jnp.asarray(known[0])[:, None] & jnp.asarray(known[1])
    values, items = lax.top_k(jnp.where(shown, scores, -jnp.inf).at[seen].set(-jnp.inf, mode="drop"), k)
    return values, jnp.where(values > -jnp.inf, items, NO_ITEM), sound
