"""Lists of several lengths in one array, so that what is done to many of them is done at once.

>>> lists = Ragged.of([np.array([4, 7]), np.array([], int), np.array([7])])
>>> lists.values, lists.owners, lists.ranks
(array([4, 7, 7]), array([0, 0, 2]), array([0, 1, 0]))
>>> lists.keys(10)
array([ 4,  7, 27])
>>> Ragged.from_keys(np.array([4, 7, 27]), 10, 3).lengths
array([2, 0, 1])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

# Marks over all keys there could be, a byte each, are read sooner than this part of as many keys is sorted.
_SORTED = 1 / 8


@dataclass(frozen=True, eq=False)
class Ragged:
    """b lists, one behind the other.

    Attributes:
      values: [t], of all lists.
      lengths: int64 [b].
    """

    values: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, lists: Sequence[np.ndarray]) -> Self:
        """These lists (at least one, of one dtype)."""
        if len(lists) == 1:
            return cls(lists[0], np.array([len(lists[0])]))
        return cls(np.concatenate(lists), np.array([len(of) for of in lists]))

    @classmethod
    def from_keys(cls, keys: np.ndarray, size: int, count: int) -> Self:
        """What `keys(size)` of it are: int64 [t], ascending over the lists, of which there are `count`."""
        if count == 1:
            return cls(keys, np.array([len(keys)]))
        ends = np.searchsorted(keys, np.arange(1, count + 1) * size)
        lengths = np.diff(ends, prepend=0)
        return cls(keys - np.repeat(np.arange(count) * size, lengths), lengths)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The lists of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([of.values for of in parts]), np.concatenate([of.lengths for of in parts]))

    def __len__(self) -> int:
        """b."""
        return len(self.lengths)

    def __getitem__(self, number: int) -> np.ndarray:
        """One list."""
        start = self.starts[number]
        return self.values[start : start + self.lengths[number]]

    @cached_property
    def starts(self) -> np.ndarray:
        """int64 [b], where each list begins."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def owners(self) -> np.ndarray:
        """int64 [t], the list of each value, ascending."""
        return np.repeat(np.arange(len(self)), self.lengths) if len(self) > 1 else np.zeros(len(self.values), np.int64)

    @cached_property
    def ranks(self) -> np.ndarray:
        """int64 [t], the place of each value in its list."""
        numbers = np.arange(len(self.values))
        return numbers - np.repeat(self.starts, self.lengths) if len(self) > 1 else numbers

    def keys(self, size: int) -> np.ndarray:
        """int64 [t], different for values of different lists, where values are 0 … size − 1; ascending if all lists are."""
        return self.owners * size + self.values

    def kept(self, which: np.ndarray) -> "Ragged":
        """The values at `which` (bool [t]), in their lists."""
        return Ragged(self.values[which], np.bincount(self.owners[which], minlength=len(self)))

    def at(self, numbers: np.ndarray) -> np.ndarray:
        """int64, the places in `values` of all that is in the lists with these numbers (int [k]), list by list."""
        return ranges(self.starts[numbers], self.lengths[numbers])

    def taken(self, numbers: np.ndarray) -> "Ragged":
        """The lists with these numbers (int [k])."""
        return Ragged(self.values[self.at(numbers)], self.lengths[numbers])

    def __or__(self, other: "Ragged") -> "Ragged":
        """List by list the union of two sets, ascending."""
        if not len(self.values) or not len(other.values):
            return other if len(other.values) else self
        size = 1 + max(int(self.values.max()), int(other.values.max()))
        keys = distinct_below(np.concatenate([self.keys(size), other.keys(size)]), len(self) * size)
        return Ragged.from_keys(keys, size, len(self))


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """int64: start, start + 1, … of each of k ranges (int [k] both), one behind the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def distinct_below(keys: np.ndarray, bound: int) -> np.ndarray:
    """int64: the keys (int [t], in any order, 0 … bound − 1) in ascending order, each once."""
    if len(keys) < _SORTED * bound:
        ordered = np.sort(keys)
        first = np.ones(len(ordered), bool)
        first[1:] = ordered[1:] != ordered[:-1]
        return ordered[first]
    marked = np.zeros(bound, bool)
    marked[keys] = True
    return np.flatnonzero(marked)


def order_of(keys: np.ndarray, bound: int) -> np.ndarray:
    """int64 [t], the stable order of keys (int64 [t], 0 … bound − 1)."""
    shift = max(1, len(keys) - 1).bit_length()
    if bound.bit_length() + shift > 62:
        return np.argsort(keys, kind="stable")
    # Sorted with their places in them, which takes a third of the time of asking for the order.
    return np.sort((keys << shift) | np.arange(len(keys))) & ((1 << shift) - 1)


def places_in(ordered: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 and bool [k]: the place of each key (int [k]) among ascending ones, and whether it is there."""
    if not len(ordered):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
    found = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return found, ordered[found] == keys


def tally(keys: np.ndarray, size: int) -> np.ndarray:
    """int32 [size]: how often each number is among a few keys (int [k]); memory that none of them names isn't touched."""
    found = np.zeros(size, np.int32)
    np.add.at(found, keys, 1)
    return found
