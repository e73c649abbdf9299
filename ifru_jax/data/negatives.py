"""Negatives for implicit data, sampled once per split and recorded in it.

Implicit data says what users chose, never what they declined. For every positive (u, i, 1) items j that u has no
interaction with, in no part of the split, are drawn uniformly and written behind it as (u, j, 0). A positive and its
negatives form a group, so that forgetting the positive forgets them too. Within the whole split no negative comes twice
as long as its user has items left.

>>> from ifru_jax.data.interactions import Interactions
>>> from ifru_jax.data.splits import Split
>>> observed = Interactions.from_arrays(users=[0, 1, 2], items=[0, 1, 2])
>>> split = sample_negatives(Split(observed, observed.select(slice(0)), observed.select(slice(0))))
>>> split.train.labels
array([1., 0., 1., 0., 1., 0.], dtype=float32)
>>> split.train.groups
array([0, 0, 1, 1, 2, 2])
"""

from dataclasses import replace

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.data.share import check_whole
from ifru_jax.data.splits import Split
from ifru_jax.data.stable_negatives import draw_by_ids, draw_from_rest
from ifru_jax.errors import DataError

# Rejection sampling takes this many rounds before the rest is drawn from lists of what is left. A round settles all but
# the share of items that a user already has, so that only users with nearly all items get that far.
_ROUNDS = 12


def sample_negatives(split: Split, *, per_positive: int = 1, seed: int = 0, stable: bool = True) -> Split:
    """The split with `per_positive` negatives behind each interaction, which all have to be positives (label above 0).

    Groups are numbered across the split; timestamps are those of the positive.

    Args:
      split: of positives.
      per_positive: negatives of each.
      seed: of the draw.
      stable: whether the negatives of a positive follow from its user, its item and the seed, so that those of a user stay as they
        are when other users go (`data.stable_negatives`); False draws them one after the other.

    Raises:
      DataError: `per_positive` below 1, data that has groups already or labels that are not positive, or a user who has
        interactions with every item.
    """
    if per_positive < 1:
        raise DataError(f"per_positive = {per_positive}: give every positive at least one negative.")
    check_whole(split.train, "a draw of negatives")
    for name, part in zip(("train", "valid", "test"), split.parts, strict=True):
        if part.groups is not None:
            raise DataError(f"{name} has groups already: sample negatives once, from a split of positives.")
        if (part.labels <= 0).any():
            raise DataError(
                f"{np.count_nonzero(part.labels <= 0):,} of {len(part):,} labels of {name} are not positive, such as "
                f"{part.labels.min():g}: explicit ratings need no sampled negatives; of implicit data keep the positives only, "
                "data.select(data.labels > 0)."
            )
    users = np.concatenate([part.users for part in split.parts])
    items = np.concatenate([part.items for part in split.parts])
    num_items = split.train.num_items
    observed = distinct(pair_keys(users, items, num_items))
    _check_some_left(split.train, observed)
    if stable:
        drawn = draw_by_ids(split.train, (users, items), observed, per_positive=per_positive, seed=seed)
    else:
        drawn = _draw(np.repeat(users, per_positive), observed, num_items, np.random.default_rng(seed))
    ends = np.cumsum([len(part) for part in split.parts])
    negatives = np.split(drawn.reshape(-1, per_positive), ends[:-1])
    groups = np.split(np.arange(len(users)), ends[:-1])
    parts = (_interleave(*each) for each in zip(split.parts, negatives, groups, strict=True))
    return Split(*parts, dropped=split.dropped)


def _draw(users: np.ndarray, observed: np.ndarray, num_items: int, rng: np.random.Generator) -> np.ndarray:
    """An item for each entry of `users` [n]: not in the sorted keys `observed`, distinct within a user if possible."""
    items = np.zeros(len(users), np.int64)
    taken = observed
    pending = np.arange(len(users))
    for _ in range(_ROUNDS):
        items[pending] = rng.integers(num_items, size=len(pending))
        keys = pair_keys(users[pending], items[pending], num_items)
        _, first = np.unique(keys, return_index=True)
        accepted = np.zeros(len(pending), bool)
        accepted[first] = True
        accepted &= ~contains(taken, keys)
        taken = distinct(np.concatenate([taken, keys[accepted]]))
        pending = pending[~accepted]
        if not len(pending):
            return items
    for user in distinct(users[pending]):
        mine = pending[users[pending] == user]
        items[mine] = draw_from_rest(user, len(mine), taken, observed, num_items, rng)
    return items


def _check_some_left(train: Interactions, observed: np.ndarray) -> None:
    counts = np.bincount(observed // train.num_items, minlength=train.num_users)
    full = np.flatnonzero(counts == train.num_items)
    if full.size:
        user = full[0] if train.user_ids is None else train.user_ids[full[0]]
        raise DataError(
            f"user {user} has interactions with all {train.num_items} items ({full.size} such users): "
            "there is no negative to sample; drop these users."
        )


def _interleave(part: Interactions, negatives: np.ndarray, groups: np.ndarray) -> Interactions:
    """Each positive followed by its negatives, [n, per_positive]."""
    size = 1 + negatives.shape[1]
    items = np.column_stack([part.items, negatives]).ravel()
    labels = np.column_stack([part.labels, np.zeros(negatives.shape, np.float32)]).ravel()
    repeated = part.select(np.repeat(np.arange(len(part)), size))
    sampled = np.tile(np.arange(size) > 0, len(part))
    return replace(repeated, items=items, labels=labels, groups=np.repeat(groups, size), observed=~sampled)
