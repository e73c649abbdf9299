"""SASRec: self-attention over what a user liked before.

    x_0 = start,  x_j = E_{item j} + P_j                             (j = 1 … T, the last items before the pair)
    X ← X + Attention(LN(X), X, X),   X ← X + W₂ᵀ φ(W₁ᵀ LN(X) + b₁) + b₂      (each block, attention to the past alone)
    s(u, i) = ⟨LN(x_p), E_i⟩,   p the number of items in sight

so there are item tables and no user table. Source: Kang & McAuley, "Self-attentive sequential recommendation" (ICDM 2018),
eq. 1–6, one head, without dropout, which would make the score random; keys and values are not normalised, as in the authors'
code. There a history begins with its first item and nothing is predicted for that; here a learned start stands before it.

**Windows.** With T = `history_length` and S = T / 2, a pair at position p sees the items from (⌊p / S⌋ − 1) S on (from 0 on for
p < T): at least the last S and fewer than T, or the whole history where it is shorter. Neighbouring positions then share a window,
and one causal pass over the windows of all users serves all interactions: 2 tokens per interaction instead of T, and unlike
in the paper, which trains on the last T items alone, no interaction is left out.

The derivative with respect to a removed interaction goes through the histories, which are swapped with the graph.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ifru_jax.errors import ModelError
from ifru_jax.graph import Graph, Pairs
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.towers import Activation, check_tower


class SASRec(nn.Module):
    """Causal self-attention blocks over windows of a history."""

    embedding_size: int
    history_length: int
    num_blocks: int
    activation: str
    init_std: float
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs: Pairs, graph: Graph) -> jax.Array:
        size, stride = self.embedding_size, self.history_length // 2
        init = nn.initializers.normal(self.init_std)
        items = self.param("item_embedding", init, (self.num_items, size))
        start = self.param("start", init, (size,))
        places = self.param("position_embedding", init, (self.history_length, size))
        history = graph.history
        assert history is not None

        users, positions = pairs.users, history.positions_of(pairs)
        block = jnp.maximum(positions // stride - 1, 0)
        of_pair = (users, block)
        # One window per pair, or all windows of all users: whichever are fewer; the scores are the same.
        num_windows = history.lengths.shape[0] + history.items.shape[0] // stride
        if users.shape[0] <= num_windows:
            chosen, row = of_pair, jnp.arange(users.shape[0])
        else:
            counts = jnp.maximum(history.lengths // stride - 1, 0) + 1
            ends = jnp.cumsum(counts)
            window_user = jnp.minimum(jnp.searchsorted(ends, jnp.arange(num_windows), side="right"), len(counts) - 1)
            chosen = (window_user, jnp.arange(num_windows) - (ends - counts)[window_user])
            row = (ends - counts)[users] + block
        seen = history.windows(chosen[0], chosen[1] * stride, self.history_length - 1)
        tokens = items[seen] + places[1:]
        x = jnp.concatenate([jnp.broadcast_to(start + places[0], (len(seen), 1, size)), tokens], axis=1)
        for k in range(self.num_blocks):
            x = Block(self.activation, name=f"block_{k}")(x)
        x = nn.LayerNorm(epsilon=1e-8, name="norm")(x)
        return jnp.sum(x[row, positions - block * stride] * items[pairs.items], axis=1)


class Block(nn.Module):
    """Attention to the past, then a layer per place; [n, T, d] → [n, T, d]."""

    activation: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size, length = x.shape[2], x.shape[1]
        query = nn.LayerNorm(epsilon=1e-8, name="attention_norm")(x)
        query, key, value = (
            nn.Dense(size, name=name, use_bias=False)(of) for name, of in (("query", query), ("key", x), ("value", x))
        )
        logits = jnp.einsum("nqd,nkd->nqk", query, key) * size**-0.5
        past = jnp.tril(jnp.ones((length, length), bool))
        weights = jax.nn.softmax(jnp.where(past, logits, -jnp.inf), axis=2)
        x = x + jnp.einsum("nqk,nkd->nqd", weights, value)
        hidden = nn.Dense(size, name="hidden")(nn.LayerNorm(epsilon=1e-8, name="layer_norm")(x))
        return x + nn.Dense(size, name="out")(getattr(nn, self.activation)(hidden))


def sasrec(
    *,
    embedding_size: int = 48,
    history_length: int = 20,
    num_blocks: int = 2,
    activation: Activation = "silu",
    init_std: float = 1e-2,
) -> FlaxRecommender:
    """SASRec; the data needs timestamps.

    A score depends on all interactions of its user, so an interaction reaches one hop. Its layers are shared, so a request is
    confined to the rows it touches only where they are frozen.

    Args:
      embedding_size: d.
      history_length: T, even; the paper's is 50, or 200 on ml-1m.
      num_blocks: the paper's is 2.
      activation: φ; the paper's is "relu", see `PairTower`.
      init_std: standard deviation of the normal initialisation of items, places and the start.

    Raises:
      ModelError: a length that is odd or below 2, no block, or an activation that doesn't exist.
    """
    if history_length < 2 or history_length % 2 or num_blocks < 1:
        raise ModelError(
            f"history_length is {history_length}, num_blocks {num_blocks}: give an even length of at least 2 and a block or more."
        )
    check_tower((embedding_size,), activation)
    kernels = tuple(f"block_{k}/{name}/kernel" for k in range(num_blocks) for name in ("query", "key", "value", "hidden", "out"))
    return FlaxRecommender(
        SASRec(embedding_size, history_length, num_blocks, activation, init_std),
        (),
        ("item_embedding",),
        num_hops=1,
        shared=("position_embedding", *kernels),
        history_length=history_length,
    )
