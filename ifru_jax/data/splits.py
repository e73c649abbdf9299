"""Splits of interactions into train, valid and test, which share one numbering of users and items.

Train has an interaction of every user and every item in the tables: no model can say anything about a row it was not
trained on, so valid and test lose the interactions of users and items that train doesn't have, and the tables lose the
rows.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(
...     users=[1, 1, 1, 2, 2, 2], items=[5, 6, 7, 7, 6, 5], timestamps=[10, 20, 30, 10, 20, 30]
... )
>>> leave_last_out(data)  # item 6 is in valid alone, so it vanishes
Split(train=2, valid=0, test=2 interactions of 2 users with 2 items)
  left out: 2 interactions with 1 items not in train
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ifru_jax.data.draws import uniform_draws
from ifru_jax.data.filters import Dropped, restrict
from ifru_jax.data.interactions import Interactions, Numbered
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.data.share import check_whole
from ifru_jax.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Interactions to train on, to stop training by, and to report on; the three have the same tables.

    Attributes:
      train, valid, test: the interactions; None for valid or test stands for none.
      dropped: what the steps that made it left out of the data, in their order.

    Raises:
      DataError: the tables differ in size.
    """

    train: Interactions
    valid: Interactions
    test: Interactions
    dropped: tuple[Dropped, ...] = ()

    def __post_init__(self) -> None:
        for name in ("valid", "test"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, self.train.select(np.zeros(0, int)))
        sizes = [(part.num_users, part.num_items) for part in self.parts]
        if len(set(sizes)) > 1:
            raise DataError(f"train, valid and test have tables of (users, items) {sizes}: number them together, then split.")

    def aligned(self, to: Numbered) -> "Split":
        """The three parts in the tables of other data or a model; see `Interactions.aligned`."""
        return self.of_parts(lambda part: part.aligned(to))

    @property
    def parts(self) -> tuple[Interactions, Interactions, Interactions]:
        return self.train, self.valid, self.test

    def of_parts(self, change: Callable[[Interactions], Interactions]) -> "Split":
        """The split of what `change` makes of each part."""
        train, valid, test = (change(part) for part in self.parts)
        return replace(self, train=train, valid=valid, test=test)

    def __repr__(self) -> str:
        train, valid, test = (f"{len(part):,}" for part in self.parts)
        users, items = f"{self.train.num_users:,}", f"{self.train.num_items:,}"
        left_out = "\n  left out: " + "; ".join(map(str, self.dropped)) if self.dropped else ""
        return f"Split(train={train}, valid={valid}, test={test} interactions of {users} users with {items} items){left_out}"


def random_split(
    data: Interactions, *, shares: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0, stable: bool = True
) -> Split:
    """A random split; train is in random order, so that its last 2 % are a random sample of it.

    Where an interaction goes depends on its user, its item and the seed alone: without a user, the others are split as they were,
    and their order does not matter.

    Args:
      data: the interactions.
      shares: of train, valid and test in the interactions; they sum to 1, and train has some.
      seed: of the draw.
      stable: False draws a permutation of all, the protocol of the IFRU paper (arXiv 2307.02147): parts have the shares to one
        interaction, and all of them change with any.

    Raises:
      DataError: shares that are negative or don't sum to 1, or no interaction for train.
    """
    if not stable:
        return _split_at(data, _shuffled(data, seed), shares)
    check_shares(shares)
    draws, order = _drawn(data, seed)
    ends = np.searchsorted(draws[order], [shares[0], shares[0] + shares[1]])
    return _seen_in_train(data, *np.split(order, ends))


def temporal_split(data: Interactions, *, shares: tuple[float, float, float] = (0.6, 0.2, 0.2)) -> Split:
    """The earliest interactions train, the latest test; among equal timestamps the order of the data decides.

    The times at which it is cut depend on all interactions: without a user they are a little earlier or later.

    Raises:
      DataError: as `random_split`, and without timestamps.
    """
    return _split_at(data, np.argsort(_timestamps(data), kind="stable"), shares)


def leave_last_out(data: Interactions) -> Split:
    """Each user's last interaction tests, the last but one validates; equal timestamps as in `temporal_split`.

    Users with fewer than three interactions have all of them in train. Train is in the order of time.

    Raises:
      DataError: no timestamps.
    """
    by_time = np.argsort(_timestamps(data), kind="stable")
    by_user = by_time[np.argsort(data.users[by_time], kind="stable")]
    degrees = data.user_degrees()
    ends = np.cumsum(degrees)[degrees >= 3]
    test, valid = by_user[ends - 1], by_user[ends - 2]
    held_out = np.zeros(len(data), bool)
    held_out[valid] = held_out[test] = True
    train = by_time[~held_out[by_time]]
    return _seen_in_train(data, train, valid, test)


