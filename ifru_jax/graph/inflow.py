"""What flows into a small part of the graph from the rest of it.

    (Â x)_v = Σ_{edges vw of the part} â_vw x_w + inflow_v

A request changes the rows in scope S and the weights of edges at S. Layer by layer that spreads: what layer l + 1 takes has changed
at the nodes within l edges of S, and nowhere else. Once the part holds every edge of ball_{L−1}(S), all that comes from outside is
a constant of the step, exact for any number of layers, and a model of one layer needs the edges at S alone, not those of everybody
whose scores it is measured by. The constants are read off one pass over the whole graph.
"""

import jax

from ifru_jax.graph.graph import Graph, GraphView
from ifru_jax.pytree import pytree


@pytree
class Propagation:
    """One propagation of a model: what it took from one side of the graph, [n, d], and gave to the other, [m, d]."""

    taken: jax.Array
    given: jax.Array


@pytree
class Propagations:
    """All propagations of one score, in the order of the calls."""

    to_users: tuple[Propagation, ...] = ()
    to_items: tuple[Propagation, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.to_users or self.to_items)

    def at(self, users: jax.Array, items: jax.Array, rows: "Propagations") -> "Propagations":
        """The same with other `rows` at these nodes (int [u], [i]); numbers beyond the last node are passed over."""

        def moved(whole: Propagation, part: Propagation, takers: jax.Array, givers: jax.Array) -> Propagation:
            taken = whole.taken.at[takers].set(part.taken, mode="drop")
            return Propagation(taken, whole.given.at[givers].set(part.given, mode="drop"))

        return Propagations(
            tuple(moved(a, b, items, users) for a, b in zip(self.to_users, rows.to_users, strict=True)),
            tuple(moved(a, b, users, items) for a, b in zip(self.to_items, rows.to_items, strict=True)),
        )

    def without(self, users: jax.Array, items: jax.Array) -> "Propagations":
        """The same with nothing at these nodes (int [a], [b]), which have no edge and no data; numbers beyond are passed over."""
        return self.at(users, items, jax.tree.map(lambda _: 0, self))


Inflow = tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]
"""What users, and items, get from outside in each propagation, [u, d] and [i, d]."""


def inflow(part: Graph, whole: Propagations, users: jax.Array, items: jax.Array) -> Inflow:
    """What the nodes of a part (rows int [u], [i] of the whole) get from all edges that it lacks."""
    return (
        tuple(p.given[users] - part.to_users(p.taken[items]) for p in whole.to_users),
        tuple(p.given[items] - part.to_items(p.taken[users]) for p in whole.to_items),
    )


class OnePass(GraphView):
    """A graph as one score sees it: keeps its propagations and adds the inflow of each. Made anew for every score.

    It is no pytree, on purpose: a model that hands the graph to a transformation of its own can't be followed, and JAX says so.
    """

    def __init__(self, graph: Graph, flow: Inflow | None = None) -> None:
        self.graph, self._flow = graph, flow
        self._to_users: list[Propagation] = []
        self._to_items: list[Propagation] = []
        self.only_propagates = True

    def to_users(self, item_vectors: jax.Array) -> jax.Array:
        return self._keep(self._to_users, 0, item_vectors, self.graph.to_users(item_vectors))

    def to_items(self, user_vectors: jax.Array) -> jax.Array:
        return self._keep(self._to_items, 1, user_vectors, self.graph.to_items(user_vectors))

    def _keep(self, calls: list[Propagation], side: int, taken: jax.Array, given: jax.Array) -> jax.Array:
        if self._flow is not None:
            given += self._flow[side][len(calls)]
        calls.append(Propagation(taken, given))
        return given

    @property
    def propagations(self) -> Propagations:
        return Propagations(tuple(self._to_users), tuple(self._to_items))

    def read(self, name: str) -> Graph:
        """Whatever else a model reads of a graph (degrees, bags, single edges) is not a sum that an inflow completes."""
        self.only_propagates = False
        return self.graph


@pytree
class OpenGraph(GraphView):
    """Part of a graph with what flows into it."""

    graph: Graph
    flow: Inflow

    def one_pass(self) -> OnePass:
        return OnePass(self.graph, self.flow)
