"""Several changes of one data set, each as if it were the only one: what they touch stands in one array, so that they are prepared
together. A single change is the first of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from ifru_jax.data.forget import ForgetRequest, corrected_places, forgotten_places
from ifru_jax.data.groups import group_leaders, whole_groups
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import ascending
from ifru_jax.graph.edges_of_each import EdgesOfEach
from ifru_jax.graph.node_sets import NodeSets
from ifru_jax.graph.training_set import TrainingSet
from ifru_jax.ragged import Ragged, order_of, places_in, tally


class Terms(NamedTuple):
    """Columns of m interactions before and after, on the host.

    Attributes:
      labels, new_labels: float32 [m].
      retained: bool [m]; before, all of them count.
      leaders, new_leaders: int64 [m], numbers within the m, of several changes within the list of each; None where nothing is
        compared.
    """

    labels: np.ndarray
    new_labels: np.ndarray
    retained: np.ndarray
    leaders: np.ndarray | None = None
    new_leaders: np.ndarray | None = None

    def ordered(self, lists: Ragged, order: np.ndarray) -> Self:
        """The same terms, of these lists of interactions, once each list stands in an order (int64 [m], over all)."""
        columns = (of[order] for of in self[:3])
        if self.leaders is None or self.new_leaders is None:
            return type(self)(*columns)
        numbers = np.empty(len(order), np.int64)
        numbers[order] = lists.ranks
        starts = lists.starts[lists.owners]
        return type(self)(*columns, *(numbers[of + starts][order] for of in (self.leaders, self.new_leaders)))


@dataclass(frozen=True, eq=False)
class Changes:
    """What b requests do to the data.

    Attributes:
      before: D on G.
      places: int64, the touched interactions of each in `before`, ascending.
      gone: bool [t], which of all touched ones leave; the others get another label.
      labels: float32 [t], the labels after; of those that leave, the ones they had.
    """

    before: TrainingSet
    places: Ragged
    gone: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, before: TrainingSet, requests: Sequence[ForgetRequest]) -> Self:
        """Resolves requests.

        Raises:
          DataError: one names something that isn't there, or everything.
        """
        data, count, size = before.interactions, len(requests), max(len(before), 1)
        gone = forgotten_places(requests, data)
        corrected, labels = corrected_places(requests, data, gone)
        labels = np.concatenate([data.labels[gone.values], labels])
        leaves = np.arange(len(labels)) < len(gone.values)
        keys = np.concatenate([gone.keys(size), corrected.keys(size)])
        order = order_of(keys, count * size)
        return cls(before, Ragged.from_keys(keys[order], size, count), leaves[order], labels[order])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All changes of the parts, in their order; of one data set."""
        if len(parts) == 1:
            return parts[0]
        gone, labels = (np.concatenate([getattr(of, name) for of in parts]) for name in ("gone", "labels"))
        return cls(parts[0].before, Ragged.joined([of.places for of in parts]), gone, labels)

    @classmethod
    def nothing(cls, before: TrainingSet) -> Self:
        """One that changes nothing."""
        return cls(before, Ragged.of([np.zeros(0, np.int64)]), np.zeros(0, bool), np.zeros(0, np.float32))

    def __len__(self) -> int:
        """b."""
        return len(self.places)

    def taken(self, numbers: np.ndarray) -> "Changes":
        """Those with these numbers (int [k])."""
        at = self.places.at(numbers)
        return Changes(self.before, Ragged(self.places.values[at], self.places.lengths[numbers]), self.gone[at], self.labels[at])

    @property
    def counts(self) -> np.ndarray:
        """float64 [b, 2], |D| and |D_r| of each."""
        return np.stack([np.full(len(self), float(len(self.before))), len(self.before) - self.forgotten.lengths], axis=1)

    def touched_after(self, number: int) -> Interactions:
        """What is left of the touched interactions of one, with the other members of their groups and their new labels."""
        data, leaders, touched = self.before.interactions, self.before.leaders, self.places[number]
        if leaders is not None:
            among = np.zeros(len(data), bool)
            among[touched] = True
            touched = np.flatnonzero(whole_groups(among, leaders))
        terms = self.taken(np.array([number])).terms_at(Ragged.of([touched]))
        return data.select(touched[terms.retained]).with_labels(terms.new_labels[terms.retained])

    @cached_property
    def forgotten(self) -> Ragged:
        """int64, places of the interactions that leave."""
        return self.places.kept(self.gone)

    @cached_property
    def ends(self) -> NodeSets:
        """The ends of what is touched."""
        data = self.before.interactions
        return NodeSets.ends(self.places, (data.users[self.places.values], data.items[self.places.values]), self.before.sizes)

    @cached_property
    def edges(self) -> EdgesOfEach:
        """The edges of both graphs of each."""
        was = self.before.interactions.labels[self.places.values] > 0.5
        becomes = ~self.gone & (self.labels > 0.5)
        there = self.before.has_graph
        return EdgesOfEach(self.before, self.places.kept(was & ~becomes & there), self.places.kept(becomes & ~was & there))

    def degrees_after(self, nodes: NodeSets) -> tuple[np.ndarray, np.ndarray]:
        """int64, int64: interactions that every one of these nodes keeps, in the order of the sets."""
        data, owners = self.before.interactions, self.forgotten.owners
        rows = data.users[self.forgotten.values], data.items[self.forgotten.values]
        lost = (tally(owners * size + of, len(self) * size) for of, size in zip(rows, self.before.sizes, strict=True))
        sides = zip((nodes.users, nodes.items), self.before.degrees, lost, self.before.sizes, strict=True)
        users, items = (had[of.values] - gone[of.keys(size)] for of, had, gone, size in sides)
        return users, items

    def with_data(self, nodes: NodeSets) -> NodeSets:
        """Those of the nodes that an interaction is left of."""
        users, items = self.degrees_after(nodes)
        return NodeSets(nodes.users.kept(users > 0), nodes.items.kept(items > 0))

    def terms_at(self, places: Ragged) -> Terms:
        """How the interactions at these places (distinct, with whole groups) count before and after.

        Args:
          places: of each change, in any order; [m] in all.
        """
        data, keys = self.before.interactions, places.keys(max(len(self.before), 1))
        order = None if ascending(keys) else order_of(keys, len(places) * max(len(self.before), 1))
        ordered = keys if order is None else keys[order]

        def numbers(wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            found, there = places_in(ordered, wanted)
            return found if order is None else order[found], there

        labels, retained = data.labels[places.values], np.ones(len(keys), bool)
        changed = labels.copy()
        touched, there = numbers(self.places.keys(max(len(self.before), 1)))
        retained[touched[there & self.gone]] = False
        corrected = there & ~self.gone
        changed[touched[corrected]] = self.labels[corrected]
        if self.before.leaders is None:
            return Terms(labels, changed, retained)
        leaders, _ = numbers(places.owners * len(self.before) + self.before.leaders[places.values])
        # Who has lost a member is led as before.
        relabelled = np.isin(places.owners, self.places.owners[corrected])
        new_leaders = np.where(relabelled, _new_leaders(leaders, changed, retained), leaders) if corrected.any() else leaders
        starts = places.starts[places.owners]
        return Terms(labels, changed, retained, leaders - starts, new_leaders - starts)


def _new_leaders(leaders: np.ndarray, labels: np.ndarray, retained: np.ndarray) -> np.ndarray:
    """int64 [m]: who leads the groups of what is retained, with these labels; the others lead themselves."""
    left, found = np.flatnonzero(retained), np.arange(len(leaders))
    found[left] = left[group_leaders(leaders[left], labels[left]).places]
    return found
