"""A request as a small problem of its own: the rows that may move, the interactions that hold them, and nothing else.

    core    rows in scope, the unknowns of the solve; they come first in the local numbering
    pairs   interactions whose score depends on a core row (all within L edges of one, or those that a budget leaves)
    rows    everything those scores depend on; rows outside the core stay as they are

The cost of a product with H then follows the request and not the data. All sizes come from one ladder of buckets, so that a
stream of requests compiles once per rung. Built on the host; several of the same size stack to a batch for `vmap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from ifru_jax.graph.bipartite import BipartiteGraph
from ifru_jax.graph.edges import Edges, capacity_of, degrees_without, host_edges
from ifru_jax.graph.groups import whole_groups
from ifru_jax.graph.neighbourhood import EdgeList, Nodes, ball, extract
from ifru_jax.graph.training_set import TrainingSet


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "users",
        "items",
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
      core_users: bool [cu], which of the first cu rows are unknowns.
      core_items: bool [ci].
      user_degrees: float [cu], retained interactions at each core row, in the whole data.
      item_degrees: float [ci].
      median_degree: float [], of 1 + retained interactions over all nodes of the data.
      pairs: the interactions, in local numbers, [c].
      labels: float [c].
      retained: float [c], 1 for interactions of D_r.
      forgotten: float [c], 1 for interactions of D_f.
      before, after: the local graph with the weights of G and of G_r; without edges for a model that has no graph.
      leaders: int32 [c], see `Examples`; None where the loss compares nothing.
    """

    users: jax.Array
    items: jax.Array
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


@dataclass(frozen=True, eq=False)
class HostProblem:
    """A local problem before padding; numbers are global.

    Attributes:
      users, items: int [u], [i], core rows first.
      num_core_users, num_core_items: how many are core.
      chosen: int [c], places among the interactions, the forgotten ones included.
      forgotten: bool [c], which of the chosen are forgotten.
      edge_users, edge_items: int [e], the edges that the scores of the chosen depend on.
      before, after: float [e], their weights in G and G_r.
      user_degrees, item_degrees: retained interactions of the core rows.
      median_degree: of 1 + retained interactions over all nodes.
      left_out: interactions that a budget left out.
    """

    users: np.ndarray
    items: np.ndarray
    num_core_users: int
    num_core_items: int
    chosen: np.ndarray
    forgotten: np.ndarray
    edge_users: np.ndarray
    edge_items: np.ndarray
    before: np.ndarray
    after: np.ndarray
    user_degrees: np.ndarray
    item_degrees: np.ndarray
    median_degree: float
    left_out: int


@dataclass(frozen=True)
class Bucket:
    """Sizes to pad to."""

    core: int
    users: int
    items: int
    pairs: int
    edges: int


def incident(pairs: Edges, nodes: Nodes) -> np.ndarray:
    """int64 places of the interactions with an endpoint in `nodes`, ascending; reads those nodes' lists and nothing else."""
    row_ptr, col_ptr, col_order = (np.asarray(x) for x in (pairs.row_ptr, pairs.col_ptr, pairs.col_order))
    at_users = _ranges(row_ptr, np.flatnonzero(nodes.users))
    at_items = col_order[_ranges(col_ptr, np.flatnonzero(nodes.items))]
    places = np.concatenate([at_users, at_items]).astype(np.int64)
    places.sort()
    kept = np.ones(len(places), bool)
    kept[1:] = places[1:] != places[:-1]
    # Padding stands at the last row and column.
    return places[kept & np.asarray(pairs.mask)[places]]


