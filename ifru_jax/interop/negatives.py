"""Negatives as the sampler of a source draws them: a fixed draw stands for the expected loss over the sampler."""

from dataclasses import replace

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.errors import DataError

_ROUNDS, _MOST = 50, 1000


def with_negatives(data: Interactions, *, per_positive: int, popular: bool, seed: int = 0) -> Interactions:
    """Every positive followed by its negatives, a group each; a negative may come for several positives of its user.

    A user who has nearly everything may get fewer negatives; one who has everything has no group, compares nothing, and is refused.

    Args:
      data: positives.
      per_positive: negatives of each.
      popular: draws an item as often as it has interactions; False draws all items alike.
      seed: of the draw.

    Raises:
      DataError: labels that are not positive, groups that are there already, or a positive without any negative.
    """
    if per_positive < 1:
        raise DataError(f"per_positive is {per_positive}: give every positive at least one negative.")
    if per_positive > _MOST:
        raise DataError(f"per_positive is {per_positive}: {_MOST:,} negatives of a positive are more than enough.")
    if data.groups is not None or (data.labels <= 0).any():
        raise DataError("give the positives alone: negatives are drawn here, as the source draws them.")
    rng, size = np.random.default_rng(seed), len(data) * per_positive
    owners = np.repeat(np.arange(len(data)), per_positive)
    observed = distinct(pair_keys(data.users, data.items, data.num_items))
    items, pending = np.full(size, -1), np.arange(size)
    for _ in range(_ROUNDS):
        drawn = (
            data.items[rng.integers(len(data), size=len(pending))] if popular else rng.integers(data.num_items, size=len(pending))
        )
        new = ~contains(observed, pair_keys(data.users[owners[pending]], drawn, data.num_items))
        items[pending[new]] = drawn[new]
        pending = pending[~new]
    kept = items >= 0
    if (lacking := np.setdiff1d(np.arange(len(data)), owners[kept])).size:
        raise DataError(f"{len(lacking)} positives have no negative: their users have nearly every item; leave these users out.")
    places = np.concatenate([np.arange(len(data)), owners[kept]])
    groups = places.astype(np.int64)
    order = np.argsort(groups, kind="stable")
    whole = data.select(places[order])
    positive = np.arange(len(places))[order] < len(data)
    what = np.concatenate([data.items, items[kept]])[order]
    labels = positive.astype(np.float32)
    return replace(whole, items=what.astype(np.int32), labels=labels, groups=groups[order], observed=positive)
