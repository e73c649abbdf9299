"""What ifru_jax asks of a model: parameters from a key, logits from parameters, and which parameters are tables.

    s_θ(u, i; G) = score(params, pairs, graph)

Everything else — training, influence, curvature, unlearning — sees a model only through this protocol. `score` must be
deterministic and twice differentiable in `params`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import jax

from ifru_jax.graph import BipartiteGraph, Pairs

# By name; a parameter of a submodule is "submodule/parameter".
Params = dict[str, Any]
Side = Literal["user", "item"]


class Recommender(Protocol):
    """A differentiable recommender. Instances are hashable: they are static arguments of compiled functions."""

    @property
    def tables(self) -> Mapping[str, Side]:
        """Names of the parameters with one row per user or per item. All others are shared."""
        ...

    # A sequential model has an attribute `history_length` above 0 as well: its graph then comes with the users' histories.

    @property
    def num_hops(self) -> int:
        """How many edges away an interaction can change a score: layers of propagation; 0 without a graph."""
        ...

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        """Fresh parameters for tables of this size."""
        ...

    def score(self, params: Params, pairs: Pairs, graph: BipartiteGraph) -> jax.Array:
        """Logits [n] of n pairs. The tables may hold any number of rows: a neighbourhood has fewer than the data."""
        ...
