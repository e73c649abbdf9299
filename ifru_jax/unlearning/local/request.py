"""Which rows, interactions and edges a request is solved on; on the host, reading the lists of the nodes around it and little else.

core    rows in scope, the unknowns of the solve
chosen  interactions whose score depends on a core row (all within L edges of one, or those that a budget leaves)
edges   open: those of ball_{L−1}(core), the rest being a constant (`graph.inflow`);
        closed, for models that can't be opened: all that the scores of the chosen depend on
rows    the ends of both
"""

from dataclasses import dataclass, replace

import numpy as np

from ifru_jax.data.groups import whole_groups
from ifru_jax.data.pair_keys import contains
from ifru_jax.graph import Change, Nodes, TrainingSet
from ifru_jax.graph.neighbourhood import Neighbourhood, neighbourhood
from ifru_jax.graph.nodes import count_incident, incident, places_at, spread
from ifru_jax.influence import importance, importance_scope
from ifru_jax.sparse.edges import degrees
from ifru_jax.unlearning.prepare import Prepared


@dataclass(frozen=True, eq=False)
class LocalRequest:
    """A request on the host, ready to be padded.

    Attributes:
      change: what it does.
      part: its rows, core rows first, its interactions and its edges.
      scope: rows that may change.
      num_core: users and items that are unknowns; rows left without data are none.
      left_out_nodes: nodes that `max_nodes` left out of the scope.
      left_out_edges: interactions that `max_edges` left out.
    """

    change: Change
    part: Neighbourhood
    scope: Nodes
    num_core: tuple[int, int]
    left_out_nodes: int = 0
    left_out_edges: int = 0


def local_request(state: Prepared, change: Change) -> LocalRequest:
    """The part of the data that a request is solved on."""
    step, data, hops = state.step, change.before, state.model.num_hops
    scope, left_out_nodes = importance_scope(data, change.places, step.scope, max_nodes=step.max_nodes)
    touched = data.interactions.users[change.places], data.interactions.items[change.places]
    centre = scope | Nodes.of(*touched, data.sizes) if hops else scope
    edges, reached = spread(change.edges.pattern, centre, change.edges.count, hops)
    if step.max_edges is None:
        near = incident(data.pattern, reached, len(data))
        near = _in_whole_groups(near, change)
        held, left_out = near[~contains(change.places, near)], 0
    else:
        scores = importance(data, change.places, num_hops=max(1, hops))[-1]
        held, left_out = _Budget(data, change.places, scope, reached, scores).best(step.max_edges)
    chosen = np.sort(np.concatenate([held, change.places]))
    assert state.propagations is not None
    if state.propagations.any:
        rows = Nodes.of(data.interactions.users[chosen], data.interactions.items[chosen], data.sizes) | reached
        part = Neighbourhood(*rows.rows, chosen, edges)
    else:
        part = neighbourhood(change, chosen, num_hops=hops)
    core = scope & ~change.without_data
    users, core_users = _core_first(part.users, core.users)
    items, core_items = _core_first(part.items, core.items)
    return LocalRequest(change, replace(part, users=users, items=items), scope, (core_users, core_items), left_out_nodes, left_out)


def _in_whole_groups(places: np.ndarray, change: Change) -> np.ndarray:
    """With the other members of their groups: the term of a group depends on the scores of all of them."""
    leaders = change.before.leaders
    if leaders is None:
        return places
    member = np.zeros(len(leaders), bool)
    member[places] = member[change.places] = True
    return np.flatnonzero(whole_groups(member, leaders))


@dataclass(frozen=True, eq=False)
class _Budget:
    """The choice of the best retained interactions at the rows that a request reaches.

    Those at the scope come first, then those of the most important end. Nodes are opened in the order of their importance, and no
    more of them than can hold what is wanted: of a hundred thousand interactions a few thousand are looked at.
    """

    data: TrainingSet
    touched: np.ndarray
    scope: Nodes
    reached: Nodes
    importance: tuple[np.ndarray, np.ndarray]

    def best(self, budget: int) -> tuple[np.ndarray, int]:
        """Their places, and how many others there are."""
        pattern, count = self.data.pattern, len(self.data)
        near = incident(pattern, self.scope, count)
        near = near[~contains(self.touched, near)]
        held = self._most_important(near, budget)
        if len(held) < budget:
            far = self._beyond_scope(2 * (budget + len(self.touched)))
            far = far[~(contains(near, far) | contains(self.touched, far))]
            held = np.concatenate([held, self._most_important(far, budget - len(held))])
        users, items = self.data.interactions.users[self.touched], self.data.interactions.items[self.touched]
        gone = np.count_nonzero(self.reached.users[users] | self.reached.items[items])
        return held, count_incident(pattern, count, self.reached) - int(gone) - len(held)

    @property
    def _scores(self) -> tuple[np.ndarray, np.ndarray]:
        # A request comes to an interaction by an end that it reaches; in single precision equals are equal whatever the order of
        # their sums was.
        of_users, of_items = self.importance
        users, items = np.where(self.reached.users, of_users, 0), np.where(self.reached.items, of_items, 0)
        return users.astype(np.float32), items.astype(np.float32)

    def _beyond_scope(self, wanted: int) -> np.ndarray:
        """Interactions at the most important nodes outside the scope, whose lists hold as many as are wanted.

        An interaction stands in the lists of both its ends, and some are near or forgotten: hence twice the budget.
        """
        users, items = (self.reached & ~self.scope).rows
        score = np.concatenate([self._scores[0][users], self._scores[1][items]])
        of_users, of_items = degrees(self.data.pattern, len(self.data))
        lengths = np.concatenate([of_users[users], of_items[items]])
        order = np.argsort(-score, kind="stable")
        enough = 1 + int(np.searchsorted(np.cumsum(lengths[order]), wanted))
        if enough < len(order):  # ties belong together
            enough = int(np.searchsorted(-score[order], -score[order][enough - 1], side="right"))
        opened = order[:enough]
        return places_at(self.data.pattern, users[opened[opened < len(users)]], items[opened[opened >= len(users)] - len(users)])

    def _most_important(self, places: np.ndarray, count: int) -> np.ndarray:
        if len(places) <= count:
            return places
        users, items = self.data.interactions.users[places], self.data.interactions.items[places]
        score = np.maximum(self._scores[0][users], self._scores[1][items])
        return places[np.argsort(-score, kind="stable")[:count]]


def _core_first(nodes: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, int]:
    inside = core[nodes]
    return np.concatenate([nodes[inside], nodes[~inside]]), int(inside.sum())
