"""Top-k quality over the full ranking of the items a user has not seen.

    Recall@k(u) = |top_k(u) ∩ R_u| / |R_u|
    NDCG@k(u)   = Σ_{r ≤ k} [item at rank r ∈ R_u] / log₂(r + 1)  /  Σ_{r ≤ min(k, |R_u|)} 1 / log₂(r + 1)

R_u are the user's test positives. Every item the user has in train, liked or not, is taken out of the ranking first.
Both are averaged over the users with at least one item in R_u (He et al., "LightGCN", SIGIR 2020; Järvelin and
Kekäläinen, TOIS 2002).

>>> import numpy as np
>>> from ifru_jax.data.interactions import Interactions
>>> table = {"num_users": 1, "num_items": 4}
>>> train = Interactions(np.array([0]), np.array([0]), np.array([1.0]), **table)
>>> test = Interactions(np.array([0]), np.array([2]), np.array([1.0]), **table)
>>> scores = np.array([[9.0, 3.0, 2.0, 1.0]])  # item 0 is seen, so item 2 has rank 2
>>> {name: round(value, 4) for name, value in ranking_metrics(lambda users: scores[users], train, test, k=2).items()}
{'ndcg@2': 0.6309, 'recall@2': 1.0}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError


def ranking_metrics(
    score_block: Callable[[np.ndarray], ArrayLike],
    train: Interactions,
    test: Interactions,
    *,
    k: int = 20,
    batch: int = 256,
) -> dict[str, float | None]:
    """NDCG@k and Recall@k, each a mean over users.

    Args:
      score_block: takes int32 [b] users, returns [b, num_items] scores. b is the same in every call (the last block
        repeats user rows), so a jitted one compiles once.
      train: interactions whose items leave the ranking, whatever their label.
      test: interactions labelled 1 are relevant, others are ignored; so are pairs that occur in train.
      k: length of the list.
      batch: users per block; memory is batch × num_items scores.

    Returns:
      {"ndcg@k": mean, "recall@k": mean}, both None when no user has a relevant item. Among equal scores the item with
      the smaller number ranks first.

    Raises:
      DataError: train and test of different tables, k or batch below 1, or scores of another shape.
      NumericsError: a score that is NaN or infinite.
    """
    _check(train, test, k, batch)
    relevant = _relevant(train, test)
    users = np.flatnonzero(np.diff(relevant.starts)).astype(np.int32)
    if users.size == 0:
        return {f"ndcg@{k}": None, f"recall@{k}": None}
    batch = min(batch, users.size)
    blocks = np.concatenate([users, np.zeros(-users.size % batch, np.int32)]).reshape(-1, batch)
    seen = _ItemsOf.of(train.users, train.items, train.num_users)
    seen_width, relevant_width = seen.widest(blocks), relevant.widest(blocks)

    ndcg, recall, finite = [], [], []
    for block in blocks:
        scores = jnp.asarray(score_block(block))
        if scores.shape != (batch, train.num_items):
            raise DataError(f"score_block returned shape {scores.shape} for {batch} users and {train.num_items} items.")
        metrics = _block_metrics(
            scores, seen.pairs(block, seen_width), relevant.pairs(block, relevant_width), min(k, train.num_items)
        )
        for collected, values in zip((ndcg, recall, finite), metrics, strict=True):
            collected.append(np.asarray(values))
    bad = users[~np.concatenate(finite)[: users.size]]
    if bad.size:
        raise NumericsError(
            f"the scores of user {bad[0]} are not finite ({bad.size} such users): the model has diverged, lower its "
            "learning rate or raise the damping."
        )
    ndcg, recall = (np.concatenate(values)[: users.size].mean(dtype=np.float64) for values in (ndcg, recall))
    return {f"ndcg@{k}": float(ndcg), f"recall@{k}": float(recall)}


@partial(jax.jit, static_argnames="k")
def _block_metrics(
    scores: jax.Array, seen: tuple[ArrayLike, ArrayLike], relevant: tuple[ArrayLike, ArrayLike], k: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Per user [b]: NDCG, recall, and whether all scores were finite. Padded pairs have row b and are dropped."""
    _, top = lax.top_k(scores.at[seen].set(-jnp.inf, mode="drop"), k)
    is_relevant = jnp.zeros(scores.shape, bool).at[relevant].set(True, mode="drop")
    num_relevant = jnp.maximum(is_relevant.sum(1), 1)
    hit = jnp.take_along_axis(is_relevant, top, axis=1)
    discount = 1 / jnp.log2(jnp.arange(2, k + 2))
    ideal = jnp.cumsum(discount)[jnp.minimum(num_relevant, k) - 1]
    return (hit * discount).sum(1) / ideal, hit.sum(1) / num_relevant, jnp.isfinite(scores).all(1)


@dataclass(frozen=True)
class _ItemsOf:
    """The items of each user: items[starts[u] : starts[u + 1]]."""

    starts: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, users: np.ndarray, items: np.ndarray, num_users: int) -> _ItemsOf:
        starts = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=num_users))])
        return cls(starts, items[np.argsort(users, kind="stable")])

    def widest(self, blocks: np.ndarray) -> int:
        """Most pairs that any block [_, b] of users has."""
        return int(np.diff(self.starts)[blocks].sum(axis=1).max())

    def pairs(self, block: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """(row in the block, item), int32 [width] each, for the users [b] of a block; the rest is padded with row b."""
        counts = np.diff(self.starts)[block]
        rows = np.repeat(np.arange(block.size), counts)
        place = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts) + self.starts[block][rows]
        padding = (0, width - rows.size)
        padded_rows = np.pad(rows, padding, constant_values=block.size)
        return padded_rows.astype(np.int32), np.pad(self.items[place], padding).astype(np.int32)


def _relevant(train: Interactions, test: Interactions) -> _ItemsOf:
    """Distinct test positives that are not in train."""

    def pair_numbers(data: Interactions) -> np.ndarray:
        return data.users.astype(np.int64) * data.num_items + data.items

    wanted = np.unique(pair_numbers(test)[test.labels > 0.5])
    wanted = wanted[~np.isin(wanted, pair_numbers(train))]
    return _ItemsOf.of(wanted // test.num_items, wanted % test.num_items, test.num_users)


def _check(train: Interactions, test: Interactions, k: int, batch: int) -> None:
    if (train.num_users, train.num_items) != (test.num_users, test.num_items):
        raise DataError(f"train is {train} but test is {test}: both must number the same users and items.")
    if k < 1 or batch < 1:
        raise DataError(f"k is {k} and batch is {batch}: both must be at least 1.")
