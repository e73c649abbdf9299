"""The training objective: a sum of losses over interactions, L2 on all rows, and perhaps a term of the model's own.

    L(θ; D, G) = (1 / N) Σ_{z∈D} w_z ℓ_z(s_θ(·; G)) + A(θ; G) + (λ₂ / 2) ‖θ‖²

The L2 term is on every row, not on those of a batch, so it cancels in the difference of two gradients. Losses are in `losses`. An
`Objective` is a pytree, so it goes into compiled functions as it is; what it is evaluated on, examples and the graph, is a `Batch`.

>>> import numpy as np, ifru_jax
>>> data = ifru_jax.Interactions.from_arrays([0, 1], [0, 1], [1.0, 0.0])
>>> params = {"user_embedding": np.zeros((2, 3)), "item_embedding": np.ones((2, 3))}
>>> trained = ifru_jax.Trained.of(ifru_jax.mf(embedding_size=3), params, data)
>>> print(f"{trained.objective(trained.params, trained.batch):.4f}")  # log 2, and λ₂ / 2 · 6
0.6932
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import chex
import jax
import jax.numpy as jnp
import optax

from ifru_jax.curvature import gauss_newton_product, hessian_product
from ifru_jax.errors import ModelError
from ifru_jax.graph import Batch, Examples, Graph
from ifru_jax.graph.pairs import over_mesh
from ifru_jax.models import Params, Recommender
from ifru_jax.training.losses import Loss
from ifru_jax.training.scores import PairScorer, automatic_chunk

Product = Callable[[Params], Params]


@partial(jax.tree_util.register_dataclass, data_fields=["total", "reg", "held"], meta_fields=["model", "loss", "chunk_size"])
@dataclass(frozen=True, eq=False)
class Objective:
    """L(θ; D, G), its gradient, and products with its curvature; all exact, all differentiable in θ.

    Attributes:
      model: how parameters become scores.
      loss: what is summed over the interactions.
      total: N, interactions before anything was forgotten.
      reg: λ₂.
      chunk_size: pairs that are scored at a time; None takes all at once; "automatic" as many as an estimate of the memory allows.
      held: parameters that stay as they are; L is a function of the others then, and its methods take those alone.
    """

    model: Recommender
    loss: Loss
    total: jax.Array | float
    reg: jax.Array | float
    chunk_size: int | Literal["automatic"] | None = "automatic"
    held: Params = field(default_factory=dict)

    def holding(self, held: Params) -> "Objective":
        """L as a function of all parameters but these."""
        return replace(self, held=self.held | held)

    def whole(self, params: Params) -> Params:
        """All parameters, those that are held among them."""
        return params | self.held if self.held else params

    def __call__(self, params: Params, batch: Batch) -> jax.Array:
        """L(θ; D, G), a scalar."""
        return self.of_data(params, batch) + 0.5 * self.reg * squared_norm(self.whole(params))

    def gradient(self, params: Params, batch: Batch) -> Params:
        """∇L(θ; D, G)."""
        return jax.grad(self)(params, batch)

    def hessian_product(self, params: Params, batch: Batch) -> Product:
        """v ↦ ∇²L v."""
        keep = self._chunk(params, batch) is None  # with chunks the point is not to hold what the products share
        return hessian_product(lambda p: self(p, batch), params, keep=keep)

    def gauss_newton_product(self, params: Params, batch: Batch) -> Product:
        """v ↦ (Jᵀ ℓ″ J / N + λ₂) v; leaves an auxiliary term out, since nothing says that it is convex."""
        product = gauss_newton_product(
            lambda p: self.outputs(p, batch),
            lambda outputs: self.summed(outputs, batch.examples) / self.total,
            params,
            keep=self._chunk(params, batch) is None,
        )
        whole, still = self.whole(params), optax.tree.zeros_like(self.held)
        of_all_pairs = jax.grad(lambda v: _or_zero(self.loss.curvature_over_all_pairs(whole, v | still)) / self.total)
        plain = self.loss.over_all_pairs(whole) is None

        def whole_product(v: Params) -> Params:
            found = optax.tree.add_scale(product(v), self.reg, v)
            return found if plain else optax.tree.add(found, of_all_pairs(v))

        return whole_product

    def of_data(self, params: Params, batch: Batch) -> jax.Array:
        """L without its L2 term."""
        return self.losses(params, batch) / self.total + self.auxiliary(params, batch.graph)

    def minibatch(self, params: Params, batch: Batch, *, size: jax.Array | int) -> jax.Array:
        """L · N / |D|, estimated on some of the |D| = `size` interactions: their mean loss, all of A and of L2.

        Retraining on D_r in place of D so minimises the sum of its losses divided by the same N.
        """
        return self.mean_loss(params, batch) + self.beside(params, batch.graph, scale=self.total / size)

    def beside(self, params: Params, graph: Graph, *, scale: jax.Array | float = 1.0) -> jax.Array:
        """What L has beside the losses, `scale` times: A and the L2 term."""
        return scale * self.auxiliary(params, graph) + 0.5 * (self.reg * scale) * squared_norm(self.whole(params))

    def mean_loss(self, params: Params, batch: Batch) -> jax.Array:
        """Σ w ℓ / Σ w."""
        return self.losses(params, batch) / jnp.sum(batch.examples.weights)

    def losses(self, params: Params, batch: Batch) -> jax.Array:
        """Σ w_z ℓ(z; θ, G), a sum and no mean."""
        return self.summed(self.outputs(params, batch), batch.examples)

    def outputs(self, params: Params, batch: Batch) -> Any:
        """What the loss takes of the model, such as the score of every example."""
        chex.assert_equal_shape([batch.examples.labels, batch.examples.weights])
        scorer = PairScorer(self.model, self.whole(params), batch.graph, self._chunk(params, batch))
        return self.loss.outputs(scorer, batch.examples)

    def summed(self, outputs: Any, examples: Examples) -> jax.Array:
        """The loss of outputs that are known, checked to be one number."""
        value = self.loss.summed(outputs, examples)
        if jnp.shape(value) != ():
            name = type(self.loss).__name__
            raise ModelError(f"{name}.summed returned shape {jnp.shape(value)}: a loss is one number, take its sum.")
        return value

    def auxiliary(self, params: Params, graph: Graph) -> jax.Array | float:
        """A(θ; G), and the term over all pairs divided by N; 0 where the loss has neither."""
        whole = self.whole(params)
        return _or_zero(self.loss.auxiliary(whole, graph)) + _or_zero(self.loss.over_all_pairs(whole)) / self.total

    def _chunk(self, params: Params, batch: Batch) -> int | None:
        if over_mesh(batch.examples.pairs):
            return None  # each device has a part of the pairs as it is
        if self.chunk_size == "automatic":
            return automatic_chunk(self.model, self.whole(params), batch.examples.pairs, batch.graph)
        return self.chunk_size


def squared_norm(params: Params) -> jax.Array:
    """‖θ‖² over all parameters."""
    return sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params)), start=jnp.zeros(()))


def _or_zero(value: jax.Array | None) -> jax.Array | float:
    return 0.0 if value is None else value