def given_split(train: Interactions, test: Interactions, *, valid_share: float = 0.1, seed: int = 0, stable: bool = True) -> Split:
    """A split whose train and test were published; a random share of train becomes valid, train is in random order.

    Args:
      train, test: each with its own numbering; original ids say which users and items are the same.
      valid_share: share of the train interactions, at least 0 and below 1.
      seed, stable: as for `random_split`.

    Raises:
      DataError: a share outside its range, an interaction that is in train and in test, or side features.
    """
    check_shares((1 - valid_share, valid_share, 0.0))
    if any(features is not None for part in (train, test) for features in (part.user_features, part.item_features)):
        raise DataError("a published split with side features: attach them to the parts of the split, after it was made.")
    data = _joined(train, test)
    keys = pair_keys(data.users, data.items, data.num_items)
    leaks = np.flatnonzero(contains(distinct(keys[: len(train)]), keys[len(train) :]))
    if leaks.size:
        user, item = _original_ids(test)[0][leaks[0]], _original_ids(test)[1][leaks[0]]
        raise DataError(f"user {user} with item {item} is in train and in test ({leaks.size} such): drop it from one of the two.")
    learned = data.select(np.arange(len(train)))
    if stable:
        draws, order = _drawn(learned, seed)
        num_train = int(np.searchsorted(draws[order], 1 - valid_share))
    else:
        order, num_train = _shuffled(learned, seed), len(train) - round(valid_share * len(train))
    return _seen_in_train(data, order[:num_train], order[num_train:], np.arange(len(train), len(data)))


def _drawn(data: Interactions, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A number in [0, 1) for each interaction, and their ascending order [n]."""
    draws = uniform_draws(data, seed=seed)
    return draws, np.lexsort([*_canonical(data), draws])


def _shuffled(data: Interactions, seed: int) -> np.ndarray:
    """Random order [n] of the interactions that depends on the seed and on the set of interactions alone."""
    return np.random.default_rng(seed).permutation(np.lexsort(_canonical(data)))


def _canonical(data: Interactions) -> list[np.ndarray]:
    """Columns by which interactions are sorted whatever order they come in, the last one first."""
    keys = [data.labels, data.items, data.users]
    return keys if data.timestamps is None else [data.timestamps, *keys]


def _split_at(data: Interactions, order: np.ndarray, shares: tuple[float, float, float]) -> Split:
    check_shares(shares)
    num_train, num_train_valid = (round(share * len(data)) for share in (shares[0], shares[0] + shares[1]))
    return _seen_in_train(data, order[:num_train], order[num_train:num_train_valid], order[num_train_valid:])


def _seen_in_train(data: Interactions, train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> Split:
    """The split at these indices, with tables that hold the users and items of train."""
    check_whole(data, "a split")
    if not len(train):
        raise DataError(f"no interaction of {data} is left for train: give more data, or train a larger share.")
    selected = data.select(train)
    users, items = selected.user_degrees() > 0, selected.item_degrees() > 0
    parts = [restrict(data.select(part), users, items) for part in (train, valid, test)]
    kept = data.select(np.concatenate([train, valid, test]))
    in_train = users[kept.users] & items[kept.items]
    return Split(*parts, dropped=Dropped.between(kept, kept.select(in_train), "in train"))


def check_shares(shares: tuple[float, float, float]) -> None:
    """Refuses shares that are no split (DataError)."""
    if min(shares) < 0 or shares[0] == 0 or not np.isclose(sum(shares), 1.0):
        raise DataError(
            f"the shares of train, valid and test are {shares}: "
            "give three that sum to 1, none of them negative, and train's above 0."
        )


def _timestamps(data: Interactions) -> np.ndarray:
    if data.timestamps is None:
        raise DataError(f"{data} has no timestamps: give a timestamp column, or use random_split.")
    return data.timestamps


def _original_ids(data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Original user and item ids, [n] each."""
    return (
        data.users if data.user_ids is None else data.user_ids[data.users],
        data.items if data.item_ids is None else data.item_ids[data.items],
    )


def _joined(first: Interactions, second: Interactions) -> Interactions:
    """The interactions of both, one after the other, in one numbering by original ids."""
    users, items = (np.concatenate(ids) for ids in zip(_original_ids(first), _original_ids(second), strict=True))
    timestamps = None
    if first.timestamps is not None and second.timestamps is not None:
        timestamps = np.concatenate([first.timestamps, second.timestamps])
    labels = np.concatenate([first.labels, second.labels])
    return Interactions.from_arrays(users, items, labels, timestamps=timestamps, missing=(), keep_duplicates=True)
