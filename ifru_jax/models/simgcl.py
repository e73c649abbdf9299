"""SimGCL: LightGCN without its zeroth layer, and a contrast between two noisy views of the nodes.

    E⁽⁰⁾ = θ,   E⁽ˡ⁺¹⁾ = Â E⁽ˡ⁾,   E = (1 / L) Σ_{l≥1} E⁽ˡ⁾,   s(u, i) = ⟨E_u, E_i⟩
    E′: the same with E⁽ˡ⁺¹⁾ = Â E⁽ˡ⁾ + Δ,   Δ = ε sign(E⁽ˡ⁺¹⁾) ⊙ r / ‖r‖,   r ~ U(0, 1)^d per node
    L_cl = Σ_v −log( exp(z′_v·z″_v / τ) / Σ_w exp(z′_v·z″_w / τ) ),   z = E / ‖E‖, over users and over items, each

Source: Yu et al., "Are graph augmentations necessary? Simple graph contrastive learning for recommendation" (SIGIR 2022), eq. 2
and 8–10. The objective that a model is unlearned by has to be a function of parameters and graph alone, so the noise is drawn
once, from a key that is part of the model: `simgcl_contrast` is a term (params, graph) → scalar for the objective, and with it
its gradient, its Hessian and its change with the graph are exact. Without that term the model is its encoder.

>>> import jax, numpy as np
>>> from ifru_jax.graph import build_graph
>>> from ifru_jax.sparse import build_edges
>>> model = simgcl(num_layers=1, embedding_size=4, init_std=0.1)
>>> graph = build_graph(build_edges(np.array([0, 1]), np.array([0, 1]), num_rows=2, num_cols=2, capacity=2)[0])
>>> contrast = simgcl_contrast(model, weight=0.1)
>>> contrast(model.init(jax.random.key(0), 2, 2), graph).shape
()
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from ifru_jax.errors import ModelError
from ifru_jax.graph import Graph, Pairs, inner_products
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.recommender import Params


class SimGCL(TwoTables):
    """The encoder of SimGCL."""

    num_layers: int = 1

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        return inner_products(*_encoded(*self.embeddings(), graph, self.num_layers), pairs)


def simgcl(*, num_layers: int = 1, embedding_size: int = 48, init_std: float = 1e-2) -> FlaxRecommender:
    """The encoder of SimGCL; `simgcl_contrast` is the other half of its objective.

    Args:
      num_layers: L ≥ 1; on the explicit data here one layer ranks best, the paper takes 2 or 3 on implicit data.
      embedding_size: d, columns of both tables.
      init_std: standard deviation of the normal initialisation.

    Raises:
      ModelError: num_layers < 1.
    """
    if num_layers < 1:
        raise ModelError(f"num_layers is {num_layers}: SimGCL scores by what was propagated, so it propagates at least once.")
    module = SimGCL(embedding_size, init_std, num_layers=num_layers)
    return FlaxRecommender(module, ("user_embedding",), ("item_embedding",), num_hops=num_layers)


@dataclass(frozen=True)
class SimGCLContrast:
    """λ_cl L_cl / (number of nodes in it), called with parameters and graph; hashable, so that it can be a static argument.

    Attributes:
      num_layers: L of the model.
      weight: λ_cl.
      temperature: τ.
      noise: ε, the length of Δ.
      seed: of both views, and of the anchors.
      max_nodes: of each side, so many at the most are anchors and each other's negatives (the paper takes those of a batch); a
        fixed random choice. The cost is their number squared.
    """

    num_layers: int
    weight: float
    temperature: float = 0.2
    noise: float = 0.1
    seed: int = 0
    max_nodes: int = 2048

    def __call__(self, params: Params, graph: Graph) -> jax.Array:
        users, items = params["user_embedding"], params["item_embedding"]
        keys = jax.random.split(jax.random.key(self.seed), 3)
        views = [_encoded(users, items, graph, self.num_layers, noise=self.noise, key=key) for key in keys[:2]]
        total = jnp.zeros((), users.dtype)
        count = jnp.zeros((), users.dtype)
        for side, degrees in enumerate(graph.degrees()):
            first, second = (view[side] for view in views)
            # A permutation of all rows, so that which rows are anchors does not change when some lose their edges.
            anchors = jax.random.permutation(keys[2], len(degrees))[: self.max_nodes]
            counted = degrees[anchors] > 0
            total += _info_nce(first[anchors], second[anchors], counted, self.temperature)
            count += jnp.sum(counted)
        return self.weight * total / jnp.maximum(count, 1)


def simgcl_contrast(
    model: FlaxRecommender,
    *,
    weight: float = 0.1,
    temperature: float = 0.2,
    noise: float = 0.1,
    seed: int = 0,
    max_nodes: int = 2048,
) -> SimGCLContrast:
    """The contrastive term of a `simgcl` model; see `SimGCLContrast`.

    Raises:
      ModelError: another model, a temperature or a number of nodes that is not positive.
    """
    if not isinstance(model.module, SimGCL):
        raise ModelError(f"the contrast of SimGCL belongs to simgcl(), not to a {type(model.module).__name__}.")
    if not temperature > 0 or max_nodes < 1:
        raise ModelError(f"temperature is {temperature}, max_nodes {max_nodes}: both must be positive.")
    return SimGCLContrast(model.module.num_layers, weight, temperature, noise, seed, max_nodes)


def _encoded(
    users: jax.Array, items: jax.Array, graph: Graph, num_layers: int, *, noise: float = 0.0, key: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean of layers 1 … L of both sides, with noise if there is a key."""
    user_sum, item_sum = jnp.zeros_like(users), jnp.zeros_like(items)
    for k in range(num_layers):
        users, items = graph.to_users(items), graph.to_items(users)
        if key is not None:
            user_key, item_key = jax.random.split(jax.random.fold_in(key, k))
            users, items = _noisy(user_key, users, noise), _noisy(item_key, items, noise)
        user_sum, item_sum = user_sum + users, item_sum + items
    return user_sum / num_layers, item_sum / num_layers


def _noisy(key: jax.Array, vectors: jax.Array, noise: float) -> jax.Array:
    direction = jax.random.uniform(key, vectors.shape, vectors.dtype)
    direction /= jnp.linalg.norm(direction, axis=1, keepdims=True)
    # The sign has no derivative where it is constant, which is everywhere but at 0; there the noise is 0.
    return vectors + noise * jax.lax.stop_gradient(jnp.sign(vectors)) * direction


def _info_nce(first: jax.Array, second: jax.Array, counted: jax.Array, temperature: float) -> jax.Array:
    """Σ_v over the rows that are counted; the others are nobody's negative either."""
    first, second = (_unit(x, counted) for x in (first, second))
    logits = first @ second.T / temperature
    against = jax.nn.logsumexp(logits, axis=1, where=counted[None, :])
    own = jnp.sum(first * second, axis=1) / temperature
    return jnp.sum(jnp.where(counted, against - own, 0))


def _unit(vectors: jax.Array, counted: jax.Array) -> jax.Array:
    """Rows of length 1; rows that don't count stay clear of the division by their length, which may be 0."""
    squares = jnp.where(counted, jnp.sum(vectors**2, axis=1), 1)
    return vectors * jax.lax.rsqrt(jnp.maximum(squares, jnp.finfo(vectors.dtype).tiny))[:, None]
