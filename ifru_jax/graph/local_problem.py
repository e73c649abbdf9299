"""A request as a small problem of its own (`graph.extraction`), numbered anew and padded.

The cost of a product with H then follows the request and not the data. The unknowns come first in the local numbering. All sizes
come from one ladder of buckets, so that a stream of requests compiles once per rung. Built on the host; several of the same size
stack to a batch for `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from ifru_jax.graph.bipartite import BipartiteGraph
from ifru_jax.graph.edges import Edges, capacity_of, host_edges
from ifru_jax.graph.extraction import HostProblem
from ifru_jax.graph.training_set import TrainingSet


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "users",
        "items",
        "num_rows",
        "core_users",
        "core_items",
        "user_degrees",
        "item_degrees",
        "median_degree",
        "pairs",
        "labels",
        "retained",
        "forgotten",
        "before",
        "after",
        "leaders",
    ],
    meta_fields=[],
)
@dataclass(frozen=True)
class LocalProblem:
    """One request, padded; with a leading batch axis once stacked.

    Attributes:
      users: int32 [u], rows of the user table, core rows first; padding repeats row 0 and is held by nothing.
      items: int32 [i], the same for items.
      num_rows: int32 [2], how many of both are no padding.
      core_users: bool [cu], which of the first cu rows are unknowns.
      core_items: bool [ci].
      user_degrees: float [cu], retained interactions at each core row, in the whole data.
      item_degrees: float [ci].
      median_degree: float [], of 1 + retained interactions over all nodes of the data.
      pairs: the interactions, in local numbers, [c].
      labels: float [c].
      retained: float [c], 1 for interactions of D_r.
      forgotten: float [c], 1 for interactions of D_f.
      before, after: the local graph with the weights of G and of G_r; without edges for a model that has no graph, and with those
        alone where something changes if what flows in from outside is known.
      leaders: int32 [c], see `Examples`; None where the loss compares nothing.
    """

    users: jax.Array
    items: jax.Array
    num_rows: jax.Array
    core_users: jax.Array
    core_items: jax.Array
    user_degrees: jax.Array
    item_degrees: jax.Array
    median_degree: jax.Array
    pairs: Edges
    labels: jax.Array
    retained: jax.Array
    forgotten: jax.Array
    before: BipartiteGraph
    after: BipartiteGraph
    leaders: jax.Array | None = None


@dataclass(frozen=True)
class Bucket:
    """Sizes to pad to."""

    core: int
    users: int
    items: int
    pairs: int
    edges: int


# The first rung of the ladder, in interactions.
LEAST_PAIRS = 256


@dataclass(frozen=True)
class Sizes:
    """Of the whole data, which bound those of any problem.

    Attributes:
      users, items: rows.
      edges: of the graph; 0 for a model without one.
      is_open: whether problems hold only the edges where something changes.
    """

    users: int
    items: int
    edges: int
    is_open: bool


def bucket_for(problems: Sequence[HostProblem], sizes: Sizes) -> Bucket:
    """The lowest rung of the ladder that holds all of them, with more unknowns or edges than its own where they ask for it."""

    def most(size: Callable[[HostProblem], int]) -> int:
        return max(size(problem) for problem in problems)

    bucket = rung(max(LEAST_PAIRS, capacity_of(most(lambda p: len(p.chosen)))), sizes)
    core = _enough(bucket.core, most(lambda p: max(p.num_core_users, p.num_core_items)), factor=8)
    edges = _enough(bucket.edges, most(lambda p: len(p.edge_users)), factor=4)
    users = _enough(bucket.users, most(lambda p: len(p.users)), factor=4)
    items = _enough(bucket.items, most(lambda p: len(p.items)), factor=4)
    return Bucket(core, min(users, sizes.users), min(items, sizes.items), bucket.pairs, edges)


def rung(pairs: int, sizes: Sizes) -> Bucket:
    """One number, the interactions, decides every size, so that there are few combinations."""
    if sizes.is_open or not sizes.edges:
        edges, users, items = pairs if sizes.edges else 16, 2 * pairs, 2 * pairs
    else:
        edges = min(capacity_of(128 * pairs), capacity_of(sizes.edges))
        users, items = sizes.users, sizes.items
    return Bucket(max(16, pairs // 32), min(capacity_of(users), sizes.users), min(capacity_of(items), sizes.items), pairs, edges)


def _enough(size: int, needed: int, *, factor: int) -> int:
    while size < needed:
        size *= factor
    return size


def stack_problems(problems: Sequence[HostProblem], data: TrainingSet, bucket: Bucket) -> LocalProblem:
    """Pads and stacks, [b, …], on the host: the compiled call takes many small arrays over faster than they can be sent alone."""
    padded = [_pad(problem, data, bucket) for problem in problems]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)


def _pad(problem: HostProblem, data: TrainingSet, bucket: Bucket) -> LocalProblem:
    interactions = data.interactions
    dtype = np.dtype(data.examples.labels.dtype)
    local_user = np.zeros(interactions.num_users, np.int32)
    local_item = np.zeros(interactions.num_items, np.int32)
    local_user[problem.users] = np.arange(len(problem.users))
    local_item[problem.items] = np.arange(len(problem.items))

    def pattern(users: np.ndarray, items: np.ndarray, capacity: int) -> tuple[Edges, np.ndarray]:
        return host_edges(local_user[users], local_item[items], num_rows=bucket.users, num_cols=bucket.items, capacity=capacity)

    def padded(values: np.ndarray, size: int, kind: np.dtype) -> np.ndarray:
        out = np.zeros(size, kind)
        out[: len(values)] = values
        return out

    chosen = problem.chosen
    pairs, order = pattern(interactions.users[chosen], interactions.items[chosen], bucket.pairs)
    ordered = chosen[order]
    gone = problem.forgotten[order]
    edges, edge_order = pattern(problem.edge_users, problem.edge_items, bucket.edges)
    users, items = (
        padded(nodes, size, np.dtype(np.int32)) for nodes, size in ((problem.users, bucket.users), (problem.items, bucket.items))
    )
    sides = ((users, data.graph.user_features), (items, data.graph.item_features))
    features = [None if values is None else np.asarray(values)[nodes] for nodes, values in sides]
    before, after = (
        BipartiteGraph(edges, padded(weights[edge_order], bucket.edges, dtype), *features)  # pyright: ignore[reportArgumentType]
        for weights in (problem.before, problem.after)
    )
    core_users, core_items = (min(bucket.core, size) for size in (bucket.users, bucket.items))
    boolean = np.dtype(bool)
    arrays: dict = {
        "users": users,
        "items": items,
        "num_rows": np.asarray([len(problem.users), len(problem.items)], np.int32),
        "core_users": padded(np.ones(problem.num_core_users, bool), core_users, boolean),
        "core_items": padded(np.ones(problem.num_core_items, bool), core_items, boolean),
        "user_degrees": padded(problem.user_degrees, core_users, dtype),
        "item_degrees": padded(problem.item_degrees, core_items, dtype),
        "median_degree": np.asarray(problem.median_degree, dtype),
        "labels": padded(interactions.labels[ordered], bucket.pairs, dtype),
        "retained": padded(~gone, bucket.pairs, dtype),
        "forgotten": padded(gone, bucket.pairs, dtype),
    }
    leaders = None
    if data.leaders is not None:
        place = np.zeros(len(interactions), np.int32)
        place[ordered] = np.arange(len(ordered))
        leaders = np.arange(bucket.pairs, dtype=np.int32)
        leaders[: len(ordered)] = place[data.leaders[ordered]]
    return LocalProblem(pairs=pairs, before=before, after=after, leaders=leaders, **arrays)  # pyright: ignore[reportArgumentType]
