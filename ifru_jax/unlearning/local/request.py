"""Which rows, interactions and edges requests are solved on; on the host, reading the lists of the nodes around and little else.

core    rows in scope, the unknowns of the solve
chosen  interactions whose score depends on a core row (all within L edges of one, or those that a budget leaves)
edges   open: those of ball_{L−1}(core), the rest being a constant (`graph.inflow`);
        closed, for models that can't be opened: all that the scores of the chosen depend on
rows    the ends of both

All of it is found for many requests at once; a single one is the first of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ifru_jax.data.pair_keys import distinct
from ifru_jax.graph import TrainingSet
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.neighbourhood import Neighbourhoods, neighbourhoods
from ifru_jax.graph.node_sets import NodeSets, incident_to_each
from ifru_jax.graph.nodes import count_incident
from ifru_jax.influence import importance, importance_scope
from ifru_jax.ragged import Ragged, places_in, ranges
from ifru_jax.unlearning.local.budget import Budget
from ifru_jax.unlearning.prepare import Prepared

# Requests that are looked up together: beyond, the arrays of all leave the cache.
TOGETHER = 64


@dataclass(frozen=True, eq=False)
class LocalRequests:
    """b requests on the host, ready to be padded.

    Attributes:
      changes: what they do.
      parts: of each its rows, core rows first, its interactions and its edges.
      scope: rows that may change.
      num_core: int64 [b, 2], users and items that are unknowns; rows left without data are none.
      left_out_nodes: int64 [b], nodes that `max_nodes` left out of the scope.
      reached: nodes whose interactions depend on what may change.
    """

    changes: Changes
    parts: Neighbourhoods
    scope: NodeSets
    num_core: np.ndarray
    left_out_nodes: np.ndarray
    reached: NodeSets

    @classmethod
    def nothing(cls, data: TrainingSet) -> Self:
        """One without a row or an interaction; its step is zero."""
        nobody = Ragged.of([np.zeros(0, np.int64)])
        nodes, none = NodeSets(nobody, nobody), np.zeros((1, 2), np.int64)
        return cls(Changes.nothing(data), Neighbourhoods.nothing(), nodes, none, none[:, 0], nodes)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of the parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            Changes.joined([of.changes for of in parts]),
            Neighbourhoods.joined([of.parts for of in parts]),
            NodeSets.joined([of.scope for of in parts]),
            np.concatenate([of.num_core for of in parts]),
            np.concatenate([of.left_out_nodes for of in parts]),
            NodeSets.joined([of.reached for of in parts]),
        )

    def __len__(self) -> int:
        """b."""
        return len(self.parts)

    def taken(self, numbers: np.ndarray) -> "LocalRequests":
        """Those with these numbers (int [k])."""
        if len(numbers) == len(self) and np.array_equal(numbers, np.arange(len(self))):
            return self
        scope, reached = self.scope.taken(numbers), self.reached.taken(numbers)
        return LocalRequests(
            self.changes.taken(numbers),
            self.parts.taken(numbers),
            scope,
            self.num_core[numbers],
            self.left_out_nodes[numbers],
            reached,
        )

    def left_out_edges(self, number: int) -> int:
        """Interactions of one that depend on what may change and aren't chosen: those that `max_edges` left out."""
        data = self.changes.before
        # Chosen are the touched and some that are reached, and what is touched is reached.
        near = count_incident(data.lists[0], len(data), self.reached.nodes(number, data.sizes))
        return max(0, near - int(self.parts.chosen.lengths[number]))


def local_requests(state: Prepared, changes: Changes) -> LocalRequests:
    """The parts of the data that requests are solved on."""
    if len(changes) > TOGETHER:
        blocks = np.array_split(np.arange(len(changes)), -(-len(changes) // TOGETHER))
        return LocalRequests.joined([local_requests(state, changes.taken(block)) for block in blocks])
    step, data, hops = state.step, changes.before, state.model.num_hops
    scope, left_out_nodes = _scopes(state, changes)
    edges, reached = changes.edges.spread(scope, hops)
    if step.max_edges is None:
        chosen = _in_whole_groups(data, incident_to_each(data.lists[0], len(data), reached))
    else:
        chosen = _within_budget(state, changes, scope, reached)
    assert state.propagations is not None
    if state.propagations.any:
        ends = data.interactions.users[chosen.values], data.interactions.items[chosen.values]
        rows = NodeSets.ends(chosen, ends, data.sizes) | reached
        parts = Neighbourhoods(rows.users, rows.items, chosen, edges)
    else:
        parts = neighbourhoods(changes, chosen, num_hops=hops)
    core = changes.with_data(scope)
    sides = zip((parts.users, parts.items), (core.users, core.items), data.sizes, strict=True)
    (users, core_users), (items, core_items) = (_core_first(rows, of, size) for rows, of, size in sides)
    parts, num_core = replace(parts, users=users, items=items), np.stack([core_users, core_items], axis=1)
    return LocalRequests(changes, parts, scope, num_core, left_out_nodes, reached)


def _scopes(state: Prepared, changes: Changes) -> tuple[NodeSets, np.ndarray]:
    """The rows that may change, and how many nodes a budget left out of each."""
    step = state.step
    if not step.scope:
        return changes.ends, np.zeros(len(changes), np.int64)
    places = (changes.places[number] for number in range(len(changes)))
    scopes, left_out = zip(
        *(importance_scope(changes.before, of, step.scope, max_nodes=step.max_nodes) for of in places), strict=True
    )
    return NodeSets.of(scopes), np.array(left_out)


def _in_whole_groups(data: TrainingSet, places: Ragged) -> Ragged:
    """With the other members of their groups: the term of a group depends on the scores of all of them."""
    leaders = data.leaders
    if leaders is None:
        return places
    led = places.owners * len(data) + leaders[places.values]
    groups = Ragged.from_keys(distinct(led), len(data), len(places))
    marked = np.zeros(len(data), bool)
    marked[groups.values] = True
    members = np.flatnonzero(marked[leaders])
    # By leader, and of one leader by place.
    members = members[np.argsort(leaders[members], kind="stable")]
    starts, ends = (np.searchsorted(leaders[members], groups.values, side) for side in ("left", "right"))
    found = Ragged(members[ranges(starts, ends - starts)], np.bincount(groups.owners, ends - starts, len(places)).astype(np.int64))
    return Ragged.from_keys(np.sort(found.keys(len(data))), len(data), len(places))


def _within_budget(state: Prepared, changes: Changes, scope: NodeSets, reached: NodeSets) -> Ragged:
    """The touched interactions of each request with the best of the others; a choice of its own for each."""
    data, most, chosen = changes.before, state.step.max_edges, []
    assert most is not None
    for number in range(len(changes)):
        touched = changes.places[number]
        scores = importance(data, touched, num_hops=max(1, state.model.num_hops))[-1]
        own, near = scope.nodes(number, data.sizes), reached.nodes(number, data.sizes)
        held = Budget(data, touched, own, near, scores).best(most)
        chosen.append(np.sort(np.concatenate([held, touched])))
    return Ragged.of(chosen)


def _core_first(nodes: Ragged, core: Ragged, size: int) -> tuple[Ragged, np.ndarray]:
    """The nodes of each request with those of the core before the others, and how many these are."""
    found, there = places_in(nodes.keys(size), core.keys(size))
    behind = np.ones(len(nodes.values), np.int64)
    behind[found[there]] = 0
    order = np.argsort(2 * nodes.owners + behind, kind="stable")
    return Ragged(nodes.values[order], nodes.lengths), np.bincount(core.owners[there], minlength=len(nodes))
