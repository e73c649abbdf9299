"""A request as a small problem of its own, numbered anew and padded.

The cost of a product with H then follows the request and not the data. The unknowns come first in the local numbering. All sizes
come from one ladder of buckets, so that a stream of requests compiles once per rung. Built on the host, of several requests at
once, side by side for `vmap`.
"""

from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph import Batch
from ifru_jax.graph.inflow import Inflow, OpenGraph, Propagations, inflow
from ifru_jax.graph.medians import median_degrees
from ifru_jax.graph.node_sets import NodeSets
from ifru_jax.graph.subgraph import Bucket, Subgraph, pad_subgraphs
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows, Tables, first_rows, of_side, per_row
from ifru_jax.pytree import pytree
from ifru_jax.ragged import Ragged
from ifru_jax.sparse import capacity_of
from ifru_jax.sparse.stacked import Stack
from ifru_jax.unlearning.local.request import LocalRequests
from ifru_jax.unlearning.prepare import Prepared

# The first rung of the ladder, in interactions.
LEAST_PAIRS = 256


@pytree
class LocalProblem:
    """One request, padded; of several with a leading batch axis.

    Attributes:
      part: rows, interactions and edges; without edges for a model that has no graph, and with those alone where something changes
        if what flows in from outside is known.
      core_users: bool [cu], which of the first cu rows are unknowns.
      core_items: bool [ci].
      user_degrees: float [cu], retained interactions at each core row, in the whole data.
      item_degrees: float [ci].
      median_degree: float [], of 1 + retained interactions over all nodes of the data.
      counts: float [2], interactions of the whole data before and after.
    """

    part: Subgraph
    core_users: jax.Array
    core_items: jax.Array
    user_degrees: jax.Array
    item_degrees: jax.Array
    median_degree: jax.Array
    counts: jax.Array

    @property
    def rows(self) -> Rows:
        """Of the users and items of the problem, int [u] and [i]."""
        return self.part.users, self.part.items

    @property
    def core(self) -> Rows:
        """Which of the first rows are unknowns."""
        return self.core_users, self.core_items

    def core_of(self, tables: Tables, values: Params) -> Params:
        """The first rows of values of all rows of the problem, zero where they are no unknowns."""
        first = first_rows(values, {name: of_side(self.core, side).shape[0] for name, side in tables.items()})
        return {name: jnp.where(per_row(of_side(self.core, tables[name]), of), of, 0) for name, of in first.items()}

    def flow(self, propagations: Propagations) -> Inflow | None:
        """What flows in from outside; None where nothing is propagated, or where the whole of it is inside."""
        return inflow(self.part.before.graph, propagations, *self.rows) if propagations.any else None

    def batches(self, flow: Inflow | None) -> tuple[Batch, Batch]:
        """D on G and D_r on G_r."""
        before, after = self.part.before, self.part.after
        if flow is None:
            return before, after
        return Batch(before.examples, OpenGraph(before.graph, flow)), Batch(after.examples, OpenGraph(after.graph, flow))


@dataclass(frozen=True)
class Rung:
    """Sizes to pad to: those of the part, and the unknowns of a side."""

    bucket: Bucket
    core: int


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

    @classmethod
    def of(cls, state: Prepared) -> Self:
        """What bounds the problems of this model."""
        assert state.propagations is not None
        edges = len(state.training_set.positives) if state.model.num_hops else 0
        return cls(*state.training_set.sizes, edges, state.propagations.any)

    def rung(self, pairs: int) -> Rung:
        """One number, the interactions, decides every size, so that there are few combinations."""
        if self.is_open or not self.edges:
            # Without a graph rows are the ends of interactions; an open problem has those of its edges, too.
            edges, rows = (pairs, 2 * pairs) if self.edges else (16, pairs)
            users = items = rows
        else:
            edges = min(capacity_of(128 * pairs), capacity_of(self.edges))
            users, items = self.users, self.items
        bucket = Bucket(min(capacity_of(users), self.users), min(capacity_of(items), self.items), pairs, edges)
        return Rung(bucket, max(16, pairs // 32))

    def rungs_for(self, requests: LocalRequests) -> dict[Rung, np.ndarray]:
        """Of each request the lowest rung that holds it, with the numbers of those on it, ascending."""
        needed = np.column_stack([requests.parts.lengths, requests.num_core.max(axis=1)])
        # Sizes that no power of two is between ask for one rung.
        powers = np.frexp(np.maximum(needed, 1) - 0.5)[1]
        _, first, kind = np.unique(powers @ 64 ** np.arange(5), return_index=True, return_inverse=True)
        rungs = [self.rung_for(*(1 << int(power) for power in powers[number])) for number in first]
        return {rung: np.flatnonzero(np.array([of == rung for of in rungs])[kind]) for rung in rungs}

    def rung_for(self, users: int, items: int, pairs: int, edges: int, core: int) -> Rung:
        """The lowest rung that holds so many (powers of two), with more rows, unknowns or edges than its own where there are."""
        rung = self.rung(max(LEAST_PAIRS, pairs))
        bucket = Bucket(
            min(_enough(rung.bucket.users, users, factor=4), self.users),
            min(_enough(rung.bucket.items, items, factor=4), self.items),
            rung.bucket.pairs,
            _enough(rung.bucket.edges, edges, factor=4),
        )
        return Rung(bucket, _enough(rung.core, core, factor=8))


def _enough(size: int, needed: int, *, factor: int) -> int:
    while size < needed:
        size *= factor
    return size


def alone(requests: LocalRequests, state: Prepared) -> LocalProblem:
    """A single request on its rung, [1, …]."""
    (rung,) = Sizes.of(state).rungs_for(requests)
    return pack(requests, rung)


def pack(requests: LocalRequests, rung: Rung, *, size: int | None = None) -> LocalProblem:
    """The requests padded to a rung, [b, …], with empty ones up to `size`; None adds none."""
    changes, parts, count = requests.changes, requests.parts, len(requests) if size is None else size
    dtype = np.dtype(changes.before.examples.labels.dtype)
    sides = zip((parts.users, parts.items), requests.num_core.T, strict=True)
    core = NodeSets(*(Ragged(rows.values[rows.ranks < first[rows.owners]], first) for rows, first in sides))
    rooms = zip((core.users, core.items), (rung.bucket.users, rung.bucket.items), strict=True)
    users, items = (Stack(of, count, min(rung.core, room)) for of, room in rooms)
    of_users, of_items = changes.degrees_after(core)
    median, counts = np.ones(count, dtype), np.full((count, 2), len(changes.before), dtype)
    median[: len(requests)], counts[: len(requests)] = 1 + median_degrees(changes), changes.counts
    arrays: dict = {
        "core_users": users.filled(np.ones(len(of_users)), False, bool),
        "core_items": items.filled(np.ones(len(of_items)), False, bool),
        "user_degrees": users.filled(of_users, 0, dtype),
        "item_degrees": items.filled(of_items, 0, dtype),
        "median_degree": median,
        "counts": counts,
    }
    return LocalProblem(pad_subgraphs(changes, parts, rung.bucket, size=count), **arrays)


def empty_problems(state: Prepared, pairs: int, *, size: int) -> LocalProblem:
    """A batch of nothing on the rung of so many interactions, to compile with."""
    return pack(LocalRequests.nothing(state.training_set), Sizes.of(state).rung(pairs), size=size)
