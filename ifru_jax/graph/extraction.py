"""Which rows, interactions and edges a request is solved on; on the host, reading the lists of the nodes around it and little else.

core    rows in scope, the unknowns of the solve
chosen  interactions whose score depends on a core row (all within L edges of one, or those that a budget leaves)
edges   open: those of ball_{L−1}(core), the rest being a constant (`graph.inflow`);
        closed, for models that can't be opened: all that the scores of the chosen depend on
rows    the ends of both
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifru_jax.graph.edges import Edges, degrees, degrees_without
from ifru_jax.graph.groups import whole_groups
from ifru_jax.graph.incidence import count_incident, incident, places_at
from ifru_jax.graph.neighbourhood import EdgeList, Nodes, endpoints, extract
from ifru_jax.graph.training_set import TrainingSet


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


def empty_problem() -> HostProblem:
    """A problem without a row or an interaction, to pad a batch with; its step is zero."""
    none = np.zeros(0, np.int64)
    return HostProblem(none, none, 0, 0, none, none, none, none, none, none, none, none, 1.0, 0)


def extract_problem(
    data: TrainingSet,
    forgotten: np.ndarray,
    scope: Nodes,
    *,
    num_hops: int,
    is_open: bool = False,
    max_edges: int | None = None,
    importance: tuple[np.ndarray, np.ndarray] | None = None,
) -> HostProblem:
    """The interactions that matter to the rows in scope.

    Args:
      data: D.
      forgotten: int [f], places of the interactions of D_f.
      scope: rows that may change; those left without data are no unknowns.
      num_hops: L of the model; 0 for a model without a graph.
      is_open: whether what flows in from outside is known, so that only the edges where something changes are needed.
      max_edges: retained interactions at the most; None keeps all, which is exact. Interactions at a row in scope come before
        others, and then the more important of the ends that the request reaches decides.
      importance: of users and of items, float [num_users] and [num_items]; needed with `max_edges`.
    """
    interactions, pairs, pattern = data.interactions, data.examples.pairs, data.graph.edges
    assert isinstance(pairs, Edges)
    sizes = {"num_users": interactions.num_users, "num_items": interactions.num_items}
    ends = endpoints(interactions.users[forgotten], interactions.items[forgotten], **sizes)
    centre = Nodes(scope.users | ends.users, scope.items | ends.items) if num_hops else scope
    edges, reached = _around(pattern, centre, num_hops)
    if max_edges is None:
        held, left_out = _without(_in_whole_groups(incident(pairs, reached), forgotten, data.leaders), forgotten), 0
    else:
        assert importance is not None
        held, left_out = _most_important(pairs, len(data), forgotten, scope, reached, importance, max_edges)
    chosen = np.sort(np.concatenate([held, forgotten]))
    if is_open:
        nodes = endpoints(interactions.users[chosen], interactions.items[chosen], **sizes)
        rows = np.flatnonzero(nodes.users | reached.users), np.flatnonzero(nodes.items | reached.items)
    else:
        part = extract(_edge_list(data, num_hops), interactions.users, interactions.items, chosen, num_hops=num_hops)
        rows, edges = (part.users, part.items), part.edges
    user_degrees, item_degrees = data.degrees_without(forgotten)
    users, core_users = _core_first(rows[0], scope.users & (user_degrees > 0))
    items, core_items = _core_first(rows[1], scope.items & (item_degrees > 0))
    before, after = _weights(data, edges, forgotten)
    return HostProblem(
        users=users,
        items=items,
        num_core_users=core_users,
        num_core_items=core_items,
        chosen=chosen,
        forgotten=np.isin(chosen, forgotten),
        edge_users=np.asarray(pattern.rows)[edges],
        edge_items=np.asarray(pattern.cols)[edges],
        before=before,
        after=after,
        user_degrees=user_degrees[users[:core_users]],
        item_degrees=item_degrees[items[:core_items]],
        median_degree=float(np.median(1 + np.concatenate([user_degrees, item_degrees]))),
        left_out=left_out,
    )


def _around(pattern: Edges, centre: Nodes, num_hops: int) -> tuple[np.ndarray, Nodes]:
    """The edges of ball_{L−1}(centre), int64, and the nodes of ball_L."""
    rows, cols = np.asarray(pattern.rows), np.asarray(pattern.cols)
    ball, edges = centre, np.zeros(0, np.int64)
    for _ in range(num_hops):
        edges = incident(pattern, ball)
        ball = Nodes(ball.users.copy(), ball.items.copy())
        ball.users[rows[edges]] = True
        ball.items[cols[edges]] = True
    return edges, ball


def _in_whole_groups(places: np.ndarray, forgotten: np.ndarray, leaders: np.ndarray | None) -> np.ndarray:
    """With the other members of their groups: the term of a group depends on the scores of all of them."""
    if leaders is None:
        return places
    member = np.zeros(len(leaders), bool)
    member[places] = member[forgotten] = True
    return np.flatnonzero(whole_groups(member, leaders))


def _without(places: np.ndarray, forgotten: np.ndarray) -> np.ndarray:
    return places[~np.isin(places, forgotten)]


def _most_important(
    pairs: Edges,
    count: int,
    forgotten: np.ndarray,
    scope: Nodes,
    reached: Nodes,
    importance: tuple[np.ndarray, np.ndarray],
    budget: int,
) -> tuple[np.ndarray, int]:
    """The places of the best retained interactions at `reached` (`count` there are in all), and how many others are there.

    Those at the scope come first, then those of the most important end. Nodes are opened in the order of their importance, and no
    more of them than can hold what is wanted: of a hundred thousand interactions a few thousand are looked at.
    """
    # A request comes to an interaction by an end that it reaches; in single precision equals are equal whatever the order of their
    # sums was.
    users, items = (np.where(inside, of, 0).astype(np.float32) for inside, of in zip(_sides(reached), importance, strict=True))
    importance = (users, items)
    near = _without(incident(pairs, scope), forgotten)
    held = _best(pairs, near, importance, budget)
    if len(held) < budget:
        users, items = (np.flatnonzero(inside & ~own) for inside, own in zip(_sides(reached), _sides(scope), strict=True))
        score = np.concatenate([importance[0][users], importance[1][items]])
        of_users, of_items = degrees(pairs, count)
        lengths = np.concatenate([of_users[users], of_items[items]])
        order = np.argsort(-score, kind="stable")
        # An interaction stands in the lists of both its ends, and some are near or forgotten.
        wanted = 2 * (budget + len(forgotten))
        enough = 1 + int(np.searchsorted(np.cumsum(lengths[order]), wanted))
        if enough < len(order):  # ties belong together
            enough = int(np.searchsorted(-score[order], -score[order][enough - 1], side="right"))
        opened = order[:enough]
        far = places_at(pairs, users[opened[opened < len(users)]], items[opened[opened >= len(users)] - len(users)])
        far = _without(_without(far, near), forgotten)
        held = np.concatenate([held, _best(pairs, far, importance, budget - len(held))])
    gone = np.count_nonzero(reached.users[np.asarray(pairs.rows)[forgotten]] | reached.items[np.asarray(pairs.cols)[forgotten]])
    return held, count_incident(pairs, count, reached) - int(gone) - len(held)


def _best(pairs: Edges, places: np.ndarray, importance: tuple[np.ndarray, np.ndarray], count: int) -> np.ndarray:
    if len(places) <= count:
        return places
    score = np.maximum(importance[0][np.asarray(pairs.rows)[places]], importance[1][np.asarray(pairs.cols)[places]])
    return places[np.argsort(-score, kind="stable")[:count]]


def _sides(nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    return nodes.users, nodes.items


def _edge_list(data: TrainingSet, num_hops: int) -> EdgeList:
    """The graph on the host, read in place; without edges for a model that has none."""
    edges, count = data.graph.edges, len(data.positives) if num_hops else 0
    rows, cols = np.asarray(edges.rows)[:count], np.asarray(edges.cols)[:count]
    return EdgeList(rows, cols, edges.num_rows, edges.num_cols)


def _weights(data: TrainingSet, edges: np.ndarray, forgotten: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / √(d_u d_i) of these edges before and after the deletion, which also changes the edges beside the removed ones."""
    pattern, positives = data.graph.edges, data.positives
    users, items = np.asarray(pattern.rows)[edges], np.asarray(pattern.cols)[edges]
    removed = data.edges_at(forgotten)
    gone_users, gone_items = np.asarray(pattern.rows)[removed], np.asarray(pattern.cols)[removed]
    nothing = np.zeros(0, np.int64)

    def weights(without_users: np.ndarray, without_items: np.ndarray) -> np.ndarray:
        user_degrees, item_degrees = degrees_without(pattern, len(positives), without_users, without_items)
        return 1 / np.sqrt(np.maximum(user_degrees[users], 1) * np.maximum(item_degrees[items], 1.0))

    return weights(nothing, nothing), np.where(np.isin(edges, removed), 0, weights(gone_users, gone_items))


def _core_first(nodes: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, int]:
    inside = core[nodes]
    return np.concatenate([nodes[inside], nodes[~inside]]), int(inside.sum())
