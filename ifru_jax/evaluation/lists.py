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

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError

ScoreBlock = Callable[[np.ndarray], ArrayLike]
"""int32 [b] users → [b, num_items] scores."""

NO_ITEM = -1
"""Stands in a list that is longer than the items a user has not seen."""


def top_lists(score_block: ScoreBlock, seen: Interactions, users: np.ndarray, *, k: int = 20, batch: int = 256) -> np.ndarray:
    """The k best items of each user that the user does not have in `seen`.

    Args:
      score_block: takes int32 [b] users, returns [b, num_items] scores. b is the same in every call (the last block repeats user
        rows), so a jitted one compiles once.
      seen: interactions whose items leave the ranking, whatever their label.
      users: int [n], rows of the users whose lists are wanted.
      k: length of the lists.
      batch: users per block; memory is batch × num_items scores.

    Returns:
      int32 [n, min(k, num_items)], best first; among equal scores the smaller item number comes first. `NO_ITEM` at the end
      of a list for which no item was left.

    Raises:
      DataError: k or batch below 1, or scores of another shape.
      NumericsError: a score that is NaN or infinite.
    """
    from scipy import sparse  # takes a tenth of a second to import

    if k < 1 or batch < 1:
        raise DataError(f"k is {k} and batch is {batch}: both must be at least 1.")
    users = np.asarray(users, np.int32)
    length = min(k, seen.num_items)
    if not users.size:
        return np.zeros((0, length), np.int32)
    batch = min(batch, users.size)
    blocks = np.concatenate([users, np.repeat(users[:1], -users.size % batch)]).reshape(-1, batch)
    shape = (seen.num_users, seen.num_items)
    of_user = sparse.csr_array((np.ones(len(seen), bool), (seen.users, seen.items)), shape=shape)
    seen_pairs = [np.stack(of_user[block].nonzero()).astype(np.int32) for block in blocks]
    # All blocks have as many pairs as the one with the most; those that fill up are of row b.
    width = max(pairs.shape[1] for pairs in seen_pairs)

    # Each block is sent to the device before the one before it is read back.
    pending = []
    for block, pairs in zip(blocks, seen_pairs, strict=True):
        scores = jnp.asarray(score_block(block))
        if scores.shape != (batch, seen.num_items):
            raise DataError(f"score_block returned shape {scores.shape} for {batch} users and {seen.num_items} items.")
        rows, items = np.pad(pairs, ((0, 0), (0, width - pairs.shape[1])), constant_values=batch)
        pending.append(_top(scores, (rows, items), length))
    lists, finite = (np.concatenate([np.asarray(part) for part in parts])[: users.size] for parts in zip(*pending, strict=True))
    if not finite.all():
        raise NumericsError(
            f"the scores of user {users[~finite][0]} are not finite ({int((~finite).sum())} such users): the model has "
            "diverged, lower its learning rate or raise the damping."
        )
    return lists


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
def _top(scores: jax.Array, seen: tuple[ArrayLike, ArrayLike], k: int) -> tuple[jax.Array, jax.Array]:
    """Items [b, k], and whether all scores of a user were finite [b]. Padded pairs have row b and are dropped."""
    values, items = lax.top_k(scores.at[seen].set(-jnp.inf, mode="drop"), k)
    return jnp.where(values > -jnp.inf, items, NO_ITEM), jnp.isfinite(scores).all(1)
