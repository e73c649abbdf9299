"""Attention over submodels: one table out of K, for every table of a model.

    E^k_tr = E^k W^k + b^k                        into one space; W^k, b^k shared by all tables of the same width
    α^k_r  = softmax_k  h · ReLU(E^k_tr[r] W + b)  over the shards that know row r
    E[r]   = Σ_k α^k_r E^k_tr[r]

and the aggregated tables are scored by the model itself, on the graph of all data. Only the aggregation is trained; the tables of
the shards are constants. Source: Chen et al., "Recommendation Unlearning" (WWW 2022), attention-based adaptive aggregation.

What the paper leaves open, and what was chosen:
  - A row that a shard has no interaction of: the public code lets its untrained row take part; here the shard gets no attention,
    and a row that no shard knows is zero.
  - A model with a graph: as in the public code, the tables before propagation are aggregated, and propagate over the whole graph.
  - Pointwise cross-entropy: the loss of the shards, on the scores of the aggregated tables.
  - Regularisation: λ₂/2 ‖Θ‖² on all parameters of the aggregation. (The public code has it on W^k, b^k for MF and none for
    LightGCN; its dropout, which the paper doesn't name, is left out.)
  - Parameters that are no tables (weights of a network on top): trained with the aggregation, starting at their mean over shards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph import BipartiteGraph, Graph, GraphView, IndexPairs, Pairs
from ifru_jax.models import Params, Recommender, Side
from ifru_jax.pytree import pytree


@pytree
class FrozenShards(GraphView):
    """What the aggregation reads and doesn't change.

    Attributes:
      graph: of all retained interactions.
      tables: per table [K, rows, c], trailing axes as one.
      known: per side bool [K, rows].
    """

    graph: BipartiteGraph
    tables: dict[str, jax.Array]
    known: dict[str, jax.Array]


@dataclass(frozen=True)
class Aggregation:
    """The aggregation as a `Recommender` of its own, so that training it is training: its "graph" is a `FrozenShards`.

    Attributes:
      model: of the shards.
      num_shards: K.
      shapes: (table, its axes after the rows) of every table; c is their product.
    """

    model: Recommender
    num_shards: int
    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, model: Recommender, num_shards: int, params: Params) -> Self:
        """For shards with parameters of these shapes."""
        return cls(model, num_shards, tuple((name, params[name].shape[1:]) for name in sorted(model.tables)))

    @property
    def tables(self) -> Mapping[str, Side]:
        """None of the aggregation's parameters belongs to a row."""
        return {}

    @property
    def num_hops(self) -> int:
        return self.model.num_hops

    @property
    def history_length(self) -> int:
        return self.model.history_length

    @property
    def turning(self) -> bool:
        return self.model.turning

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        """Glorot-normal transfer and He-like attention weights, zero biases, h = .01, as the public code starts."""
        normal = jax.nn.initializers.glorot_normal(batch_axis=0)
        params: Params = {}
        for c in sorted({math.prod(shape) for _, shape in self.shapes}):
            key, fresh = jax.random.split(key)
            params[f"transfer_{c}/weight"] = normal(fresh, (self.num_shards, c, c))
            params[f"transfer_{c}/bias"] = jnp.zeros((self.num_shards, c))
        for name, shape in self.shapes:
            key, fresh = jax.random.split(key)
            c = math.prod(shape)
            hidden = max(1, c // 2)
            params[f"{name}/attention_weight"] = jax.nn.initializers.glorot_normal()(fresh, (c, hidden))
            params[f"{name}/attention_bias"] = jnp.zeros(hidden)
            params[f"{name}/attention_vector"] = jnp.full(hidden, 0.01)
        return params

    def initial(self, key: jax.Array, shards: Sequence[Params]) -> Params:
        """`init`, with shared weights at their mean over the shards."""
        shared = [name for name in shards[0] if name not in self.model.tables]
        means = {f"shared/{name}": jnp.mean(jnp.stack([params[name] for params in shards]), axis=0) for name in shared}
        return self.init(key, 0, 0) | means

    def score(self, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
        assert isinstance(graph, FrozenShards)
        rows: dict[Side, jax.Array | None] = {"user": None, "item": None}
        if self.model.num_hops == 0 and isinstance(pairs, IndexPairs):
            # A batch needs its own rows only; where it has more pairs than there are rows, all of them are cheaper.
            users, items = (
                (None, index) if len(index) >= graph.known[side].shape[1] else (index, jnp.arange(len(index)))
                for side, index in (("user", pairs.users), ("item", pairs.items))
            )
            rows, pairs = {"user": users[0], "item": items[0]}, IndexPairs(users[1], items[1])
        return self.model.score(self.aggregate(params, graph, rows), pairs, graph.graph)

    def aggregate(self, params: Params, frozen: FrozenShards, rows: Mapping[Side, jax.Array | None]) -> Params:
        """The parameters of the model, every table out of its K; `rows` int [n] of each side, None for all."""
        found: Params = {n.removeprefix("shared/"): value for n, value in params.items() if n.startswith("shared/")}
        for name, shape in self.shapes:
            side, c = self.model.tables[name], math.prod(shape)
            tables, known, index = frozen.tables[name], frozen.known[side], rows[side]
            if index is not None:
                tables, known = tables[:, index], known[:, index]
            moved = jnp.einsum("krc,kcd->krd", tables, params[f"transfer_{c}/weight"]) + params[f"transfer_{c}/bias"][:, None]
            hidden = jax.nn.relu(moved @ params[f"{name}/attention_weight"] + params[f"{name}/attention_bias"])
            # Finite, so that a row that no shard knows has no NaN in its gradient.
            logits = jnp.where(known, hidden @ params[f"{name}/attention_vector"], -1e9)
            attention = jax.nn.softmax(logits, axis=0) * known
            found[name] = jnp.einsum("kr,krd->rd", attention, moved).reshape(-1, *shape)
        return found


def freeze(model: Recommender, shards: Sequence[Params], known: Mapping[str, np.ndarray], graph: BipartiteGraph) -> FrozenShards:
    """The tables of K submodels side by side."""
    tables = {name: jnp.stack([params[name].reshape(params[name].shape[0], -1) for params in shards]) for name in model.tables}
    return FrozenShards(graph, tables, {side: jnp.asarray(mask) for side, mask in known.items()})


@partial(jax.jit, static_argnums=0)
def aggregated(aggregation: Aggregation, params: Params, frozen: FrozenShards) -> Params:
    """The parameters of the model, all rows of them."""
    return aggregation.aggregate(params, frozen, {"user": None, "item": None})
