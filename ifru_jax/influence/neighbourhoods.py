"""b of a request on its own neighbourhood, and of many requests in one compiled call.

    b = Σ over the touched and the affected interactions, on the subgraph that their scores depend on

The subgraph of a request holds the edges of ball_{L−1} of the ends of these interactions and the rows of ball_L, with the weights
they have in G and in G_r: exact for any number of layers. `vmap` maps over requests, never over the interactions of one, whose
neighbourhoods are nearly the same. Compared with a pass over the whole graph (`right_hand_side`) it pays where a neighbourhood is
small beside the graph; `cost` estimates both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import jax
import numpy as np
import optax

from ifru_jax.data.groups import whole_groups
from ifru_jax.graph import Batch, Change, Nodes
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.neighbourhood import Neighbourhoods, neighbourhoods
from ifru_jax.graph.subgraph import Bucket, Subgraph, pad_subgraphs
from ifru_jax.influence.direct import direct_on_both
from ifru_jax.influence.spillover import graph_influence
from ifru_jax.models import Params, Recommender
from ifru_jax.models.tables import Rows, scatter_rows, take_rows
from ifru_jax.ragged import Ragged
from ifru_jax.sparse import capacity_of, on_host
from ifru_jax.training import Objective

# Requests in one compiled call, and the rows of all of them: beyond, the tables of a batch leave the cache and cost more each.
AT_ONCE = 8
MOST_ROWS = 1 << 15


@dataclass(frozen=True, eq=False)
class LocalInfluence:
    """b of one request on the rows it reaches; all other rows of b are zero.

    Attributes:
      users, items: int32 [u], [i], rows; padding repeats row 0, where its values are zero.
      rows: tables [u, …] or [i, …], shared parameters whole.
      norm_direct, norm_spillover: of the two parts.
    """

    users: jax.Array
    items: jax.Array
    rows: Params
    norm_direct: jax.Array
    norm_spillover: jax.Array

    def whole(self, model: Recommender, params: Params) -> Params:
        """b, shaped like the parameters of the model."""
        users, items, rows = jax.tree.map(lambda leaf: leaf[None], (self.users, self.items, self.rows))
        return _scatter(model, params, (users, items), rows)


@dataclass(frozen=True, eq=False)
class Around:
    """A change, and the neighbourhood of the interactions it touches or affects.

    Attributes:
      change: what is done.
      part: their neighbourhood, with their whole groups; one of one.
      affected: how many interactions get another score.
    """

    change: Change
    part: Neighbourhoods
    affected: int

    @classmethod
    def of(cls, change: Change, affected: np.ndarray, *, num_hops: int) -> Self:
        """`affected` bool [n] is of `affected_interactions`."""
        chosen = affected.copy()
        chosen[change.places] = True
        if change.before.leaders is not None:
            chosen = whole_groups(chosen, change.before.leaders)
        part = neighbourhoods(change.alone, Ragged.of([np.flatnonzero(chosen)]), num_hops=num_hops)
        return cls(change, part, int(affected.sum()))


def local_influences(objective: Objective, params: Params, requests: Sequence[Around]) -> list[LocalInfluence]:
    """b of several requests, each as if it were the only one; those of about one size share a compiled call.

    Args:
      objective: of a model with tables and without histories, and a loss that is separable.
      params: θ̂.
      requests: of the same data, none empty.
    """
    groups: dict[Bucket, list[int]] = {}
    for number, request in enumerate(requests):
        groups.setdefault(Bucket.of(request.part), []).append(number)
    found: dict[int, LocalInfluence] = {}
    for bucket, numbers in groups.items():
        size = max(1, min(AT_ONCE, MOST_ROWS // (bucket.users + bucket.items)))
        for start in range(0, len(numbers), size):
            chunk = numbers[start : start + size]
            changes = Changes.joined([requests[k].change.alone for k in chunk])
            parts = Neighbourhoods.joined([requests[k].part for k in chunk])
            # Powers of two, so that few sizes are compiled.
            batch = pad_subgraphs(changes, parts, bucket, size=capacity_of(len(chunk), least=1))
            rows, norms = _influences(objective, params, batch)
            for place, k in enumerate(chunk):
                own, of = jax.tree.map(lambda leaf, at=place: leaf[at], (rows, norms))
                found[k] = LocalInfluence(batch.users[place], batch.items[place], own, *of)
    return [found[k] for k in range(len(requests))]


def parts_of(objective: Objective, params: Params, before: Batch, after: Batch) -> tuple[Params, Params]:
    """Direct and spillover of examples that stand at the same places of both batches."""
    direct = direct_on_both(objective, params, before, after.examples)
    if not objective.model.num_hops:
        return direct, optax.tree.zeros_like(direct)
    return direct, graph_influence(objective, params, after, before.graph)


@dataclass(frozen=True)
class Cost:
    """Seconds of two gradients on two graphs, from what they pass over; the units were measured (docs/engine.md).

    Attributes:
      edges: of the graph, for every layer.
      pairs: that are scored.
      rows: of both tables.
      host: edges and pairs that are numbered anew on the host.
    """

    edges: int
    pairs: int
    rows: int
    host: int = 0

    def seconds(self, num_hops: int) -> float:
        """A fair guess on two cores, for tables of about fifty columns; only ratios matter."""
        return 2e-3 + 2.5e-8 * self.edges * num_hops + 5e-8 * self.pairs + 1e-6 * self.rows + 1e-7 * self.host


def cost_of(part: Neighbourhoods) -> Cost:
    """What a neighbourhood costs, padding included; one of one."""
    bucket = Bucket.of(part)
    return Cost(bucket.edges, bucket.pairs, bucket.users + bucket.items, len(part.edges.values) + len(part.chosen.values))


def least_cost(change: Change, affected: np.ndarray) -> Cost:
    """What the neighbourhood of a request costs at the least, read off the ends of what is affected without extracting it."""
    data, edges = change.before.interactions, change.edges
    ends = Nodes.of(data.users[affected], data.items[affected], change.before.sizes)
    of_users, of_items = np.diff(on_host(edges.pattern.row_ptr)), np.diff(on_host(edges.pattern.col_ptr))
    # An edge stands in the lists of both its ends.
    count = int(max(of_users[ends.users].sum(), of_items[ends.items].sum()))
    pairs = int(affected.sum())
    return Cost(count, pairs, capacity_of(int(ends.users.sum())) + capacity_of(int(ends.items.sum())), count + pairs)


@jax.jit
def _influences(objective: Objective, params: Params, parts: Subgraph) -> tuple[Params, tuple[jax.Array, jax.Array]]:
    def one(part: Subgraph) -> tuple[Params, tuple[jax.Array, jax.Array]]:
        local = take_rows(objective.model.tables, params, (part.users, part.items))
        direct, spillover = parts_of(objective, local, part.before, part.after)
        return optax.tree.add(direct, spillover), (optax.tree.norm(direct), optax.tree.norm(spillover))

    return jax.vmap(one)(parts)


@partial(jax.jit, static_argnums=0)
def _scatter(model: Recommender, params: Params, rows: Rows, values: Params) -> Params:
    return scatter_rows(model.tables, params, rows, values)
