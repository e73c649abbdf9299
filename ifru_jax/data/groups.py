"""Groups of interactions: a positive and the negatives that were sampled for it.

Each interaction knows its *leader*. The leader is the member of the group whose label differs from all others: the observed
positive among its negatives, or, once label noise has flipped the group, the one negative among positives. It does not matter in
which order the members stand. Where no label differs from all others, the first stands in where a leader is needed, and leads
nothing.

Who leads is a matter of labels, and of the loss. Which members were *observed* is a fact, which `Interactions.observed` keeps:
whoever samples negatives knows it, and of other groups the labels tell until one of them is set right. What was observed stays so,
whatever its label, and what is set right to a positive is observed from then on, since somebody told of it.

>>> data = Interactions(*np.array([[0, 0, 0], [4, 5, 6], [1, 0, 0]]), num_users=1, num_items=7, groups=np.zeros(3, int))
>>> told = with_corrections(data, np.array([1]), np.array([1.0]))
>>> observed(told), leaders_of(told)
(array([ True,  True, False]), array([2, 2, 2], dtype=int32))
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct
from ifru_jax.errors import DataError


def leaders_of(data: Interactions) -> np.ndarray:
    """int32 [n]: the place of the leader of each interaction's group, its own place if it leads.

    A group of one label compares nothing; its first member leads.

    Raises:
      DataError: data without groups, or a group with several positives and several negatives.
    """
    if data.groups is None:
        raise DataError(
            "the data has no groups, and this loss compares a positive with the negatives of its group: keep the positives only "
            "(data.select(data.labels > 0.5)), split them and call sample_negatives, or train with a pointwise loss (bce, wmse)."
        )
    places, mixed, _ = group_leaders(data.groups, data.labels)
    if mixed.any():
        at = int(np.argmax(mixed))
        members = data.labels[data.groups == data.groups[at]] > 0.5
        count = len(np.unique(data.groups[mixed]))
        raise DataError(
            f"group {data.groups[at]} has {members.sum()} positives and {(~members).sum()} negatives ({count} such groups): a "
            "pairwise loss compares one positive with its negatives; group them as sample_negatives does."
        )
    return places


def observed(data: Interactions) -> np.ndarray:
    """bool [n]: the interactions that somebody made or told of, none of a group of which that isn't known; without groups, all."""
    if data.groups is None:
        return np.ones(len(data), bool)
    return group_leaders(data.groups, data.labels).known if data.observed is None else data.observed


def leads_group(data: Interactions) -> np.ndarray:
    """bool [n]: the interactions that stand for their groups: those observed, and of a group without any the one that leads it or
    stands in for its leader; without groups, all."""
    if data.groups is None:
        return np.ones(len(data), bool)
    leads = group_leaders(data.groups, data.labels).places == np.arange(len(data))
    return leads if data.observed is None else data.observed | (leads & ~_of_groups(data.groups, data.observed))


def perhaps_observed(data: Interactions) -> np.ndarray:
    """bool [n]: the observed interactions, and all of a group of which that isn't known; without groups, all."""
    if data.groups is None:
        return np.ones(len(data), bool)
    if data.observed is None:
        found = group_leaders(data.groups, data.labels)
        return found.known | found.mixed | found.alike
    return data.observed | ~_of_groups(data.groups, data.observed)


def with_corrections(data: Interactions, places: np.ndarray, labels: np.ndarray) -> Interactions:
    """The same interactions with other labels (float [k]) at these places (int [k]); of groups it is kept who was observed."""
    changed = data.labels.copy()
    changed[places] = labels
    if data.groups is None:
        return data.with_labels(changed)
    known = observed(data).copy()
    known[places] |= changed[places] > 0.5
    return replace(data, labels=changed, observed=known)


class Leaders(NamedTuple):
    """The leader of each of n interactions.

    Attributes:
      places: int32 [n], of the leader, or of the first member of a group that has none.
      mixed: bool [n], which are of a group with several positives and several negatives, which has no leader.
      alike: bool [n], which are of a group of several members with one label, which has none.
    """

    places: np.ndarray
    mixed: np.ndarray
    alike: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """bool [n]: the interactions that lead, and don't just stand in."""
        return (self.places == np.arange(len(self.places))) & ~self.mixed & ~self.alike


def group_leaders(groups: np.ndarray, labels: np.ndarray) -> Leaders:
    """The leaders of groups.

    Args:
      groups: [n], equal for the members of a group.
      labels: [n], positive above ½.
    """
    positive = labels > 0.5
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    size = np.bincount(group, minlength=len(first))
    positives = np.bincount(group[positive], minlength=len(first))
    mixed = np.minimum(positives, size - positives) > 1
    leads = ((positives[group] == 1) & positive) | ((size[group] - positives[group] == 1) & ~positive)
    leads &= (positives[group] != 1) | positive  # of a pair, the positive
    leads &= ~mixed[group]
    place = first.copy()
    place[group[leads]] = np.flatnonzero(leads)
    alike = (np.minimum(positives, size - positives) == 0) & (size > 1)
    return Leaders(place[group].astype(np.int32), mixed[group], alike[group])


def with_groups(data: Interactions, touched: np.ndarray) -> np.ndarray:
    """bool [n]: those that are touched (bool [n]), and all of the groups of which they are all that was observed."""
    if data.groups is None or not touched.any():
        return touched
    known = observed(data)
    return touched | (_of_groups(data.groups, touched & known) & ~_of_groups(data.groups, ~touched & known))


def _of_groups(groups: np.ndarray, of: np.ndarray) -> np.ndarray:
    """bool [n]: all members of the groups that have a member in `of` (bool [n])."""
    return contains(distinct(groups[of]), groups)


def whole_groups(touched: np.ndarray, leaders: np.ndarray) -> np.ndarray:
    """bool [n]: all members of the groups, told by their leaders (int [n]), that have a member in `touched` (bool [n])."""
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
