"""A request as a small problem of its own, numbered anew and padded.

The cost of a product with H then follows the request and not the data. The unknowns come first in the local numbering. All sizes
come from one ladder of buckets, so that a stream of requests compiles once per rung. Built on the host; several of the same size
stack to a batch for `vmap`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph import Batch, Change
from ifru_jax.graph.inflow import Inflow, OpenGraph, Propagations, inflow
from ifru_jax.graph.neighbourhood import Neighbourhood
from ifru_jax.graph.nodes import Nodes
from ifru_jax.graph.subgraph import Bucket, Subgraph, pad_subgraph, stack
from ifru_jax.host_arrays import padded
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows, Tables, first_rows, of_side, per_row
from ifru_jax.pytree import pytree
from ifru_jax.sparse import capacity_of
from ifru_jax.unlearning.local.request import LocalRequest
from ifru_jax.unlearning.prepare import Prepared

# The first rung of the ladder, in interactions.
LEAST_PAIRS = 256


@pytree
class LocalProblem:
    """One request, padded; with a leading batch axis once stacked.

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
            edges, users, items = pairs if self.edges else 16, 2 * pairs, 2 * pairs
        else:
            edges = min(capacity_of(128 * pairs), capacity_of(self.edges))
            users, items = self.users, self.items
        bucket = Bucket(min(capacity_of(users), self.users), min(capacity_of(items), self.items), pairs, edges)
        return Rung(bucket, max(16, pairs // 32))

    def rung_for(self, requests: Sequence[LocalRequest]) -> Rung:
        """The lowest rung that holds all of them, with more unknowns or edges than its own where they ask for it."""
        needed = Bucket.of([request.part for request in requests])
        rung = self.rung(max(LEAST_PAIRS, needed.pairs))
        bucket = Bucket(
            min(_enough(rung.bucket.users, needed.users, factor=4), self.users),
            min(_enough(rung.bucket.items, needed.items, factor=4), self.items),
            rung.bucket.pairs,
            _enough(rung.bucket.edges, needed.edges, factor=4),
        )
        return Rung(bucket, _enough(rung.core, max(max(request.num_core) for request in requests), factor=8))


def _enough(size: int, needed: int, *, factor: int) -> int:
    while size < needed:
        size *= factor
    return size


def pack(requests: Sequence[LocalRequest], state: Prepared, *, size: int = 1) -> LocalProblem:
    """The requests padded to one rung and stacked, [b, …], with empty ones up to `size`."""
    rung = Sizes.of(state).rung_for(requests)
    missing = [empty_request(requests[0].change)] * (size - len(requests))
    return stack([_pad(request, rung) for request in [*requests, *missing]])


def empty_problems(state: Prepared, pairs: int, *, size: int) -> LocalProblem:
    """A batch of nothing on the rung of so many interactions, to compile with."""
    nothing = np.zeros(0, np.int64)
    change = Change(state.training_set, nothing, nothing.astype(bool), nothing.astype(np.float32))
    return stack([_pad(empty_request(change), Sizes.of(state).rung(pairs))] * size)


def empty_request(change: Change) -> LocalRequest:
    """A request without a row or an interaction, to pad a batch with; its step is zero."""
    nothing, nobody = np.zeros(0, np.int64), np.zeros(0, bool)
    return LocalRequest(change, Neighbourhood(nothing, nothing, nothing, nothing), Nodes(nobody, nobody), (0, 0))


def _pad(request: LocalRequest, rung: Rung) -> LocalProblem:
    change, part = request.change, request.part
    dtype = np.dtype(change.before.examples.labels.dtype)
    (users, items), (core_users, core_items) = change.degrees_after, request.num_core
    # The median over all nodes of a request without a row is of no use, and costs a sort.
    median = np.median(1 + np.concatenate([users, items])) if core_users + core_items else 1.0
    most = min(rung.core, rung.bucket.users), min(rung.core, rung.bucket.items)
    return LocalProblem(
        part=pad_subgraph(change, part, rung.bucket),
        core_users=np.arange(most[0]) < core_users,  # pyright: ignore[reportArgumentType]
        core_items=np.arange(most[1]) < core_items,  # pyright: ignore[reportArgumentType]
        user_degrees=padded(users[part.users[:core_users]], most[0], dtype),  # pyright: ignore[reportArgumentType]
        item_degrees=padded(items[part.items[:core_items]], most[1], dtype),  # pyright: ignore[reportArgumentType]
        median_degree=np.asarray(median, dtype),  # pyright: ignore[reportArgumentType]
        counts=np.asarray(change.counts, dtype),  # pyright: ignore[reportArgumentType]
    )
