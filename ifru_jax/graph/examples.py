"""What a loss is summed over: pairs with labels and weights, and the graph that their scores are taken on."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph.graph import Graph
from ifru_jax.graph.pairs import IndexPairs, Pairs, SortedPairs
from ifru_jax.host_arrays import leading, padded
from ifru_jax.pytree import pytree
from ifru_jax.sparse.edges import build_edges, capacity_of
from ifru_jax.sparse.mesh_edges import MeshEdges, build_mesh_edges
from ifru_jax.sparse.placement import on_device


@pytree
class Examples:
    """Pairs with labels, and how much each counts in a sum.

    Attributes:
      pairs: n pairs, padding included.
      labels: float [n].
      weights: float [n]; 1 counts, 0 does not (padding, or what a request removed).
      leaders: int32 [n], the place of the interaction that each is compared with (`data.groups`); None where nobody compares.
    """

    pairs: Pairs
    labels: jax.Array
    weights: jax.Array
    leaders: jax.Array | None = None

    def at(self, numbers: jax.Array) -> tuple[IndexPairs, jax.Array]:
        """Pairs and labels of those with these numbers (int [k]) in the order of the host, however they stand on the devices."""
        edges = self.pairs.edges if isinstance(self.pairs, SortedPairs) else None
        places = numbers if edges is None else edges.places(numbers)
        return IndexPairs(self.pairs.users[places], self.pairs.items[places]), self.labels[places]

    def drawn(self, draws: jax.Array) -> jax.Array:
        """Draws [n] in the order of the host, the same whatever the padding, as they stand beside the examples."""
        edges = self.pairs.edges if isinstance(self.pairs, SortedPairs) else None
        return draws[edges.numbers] if isinstance(edges, MeshEdges) else draws


@pytree
class Batch:
    """What an objective is evaluated on: examples, and the graph that they are scored on."""

    examples: Examples
    graph: Graph


def build_examples(interactions: Interactions, *, capacity: int | None = None, mesh: Mesh | None = None) -> Examples:
    """A small set of interactions on the device, sorted and padded to a power of two, or to `capacity`; without leaders.

    Over the devices of a mesh each pads its own.
    """
    if mesh is not None:
        ordered, edges = interactions_over(interactions, mesh, room=(128, 16))
        return examples_of(ordered, SortedPairs(edges))
    pairs, order = build_edges(
        interactions.users,
        interactions.items,
        num_rows=interactions.num_users,
        num_cols=interactions.num_items,
        capacity=capacity or capacity_of(len(interactions)),
    )
    return examples_of(interactions.select(order), SortedPairs(pairs))


def examples_of(
    ordered: Interactions, pairs: SortedPairs, leaders: np.ndarray | None = None, *, dtype: jnp.dtype | None = None
) -> Examples:
    """Interactions that stand in the order of `pairs`, each with weight 1; `dtype` None is the precision in use."""
    count, edges = len(ordered), pairs.edges
    dtype = jnp.result_type(float) if dtype is None else dtype
    if isinstance(edges, MeshEdges):
        return Examples(pairs, edges.column(ordered.labels, dtype), edges.column(np.ones(count), dtype))
    columns = padded(ordered.labels, edges.capacity, dtype), leading(count, edges.capacity, dtype)
    return Examples(pairs, *on_device((*columns, padded_leaders(leaders, edges.capacity))))


def interactions_over(
    interactions: Interactions, mesh: Mesh, *, room: tuple[int, int] | None = None
) -> tuple[Interactions, MeshEdges]:
    """The interactions sorted by user and item, and their pattern over a mesh; see `build_mesh_edges` for the room.

    Raises:
      DataError: a share for another mesh.
    """
    share = interactions.share
    if share is not None and share.mesh != mesh:
        raise DataError(
            f"these are the interactions of {share}, for {share.mesh.size} devices of several processes: "
            "put them over the mesh that they were read for, with on_mesh."
        )
    order = np.lexsort((interactions.items, interactions.users))
    ordered = interactions.select(order)
    sizes = interactions.num_users, interactions.num_items
    shared = share is not None
    return ordered, build_mesh_edges(ordered.users, ordered.items, sizes=sizes, mesh=mesh, room=room, shared=shared)


def padded_leaders(leaders: np.ndarray | None, capacity: int) -> np.ndarray | None:
    """int32 [capacity]: the leaders [n], and behind them padding, which leads itself; None where nothing is compared."""
    if leaders is None:
        return None
    out = np.arange(capacity, dtype=np.int32)
    out[: len(leaders)] = leaders
    return out
