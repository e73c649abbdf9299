"""A model on part of a graph: the rest of the graph is a constant (`graph.inflow`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from ifru_jax.graph import Graph, IndexPairs, Pairs
from ifru_jax.graph.inflow import OnePass, OpenGraph, Propagations
from ifru_jax.models.recommender import Params, Recommender, Side


@dataclass(frozen=True)
class OpenModel:
    """The same recommender for graphs that are open."""

    model: Recommender

    @property
    def tables(self) -> Mapping[str, Side]:
        return self.model.tables

    @property
    def num_hops(self) -> int:
        return self.model.num_hops

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        return self.model.init(key, num_users, num_items)

    @property
    def history_length(self) -> int:
        return self.model.history_length

    @property
    def turning(self) -> bool:
        return self.model.turning

    def score(self, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
        assert isinstance(graph, OpenGraph)
        return self.model.score(params, pairs, graph.one_pass())


def propagations_of(model: Recommender, params: Params, graph: Graph) -> Propagations:
    """What the model propagates over the whole graph; nothing if it reads the graph in any other way, or where nobody can see it.

    Such a model is still unlearned request by request, on all that its scores depend on.
    """
    try:
        return _propagations(model, params, graph)
    except (TypeError, jax.errors.UnexpectedTracerError):  # inside a transformation of the model's own
        return Propagations()


@partial(jax.jit, static_argnums=0)
def _propagations(model: Recommender, params: Params, graph: Graph) -> Propagations:
    return trace_propagations(model, params, OnePass(graph))


def trace_propagations(model: Recommender, params: Params, graph: OnePass) -> Propagations:
    """The propagations of one score on this graph, to be called where the result is compiled."""
    nobody = jnp.zeros(1, jnp.int32)
    model.score(params, IndexPairs(nobody, nobody), graph)
    return graph.propagations if graph.only_propagates else Propagations()
