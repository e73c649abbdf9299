"""What a loss is summed over: pairs with labels and weights, and the graph that their scores are taken on."""

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.graph.graph import Graph
from ifru_jax.graph.pairs import Pairs, SortedPairs
from ifru_jax.host_arrays import leading, padded
from ifru_jax.pytree import pytree
from ifru_jax.sparse.edges import build_edges, capacity_of
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


@pytree
class Batch:
    """What an objective is evaluated on: examples, and the graph that they are scored on."""

    examples: Examples
    graph: Graph


def build_examples(interactions: Interactions, *, capacity: int | None = None) -> Examples:
    """A small set of interactions on the device, sorted and padded to a power of two, or to `capacity`; without leaders."""
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
    count, capacity = len(ordered), pairs.edges.capacity
    dtype = jnp.result_type(float) if dtype is None else dtype
    columns = padded(ordered.labels, capacity, dtype), leading(count, capacity, dtype), padded_leaders(leaders, capacity)
    return Examples(pairs, *on_device(columns))


def padded_leaders(leaders: np.ndarray | None, capacity: int) -> np.ndarray | None:
    """int32 [capacity]: the leaders [n], and behind them padding, which leads itself; None where nothing is compared."""
    if leaders is None:
        return None
    out = np.arange(capacity, dtype=np.int32)
    out[: len(leaders)] = leaders
    return out
