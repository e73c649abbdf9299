"""Mult-VAE at the mean of its posterior: a user is the bag of the items in the graph, encoded and decoded.

    x̂_u = Σ_{j∈N(u)} q_j / √d_u,   μ_u = W₂ᵀ tanh(x̂_u + b₁) + b₂,   h_u = tanh(W₃ᵀ μ_u + b₃),   s(u, i) = ⟨h_u, w_i⟩ + c_i

so there are item tables and no user table: whoever has no interaction left is forgotten with them. Source: Liang et al.,
"Variational autoencoders for collaborative filtering" (WWW 2018), §2; the bag is L2-normalised as in the authors' code.

An objective that is unlearned must be deterministic. So there is no dropout on the input, and the code is the mean μ instead of a
sample: the likelihood no longer sees σ, the KL term alone puts it to 1, and of KL(N(μ, σ²) ‖ N(0, 1)) is left ‖μ‖² / 2. That is
the paper's Mult-DAE with a Gaussian prior on the code. `multvae_term` is β KL as a function (params, graph) → scalar, a further
term for the objective. The scores are logits and go with either likelihood of the paper: the logistic one is cross-entropy over
positive and negative interactions, the multinomial one a softmax of every positive over all items.

Without dropout the encoder sees the very item it is asked about, in training and never later. `leave_one_out` takes it out of
the bag: (√d_u x̂_u − q_i) / √(d_u − 1) where (u, i) is an edge; each edge is then encoded on its own. A pair that is no edge has
the whole bag, so in a ranking for many users only the edges cost an encoding each, and all other items of a user share one.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from ifru_jax.errors import ModelError
from ifru_jax.graph import Graph, GridPairs, Pairs, SortedPairs, inner_products
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.recommender import Params

# A ranking of this share of all users or more is taken from a table of all.
_COVERED = 0.25


class MultVAE(nn.Module):
    """Encoder and decoder with one hidden layer each, as in the paper."""

    hidden_size: int
    code_size: int
    leave_one_out: bool
    init_std: float
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        init, dense, zeros = nn.initializers.normal(self.init_std), nn.initializers.xavier_uniform(), nn.initializers.zeros
        hidden, code = self.hidden_size, self.code_size
        p = {
            "encoder_embedding": self.param("encoder_embedding", init, (self.num_items, hidden)),
            "encoder_bias": self.param("encoder_bias", zeros, (hidden,)),
            "code_kernel": self.param("code_kernel", dense, (hidden, code)),
            "code_bias": self.param("code_bias", zeros, (code,)),
            "decoder_kernel": self.param("decoder_kernel", dense, (code, hidden)),
            "decoder_bias": self.param("decoder_bias", zeros, (hidden,)),
            "decoder_embedding": self.param("decoder_embedding", init, (self.num_items, hidden)),
            "item_bias": self.param("item_bias", zeros, (self.num_items,)),
        }
        sums, (degrees, _) = graph.sum_to_users(p["encoder_embedding"]), graph.degrees()
        if not self.leave_one_out:
            states = _decoder_states(p, _codes(p, sums, degrees))
            return inner_products(states, p["decoder_embedding"], pairs) + p["item_bias"][pairs.items]
        if isinstance(pairs, GridPairs) and pairs.size >= max(graph.edges.capacity, _COVERED * len(degrees) * self.num_items):
            return _grid_scores(p, pairs, graph, sums, degrees)
        inside = graph.contains(pairs).astype(sums.dtype)
        return _own_scores(p, pairs, inside, sums, degrees) + p["item_bias"][pairs.items]


def multvae(*, hidden_size: int = 200, code_size: int = 64, leave_one_out: bool = True, init_std: float = 1e-2) -> FlaxRecommender:
    """Mult-VAE at the mean of its posterior.

    A score depends on all edges of its user, so an interaction reaches one hop. Kernels are shared, so a request is confined to
    the rows it touches only where they are frozen.

    Args:
      hidden_size: width of the hidden layers, columns of both item tables; the paper's is 600.
      code_size: length of μ; the paper's is 200.
      leave_one_out: leave the item that is asked about out of the bag; needed where nothing else keeps the model from copying.
      init_std: standard deviation of the normal initialisation of the tables.

    Raises:
      ModelError: a size that is not positive.
    """
    if min(hidden_size, code_size) < 1:
        raise ModelError(f"hidden_size is {hidden_size}, code_size {code_size}: both must be positive.")
    return FlaxRecommender(
        MultVAE(hidden_size, code_size, leave_one_out, init_std),
        (),
        ("encoder_embedding", "decoder_embedding", "item_bias"),
        num_hops=1,
        shared=("code_kernel", "decoder_kernel"),
    )


@dataclass(frozen=True)
class MultVAETerm:
    """β Σ_u ‖μ_u‖² / 2 / N; hashable, so that it can be a static argument.

    Attributes:
      beta: β; the paper anneals it from 0, here it is one number: the one at which the objective is unlearned.
      total: N, interactions before anything was forgotten, by which all sums of the objective are divided.
    """

    beta: float
    total: float

    def __call__(self, params: Params, graph: Graph) -> jax.Array:
        degrees, _ = graph.degrees()
        codes = _codes(params, graph.sum_to_users(params["encoder_embedding"]), degrees)
        # Who has no interaction is in no likelihood, and the bias alone is no posterior.
        squares = jnp.where(degrees > 0, jnp.sum(codes**2, axis=1), 0)
        return 0.5 * self.beta * jnp.sum(squares) / self.total


def multvae_term(model: FlaxRecommender, *, total: int, beta: float = 0.2) -> MultVAETerm:
    """The KL term of a `multvae` model; see `MultVAETerm`.

    Raises:
      ModelError: another model, or N or β out of range.
    """
    if not isinstance(model.module, MultVAE):
        raise ModelError(f"the term of Mult-VAE belongs to multvae(), not to a {type(model.module).__name__}.")
    if not total > 0 or not beta >= 0:
        raise ModelError(f"total is {total}, beta {beta}: N must be positive and β at least 0.")
    return MultVAETerm(beta, float(total))


def _own_scores(p: Params, pairs: Pairs, inside: jax.Array, sums: jax.Array, degrees: jax.Array) -> jax.Array:
    """⟨h, w_i⟩ [n] with an encoding for each pair, of the bag without the item where `inside` ([n], 1 or 0) says it is there."""
    bags = sums[pairs.users] - inside[:, None] * p["encoder_embedding"][pairs.items]
    states = _decoder_states(p, _codes(p, bags, degrees[pairs.users] - inside))
    return jnp.sum(states * p["decoder_embedding"][pairs.items], axis=1)


def _grid_scores(p: Params, pairs: GridPairs, graph: Graph, sums: jax.Array, degrees: jax.Array) -> jax.Array:
    """The scores with one encoding for each user and one for each edge of the graph."""
    states, edges, present = _decoder_states(p, _codes(p, sums, degrees)), graph.edges, graph.present
    own = SortedPairs(edges)
    whole = inner_products(states, p["decoder_embedding"], own)
    without = _own_scores(p, own, present, sums, degrees)
    # Added, not set, as edges at padding share a place and say nothing there; copies of an edge say the same.
    empty = jnp.zeros((edges.num_rows, edges.num_cols), whole.dtype)
    change, copies = (empty.at[edges.rows, edges.cols].add(present * value) for value in (without - whole, 1))
    change = change / jnp.maximum(copies, 1)
    grid = inner_products(states, p["decoder_embedding"], pairs) + p["item_bias"][pairs.items]
    return grid + change[pairs.grid_users][:, pairs.grid_items].reshape(-1)


def _codes(p: Params, bags: jax.Array, sizes: jax.Array) -> jax.Array:
    """μ of sums of encoder rows [n, hidden] over `sizes` items each."""
    normalised = bags * jax.lax.rsqrt(jnp.maximum(sizes, 1))[:, None]
    return jnp.tanh(normalised + p["encoder_bias"]) @ p["code_kernel"] + p["code_bias"]


def _decoder_states(p: Params, codes: jax.Array) -> jax.Array:
    return jnp.tanh(codes @ p["decoder_kernel"] + p["decoder_bias"])
