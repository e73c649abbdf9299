"""Neighbourhoods of a deletion: which interactions it reaches, and subgraphs that reproduce their scores exactly.

    ball_k(S)  = nodes within k edges of S
    affected A = retained interactions with an endpoint in ball_L(endpoints of removed edges)

Deleting an edge changes both degrees, so the weights of *all* edges at its endpoints change; L layers of propagation carry that
L edges further. The score of an interaction with L layers depends on the edges that touch ball_{L−1} of its endpoints, and on
the rows of ball_L. A `Neighbourhood` holds these with the weights they have in the whole graph, numbered from 0 and padded, so
that a batch of them is one `vmap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph.bipartite import BipartiteGraph
from ifru_jax.graph.edges import Edges, build_edges, capacity_of
from ifru_jax.graph.incidence import Nodes
from ifru_jax.graph.training_set import Examples


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["users", "items", "examples", "before", "after"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Neighbourhood:
    """A compact problem around some interactions; with a leading batch axis once stacked.

    Attributes:
      users: int32 [u], rows of the user table; padding repeats row 0 and is touched by no edge and no counted example.
      items: int32 [i], rows of the item table.
      examples: the interactions, in local numbers.
      before, after: the local graph with the weights of the graph before and after the deletion.
    """

    users: jax.Array
    items: jax.Array
    examples: Examples
    before: BipartiteGraph
    after: BipartiteGraph


def ball(centre: Nodes, edge_users: np.ndarray, edge_items: np.ndarray, radius: int) -> Nodes:
    """Nodes within `radius` edges of `centre`; edges int [e] twice."""
    users, items = centre.users.copy(), centre.items.copy()
    for _ in range(radius):
        reached_items = edge_items[users[edge_users]]
        reached_users = edge_users[items[edge_items]]
        users[reached_users] = True
        items[reached_items] = True
    return Nodes(users, items)


def endpoints(users: np.ndarray, items: np.ndarray, *, num_users: int, num_items: int) -> Nodes:
    """The nodes that occur in these interactions."""
    nodes = Nodes(np.zeros(num_users, bool), np.zeros(num_items, bool))
    nodes.users[users] = True
    nodes.items[items] = True
    return nodes


@dataclass(frozen=True, eq=False)
class EdgeList:
    """Edges on the host; real edges only, no padding.

    Attributes:
      users, items: int [e].
      num_users, num_items: sizes of the sides.
    """

    users: np.ndarray
    items: np.ndarray
    num_users: int
    num_items: int


@dataclass(frozen=True, eq=False)
class HostGraph(EdgeList):
    """Edges with their weights before and after a deletion, float [e], and the side features of all nodes, if there are any."""

    before: np.ndarray
    after: np.ndarray
    user_features: np.ndarray | None = None
    item_features: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class HostNeighbourhood:
    """A neighbourhood before padding; node numbers are global."""

    users: np.ndarray
    items: np.ndarray
    edges: np.ndarray
    chosen: np.ndarray


def extract(graph: EdgeList, users: np.ndarray, items: np.ndarray, chosen: np.ndarray, *, num_hops: int) -> HostNeighbourhood:
    """The nodes and edges that the scores of the interactions `chosen` depend on.

    Args:
      graph: the whole graph.
      users, items: int [n], all interactions.
      chosen: int [c], indices of interactions.
      num_hops: L ≥ 1.
    """
    centre = endpoints(users[chosen], items[chosen], num_users=graph.num_users, num_items=graph.num_items)
    inner = ball(centre, graph.users, graph.items, num_hops - 1)
    edges = np.flatnonzero(inner.users[graph.users] | inner.items[graph.items])
    outer = endpoints(graph.users[edges], graph.items[edges], num_users=graph.num_users, num_items=graph.num_items)
    return HostNeighbourhood(
        users=np.flatnonzero(outer.users | inner.users),
        items=np.flatnonzero(outer.items | inner.items),
        edges=edges,
        chosen=chosen,
    )


def stack(
    parts: Sequence[HostNeighbourhood],
    graph: HostGraph | Sequence[HostGraph],
    users: np.ndarray,
    items: np.ndarray,
    labels: np.ndarray,
    *,
    dtype: jnp.dtype,
) -> Neighbourhood:
    """Pads neighbourhoods to common powers of two and stacks them, [b, …] with b a power of two.

    Args:
      parts: at least one neighbourhood.
      graph: the graph they were extracted from, or one per neighbourhood (each with its own deletion).
      users, items, labels: [n], all interactions.
      dtype: of labels and weights on the device.
    """
    graphs = [graph] * len(parts) if isinstance(graph, HostGraph) else list(graph)
    sizes = {
        "users": capacity_of(max(len(p.users) for p in parts)),
        "items": capacity_of(max(len(p.items) for p in parts)),
        "edges": capacity_of(max(len(p.edges) for p in parts)),
        "chosen": capacity_of(max(len(p.chosen) for p in parts)),
    }
    # The number of neighbourhoods is padded too; an empty one has no example and so contributes nothing.
    nothing = np.zeros(0, np.int64)
    empty = HostNeighbourhood(nothing, nothing, nothing, nothing)
    missing = capacity_of(len(parts), least=1) - len(parts)
    parts, graphs = [*parts, *[empty] * missing], [*graphs, *graphs[:1] * missing]
    padded = [_pad(p, g, users, items, labels, sizes, dtype) for p, g in zip(parts, graphs, strict=True)]
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves])), *padded)


def _pad(
    part: HostNeighbourhood,
    graph: HostGraph,
    users: np.ndarray,
    items: np.ndarray,
    labels: np.ndarray,
    sizes: dict[str, int],
    dtype: jnp.dtype,
) -> Neighbourhood:
    local_user, local_item = np.zeros(graph.num_users, np.int32), np.zeros(graph.num_items, np.int32)
    local_user[part.users] = np.arange(len(part.users))
    local_item[part.items] = np.arange(len(part.items))
    shape = {"num_rows": sizes["users"], "num_cols": sizes["items"]}

    def pattern(rows: np.ndarray, cols: np.ndarray, capacity: int) -> tuple[Edges, np.ndarray]:
        return build_edges(local_user[rows], local_item[cols], capacity=capacity, **shape)

    def along(values: np.ndarray, capacity: int) -> jax.Array:
        return jnp.asarray(np.concatenate([values, np.zeros(capacity - len(values))]), dtype)

    pairs, pair_order = pattern(users[part.chosen], items[part.chosen], sizes["chosen"])
    edges, edge_order = pattern(graph.users[part.edges], graph.items[part.edges], sizes["edges"])

    def features(values: np.ndarray | None, nodes: np.ndarray, size: int) -> jax.Array | None:
        return None if values is None else jnp.asarray(values[np.asarray(_rows(nodes, size))], dtype)

    user_features = features(graph.user_features, part.users, sizes["users"])
    item_features = features(graph.item_features, part.items, sizes["items"])
    before, after = (
        BipartiteGraph(edges, along(weights[part.edges][edge_order], sizes["edges"]), user_features, item_features)
        for weights in (graph.before, graph.after)
    )
    examples = Examples(pairs, along(labels[part.chosen][pair_order], sizes["chosen"]), pairs.mask.astype(dtype))
    return Neighbourhood(_rows(part.users, sizes["users"]), _rows(part.items, sizes["items"]), examples, before, after)


def _rows(nodes: np.ndarray, capacity: int) -> jax.Array:
    return jnp.asarray(np.concatenate([nodes, np.zeros(capacity - len(nodes))]).astype(np.int32))