def _ranges(pointers: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The entries pointers[w] … pointers[w + 1] − 1 of every w in `which`, one after the other."""
    starts, lengths = pointers[which].astype(np.int64), np.diff(pointers)[which]
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def extract_problem(
    data: TrainingSet,
    forgotten: np.ndarray,
    scope: Nodes,
    *,
    num_hops: int,
    max_edges: int | None = None,
    importance: tuple[np.ndarray, np.ndarray] | None = None,
) -> HostProblem:
    """The interactions that matter to the rows in scope.

    Args:
      data: D.
      forgotten: int [f], places of the interactions of D_f.
      scope: rows that may change; those left without data are no unknowns.
      num_hops: L of the model; 0 for a model without a graph.
      max_edges: retained interactions at the most; None keeps all, which is exact. Interactions at a row in scope come before
        others, and then the more important endpoint decides.
      importance: of users and of items, float [num_users] and [num_items]; needed with `max_edges`.
    """
    interactions, edges, graph = data.interactions, data.examples.pairs, _edge_list(data, num_hops)
    assert isinstance(edges, Edges)
    gone = np.zeros(len(interactions), bool)
    gone[forgotten] = True
    touched = incident(edges, ball(scope, graph.users, graph.items, num_hops))
    if data.leaders is not None:
        # The term of a group depends on the scores of all its members.
        member = gone.copy()
        member[touched] = True
        touched = np.flatnonzero(whole_groups(member, data.leaders))
    held = touched[~gone[touched]]
    left_out = 0
    if max_edges is not None and len(held) > max_edges:
        assert importance is not None
        users, items = interactions.users[held], interactions.items[held]
        score = np.maximum(importance[0][users], importance[1][items])
        far = ~(scope.users[users] | scope.items[items])
        left_out = len(held) - max_edges
        held = held[np.lexsort((-score, far))[:max_edges]]
    chosen = np.sort(np.concatenate([held, forgotten]))
    part = extract(graph, interactions.users, interactions.items, chosen, num_hops=num_hops)
    user_degrees, item_degrees = data.degrees_without(forgotten)
    users, core_users = _core_first(part.users, scope.users & (user_degrees > 0))
    items, core_items = _core_first(part.items, scope.items & (item_degrees > 0))
    before, after = _weights(data, part.edges, forgotten)
    return HostProblem(
        users=users,
        items=items,
        num_core_users=core_users,
        num_core_items=core_items,
        chosen=chosen,
        forgotten=gone[chosen],
        edge_users=graph.users[part.edges],
        edge_items=graph.items[part.edges],
        before=before,
        after=after,
        user_degrees=user_degrees[users[:core_users]],
        item_degrees=item_degrees[items[:core_items]],
        median_degree=float(np.median(1 + np.concatenate([user_degrees, item_degrees]))),
        left_out=left_out,
    )


def _edge_list(data: TrainingSet, num_hops: int) -> EdgeList:
    """The graph on the host, read in place; without edges for a model that has none."""
    edges, count = data.graph.edges, len(data.positives) if num_hops else 0
    rows, cols = np.asarray(edges.rows)[:count], np.asarray(edges.cols)[:count]
    return EdgeList(rows, cols, edges.num_rows, edges.num_cols)


def _weights(data: TrainingSet, edges: np.ndarray, forgotten: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / √(d_u d_i) of these edges before and after the deletion, which also changes the edges beside the removed ones."""
    pattern, positives = data.graph.edges, data.positives
    users, items = np.asarray(pattern.rows)[edges], np.asarray(pattern.cols)[edges]
    places = np.searchsorted(positives, forgotten)
    inside = places < len(positives)
    removed = places[inside][positives[places[inside]] == forgotten[inside]]
    gone_users, gone_items = np.asarray(pattern.rows)[removed], np.asarray(pattern.cols)[removed]
    nothing = np.zeros(0, np.int64)

    def weights(without_users: np.ndarray, without_items: np.ndarray) -> np.ndarray:
        user_degrees, item_degrees = degrees_without(pattern, len(positives), without_users, without_items)
        return 1 / np.sqrt(np.maximum(user_degrees[users], 1) * np.maximum(item_degrees[items], 1.0))

    return weights(nothing, nothing), np.where(np.isin(edges, removed), 0, weights(gone_users, gone_items))


def _core_first(nodes: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, int]:
    inside = core[nodes]
    return np.concatenate([nodes[inside], nodes[~inside]]), int(inside.sum())


# The first rung of the ladder, in interactions.
LEAST_PAIRS = 256


def bucket_for(problems: Sequence[HostProblem], *, num_users: int, num_items: int, num_edges: int) -> Bucket:
    """The smallest rung of the ladder that holds all of them."""
    pairs = LEAST_PAIRS
    while True:
        bucket = rung(pairs, num_users=num_users, num_items=num_items, num_edges=num_edges)
        if all(_fits(problem, bucket) for problem in problems):
            return bucket
        pairs *= 2


def rung(pairs: int, *, num_users: int, num_items: int, num_edges: int) -> Bucket:
    """One number, the interactions, decides every size, so that there are few combinations; `num_edges` is 0 without a graph."""
    return Bucket(
        core=max(16, pairs // 32),
        users=min(capacity_of(num_users if num_edges else 2 * pairs), num_users),
        items=min(capacity_of(num_items if num_edges else 2 * pairs), num_items),
        pairs=pairs,
        edges=min(capacity_of(128 * pairs), capacity_of(num_edges)) if num_edges else 16,
    )


def _fits(problem: HostProblem, bucket: Bucket) -> bool:
    return (
        problem.num_core_users <= min(bucket.core, bucket.users)
        and problem.num_core_items <= min(bucket.core, bucket.items)
        and len(problem.users) <= bucket.users
        and len(problem.items) <= bucket.items
        and len(problem.chosen) <= bucket.pairs
        and len(problem.edge_users) <= bucket.edges
    )


def stack_problems(problems: Sequence[HostProblem], data: TrainingSet, bucket: Bucket) -> LocalProblem:
    """Pads and stacks, [b, …], on the host: the compiled call takes many small arrays over faster than they can be sent alone."""
    padded = [_pad(problem, data, bucket) for problem in problems]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)


def empty_problem() -> HostProblem:
    """A problem without a row or an interaction, to pad a batch with; its step is zero."""
    none = np.zeros(0, np.int64)
    return HostProblem(none, none, 0, 0, none, none, none, none, none, none, none, none, 1.0, 0)


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
