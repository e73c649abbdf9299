"""A request resolved: the data before it and after it, and the interactions that it touches.

Deletion of interactions, of users, of items, and the correction of a label are the same thing from here on: every touched
interaction has a weight and a label before, and a weight and a label after.

    gone       weight 1 → 0
    corrected  weight 1 → 1, label y → y′; where it crosses ½, an edge of the graph comes or goes

Everything that follows from it (the data after, the edges that change) is made when it is first asked for, and once. Of a share of
the data (`data.share`) places are those in the share of this process, and what is counted is counted by all processes.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.groups import whole_groups
from ifru_jax.data.interactions import Interactions
from ifru_jax.graph.changes import Changes, Terms
from ifru_jax.graph.examples import Examples, build_examples, padded_leaders
from ifru_jax.graph.nodes import Nodes
from ifru_jax.graph.pairs import SortedPairs
from ifru_jax.graph.training_set import TrainingSet
from ifru_jax.ragged import Ragged
from ifru_jax.sparse.edges import Edges, host_edges
from ifru_jax.sparse.placement import on_device, on_host


@dataclass(frozen=True, eq=False)
class EdgeChange:
    """The edges of G and of G_r in one pattern, on the host.

    Attributes:
      pattern: both; `count` of them are no padding.
      count: edges.
      removed: int64 [r], places of those that are in G alone.
      added: int64 [a], places of those that are in G_r alone.
    """

    pattern: Edges
    count: int
    removed: np.ndarray
    added: np.ndarray

    @property
    def ends(self) -> Nodes:
        """The nodes at which an edge comes or goes."""
        places = np.concatenate([self.removed, self.added])
        rows, cols = on_host(self.pattern.rows)[places], on_host(self.pattern.cols)[places]
        return Nodes.of(rows, cols, (self.pattern.num_rows, self.pattern.num_cols))


@dataclass(frozen=True, eq=False)
class Change:
    """What a request does to the data.

    Attributes:
      before: D on G.
      places: int64 [k], ascending, of the touched interactions in `before`.
      gone: bool [k], which of them leave; the others get another label.
      labels: float32 [k], the labels after; of those that leave, the ones they had.
      request: what was asked for; what loses its data without being named is `taken_along`.
    """

    before: TrainingSet
    places: np.ndarray
    gone: np.ndarray
    labels: np.ndarray
    request: ForgetRequest = field(default_factory=ForgetRequest)

    @classmethod
    def of(cls, before: TrainingSet, request: ForgetRequest) -> Self:
        """Resolves a request.

        Raises:
          DataError: the request names something that isn't there, or everything.
        """
        found = Changes.of(before, [request])
        return cls(before, found.places.values, found.gone, found.labels, request)

    def __len__(self) -> int:
        """The number of touched interactions; 0 changes nothing."""
        return sum(self.sizes)

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """How many interactions leave, and how many get another label."""
        gone = int(np.count_nonzero(self.gone))
        forgotten, corrected = self.before.interactions.added_up(np.array([gone, len(self.gone) - gone])).tolist()
        return forgotten, corrected

    @property
    def share(self) -> float:
        """Of the interactions, those that are touched."""
        return len(self) / len(self.before)

    @cached_property
    def forgotten(self) -> np.ndarray:
        """int64 [f], places of the interactions that leave."""
        return self.places[self.gone]

    @cached_property
    def corrected(self) -> np.ndarray:
        """int64 [c], places of the interactions with another label."""
        return self.places[~self.gone]

    @property
    def counts(self) -> tuple[float, float]:
        """|D| and |D_r|."""
        return float(len(self.before)), float(len(self.before) - self.sizes[0])

    @property
    def touched(self) -> Interactions:
        """The touched interactions as they were."""
        return self.before.interactions.select(self.places)

    @property
    def leaves_rows(self) -> bool:
        """Whether a user or an item of a touched interaction has others left."""
        users, items = self.touched.users, self.touched.items
        left = np.count_nonzero(~(self.lost.users[users] & self.lost.items[items]))
        return bool(self.before.interactions.added_up(np.array(left)) > 0)

    @property
    def retained(self) -> np.ndarray:
        """bool [n], which interactions of `before` stay."""
        stay = np.ones(len(self.before.interactions), bool)
        stay[self.forgotten] = False
        return stay

    @cached_property
    def after(self) -> TrainingSet:
        """D_r on G_r, with corrected labels; nothing names a user or item that lost its last interaction."""
        forgotten, corrected = self.sizes
        data = self.before.without(self.forgotten) if forgotten else self.before
        if corrected:
            # Afterwards, since what leaves makes room for edges, and a group may be in order only without it.
            places = self.corrected - np.searchsorted(self.forgotten, self.corrected)
            data = data.relabelled(places, self.labels[~self.gone])
        return data.erase(*self.lost.rows)

    @cached_property
    def alone(self) -> Changes:
        """As the only one of several."""
        return Changes(self.before, Ragged.of([self.places]), self.gone, self.labels)

    def terms_at(self, places: np.ndarray) -> Terms:
        """How the interactions at these places (int [m], distinct, with whole groups) count before and after."""
        return self.alone.terms_at(Ragged.of([places]))

    @cached_property
    def touched_examples(self) -> tuple[Examples, Examples]:
        """The interactions whose terms change, before and after, on the device; padded to `TrainingSet.room_for`."""
        data, places = self.before, self.places
        if data.leaders is not None:
            touched = np.zeros(len(data), bool)
            touched[places] = True
            places = np.flatnonzero(whole_groups(touched, data.leaders))
        # A training set is sorted, so the order of the examples is that of the places.
        room = data.room_for(len(places))
        examples = build_examples(data.interactions.select(places), capacity=room, mesh=data.mesh)
        terms, size, dtype = self.terms_at(places), examples.labels.shape[0], examples.labels.dtype
        assert isinstance(examples.pairs, SortedPairs)
        labels, weights = (examples.pairs.edges.column(of, dtype) for of in (terms.new_labels, terms.retained))
        old, new = on_device([padded_leaders(of, size) for of in (terms.leaders, terms.new_leaders)])
        return replace(examples, leaders=old), Examples(examples.pairs, labels, weights, new)

    @cached_property
    def degrees_after(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [num_users], [num_items]: interactions that every row keeps."""
        return self.before.degrees_without(self.forgotten)

    @cached_property
    def without_data(self) -> Nodes:
        """Rows that no interaction is left of, or never was."""
        users, items = self.degrees_after
        return Nodes(users == 0, items == 0)

    @cached_property
    def lost(self) -> Nodes:
        """Rows that lose their last interaction."""
        had, have = self.before.degrees, self.degrees_after
        return Nodes((had[0] > 0) & (have[0] == 0), (had[1] > 0) & (have[1] == 0))

    @property
    def taken_along(self) -> Nodes:
        """Rows that lose their last interaction without being named by the request, such as an item that one user alone had."""
        return self.lost & ~Nodes.of(self.request.users, self.request.items, self.before.sizes)

    @cached_property
    def moves_edges(self) -> bool:
        """Whether the graph changes."""
        here = len(self.edges.removed) + len(self.edges.added)
        return bool(self.before.interactions.added_up(np.array(here)) > 0)

    @cached_property
    def edges(self) -> EdgeChange:
        """The edges that come and go; `moves_edges` says whether there are any."""
        data = self.before
        if not data.has_graph:
            nothing = np.zeros(0, np.int64)
            return EdgeChange(data.edges, 0, nothing, nothing)
        becomes = ~self.gone & (self.labels > 0.5)
        was = data.interactions.labels[self.places] > 0.5
        removed, added = self.places[was & ~becomes], self.places[becomes & ~was]
        if not len(added):
            return EdgeChange(data.edges, len(data.positives), data.edges_at(removed), added)
        # Interactions are sorted by user and item, and so are the edges of both graphs together.
        places = np.union1d(data.positives, added)
        users, items = data.interactions.users[places], data.interactions.items[places]
        pattern, _ = host_edges(users, items, num_rows=data.sizes[0], num_cols=data.sizes[1])
        return EdgeChange(pattern, len(places), np.searchsorted(places, removed), np.searchsorted(places, added))
