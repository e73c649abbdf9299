"""What every single interaction contributes to a direction of the gradient, and to a target: all of them in one pass back.

    ⟨a, b_z⟩ = ∂/∂w_z ⟨a, ∇L(θ; w)⟩,   L(θ; w) = (1/N) Σ_z w_z ℓ(z; θ, G(w))

b of a set of interactions (`right_hand_side`) is to the first order the sum of b_z over the set, each the derivative of the
gradient by how much z counts, in the loss and, of an edge, in the graph with its degrees: direct and spillover. For a direction a,
the inner product is a derivative of a number, so one pass forward along a and one back give it for all interactions, however many
there are, and however far the spillover of each reaches. Without a graph it is no approximation. Source: influence functions by
weights, Koh and Liang (ICML 2017), §2; with the graph's own part ours.
"""

from dataclasses import replace
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph import Batch, BipartiteGraph, TrainingSet
from ifru_jax.graph.weighted import WeightedGraph
from ifru_jax.host_arrays import padded
from ifru_jax.influence.targets import Target
from ifru_jax.models import Params
from ifru_jax.pytree import pytree
from ifru_jax.sparse import on_device
from ifru_jax.training import Objective


@pytree
class Counted:
    """Interactions on their graph, as a function of how much each counts.

    Attributes:
      batch: the interactions and their graph as they are.
      places: int32 [e], the interaction that each edge is; None where the graph doesn't follow: a model without one, and one of
        histories, in which what comes later moves up.
    """

    batch: Batch
    places: jax.Array | None

    @classmethod
    def of(cls, data: TrainingSet) -> Self:
        """Of a training set."""
        if not data.has_graph or data.graph.history is not None:
            return cls(data.batch, None)
        return cls(data.batch, on_device(padded(data.positives, data.graph.edges.capacity, np.dtype(np.int32))))

    @property
    def counts(self) -> jax.Array:
        """float [n]: how much each counts as it is, 1, and 0 at padding."""
        return self.batch.examples.weights

    def at(self, counts: jax.Array) -> Batch:
        """With other counts."""
        graph = self.batch.graph
        if self.places is not None:
            assert isinstance(graph, BipartiteGraph)
            graph = WeightedGraph.of(graph, counts[self.places])
        return Batch(replace(self.batch.examples, weights=counts), graph)


def contributions(objective: Objective, params: Params, direction: Params, data: Counted) -> jax.Array:
    """⟨a, b_z⟩ of every interaction, float [n].

    Args:
      objective: L.
      params: θ.
      direction: a.
      data: D and G.
    """

    def slope(counts: jax.Array) -> jax.Array:
        return jax.jvp(lambda p: objective.of_data(p, data.at(counts)), (params,), (direction,))[1]

    return jax.grad(slope)(data.counts)


def served_contributions(objective: Objective, params: Params, target: Target, data: Counted) -> jax.Array:
    """∂m(θ, G(w))/∂w_z of every interaction, float [n]: what it does by being served from, whatever was learned of it."""
    if data.places is None:
        return jnp.zeros_like(data.counts)
    return jax.grad(lambda counts: target(objective.model, params, data.at(counts).graph))(data.counts)
