"""Training by the protocols of published benchmarks: negatives and noise are drawn anew in every step.

Such a training has no objective that stands still, and so none that could be unlearned: the library's own is
`ifru_jax.training.train`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.data import Interactions
from ifru_jax.graph import Batch, BipartiteGraph, Examples, GridPairs, IndexPairs
from ifru_jax.models import FlaxRecommender, Params, Recommender
from ifru_jax.training import FullSoftmax, Loss, Objective, TrainConfig, Trained, WithAuxiliary

# A sampled negative that is a positive of its user is drawn anew so often; a user has a fiftieth of the items.
_DRAWS = 4


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
      learning_rate: of Adam.
      reg: λ₂, as in `TrainConfig`.
      init_std: of the tables.
      batch_size: users of the softmax; positives of sampled objectives.
      layers: of propagation.
      negatives: per positive.
      dropout: share of the interactions that are left out of the graph, anew in each step.
      contrast: weight of SimGCL's contrast.
      epochs: at the most.
      every: epochs from one look at valid to the next.
      patience: looks without a better NDCG before training stops.
    """

    learning_rate: float
    reg: float
    init_std: float = 1e-2
    batch_size: int = 512
    layers: int = 0
    negatives: int = 1
    dropout: float = 0.0
    contrast: float = 0.0
    epochs: int = 500
    every: int = 5
    patience: int = 3


class Data(NamedTuple):
    """The positives on the device: as a list, and as a matrix bool [num_users, num_items]."""

    users: jax.Array
    items: jax.Array
    positive: jax.Array

    @classmethod
    def of(cls, train: Interactions) -> Self:
        positive = np.zeros((train.num_users, train.num_items), bool)
        positive[train.users, train.items] = True
        return cls(jnp.asarray(train.users), jnp.asarray(train.items), jnp.asarray(positive))


def softmax_of_users(
    model: Recommender, params: Params, graph: BipartiteGraph, users: jax.Array, weights: jax.Array, positive: jax.Array
) -> jax.Array:
    """Σ_u w_u Σ_i (log Σ_j e^{s_uj} − s_ui) over the positives i of each user: `FullSoftmax`, user by user."""
    items = jnp.arange(positive.shape[1], dtype=jnp.int32)
    scores = model.score(params, GridPairs(users, items), graph).reshape(len(users), -1)
    liked = positive[users]
    terms = liked.sum(1) * jax.nn.logsumexp(scores, axis=1) - jnp.sum(jnp.where(liked, scores, 0), axis=1)
    return jnp.sum(weights * terms)


def with_negatives(key: jax.Array, data: Data, which: jax.Array, count: int) -> Examples:
    """The positives at `which` [b], each followed by `count` items that its user has not in train."""
    users, positive = data.users[which], data.items[which]
    drawn = jax.random.randint(key, (_DRAWS, len(which), count), 0, data.positive.shape[1], jnp.int32)
    taken = data.positive[users[:, None], drawn]
    negative = jnp.take_along_axis(drawn, jnp.argmin(taken, axis=0)[None], axis=0)[0]
    items = jnp.concatenate([positive[:, None], negative], axis=1)
    labels = jnp.zeros(items.shape).at[:, 0].set(1)
    leaders = jnp.repeat(jnp.arange(len(which)) * (count + 1), count + 1)
    pairs = IndexPairs(jnp.repeat(users, count + 1), items.reshape(-1))
    return Examples(pairs, labels.reshape(-1), jnp.ones(labels.size), leaders)


@partial(jax.jit, static_argnums=0)
def _epoch(
    recipe: Recipe, objective: Objective, key: jax.Array, carry: tuple[Params, Any], data: Data, graph: BipartiteGraph
) -> tuple[Params, Any]:
    """One pass over the users, or over the positives."""
    loss = objective.loss
    inner = loss.loss if isinstance(loss, WithAuxiliary) else loss
    by_user = isinstance(inner, FullSoftmax)
    size, total = data.positive.shape[0] if by_user else len(data.users), len(data.users)
    batch = min(recipe.batch_size, size)
    # What the last batch lacks is filled up from the first.
    order = jnp.resize(jax.random.permutation(key, size), (-(-size // batch) * batch,))
    optimiser = optax.adam(recipe.learning_rate)

    def batch_loss(params: Params, which: jax.Array, key: jax.Array) -> jax.Array:
        drop_key, draw_key, noise_key = jax.random.split(key, 3)
        seen = graph
        if recipe.dropout:
            seen = graph.with_edges(graph.present * jax.random.bernoulli(drop_key, 1 - recipe.dropout, graph.weights.shape))
        fresh = replace(objective, loss=_fresh(loss, noise_key))
        if by_user:
            losses = softmax_of_users(objective.model, params, seen, which, jnp.ones(batch), data.positive)
            return losses * size / (batch * total) + fresh.beside(params, seen)
        examples = with_negatives(draw_key, data, which, recipe.negatives)
        return fresh.minibatch(params, Batch(examples, seen), size=total)

    def step(i: jax.Array, carry: tuple[Params, Any]) -> tuple[Any, Any]:
        params, state = carry
        which = jax.lax.dynamic_slice(order, (i * batch,), (batch,))
        grads = jax.grad(batch_loss)(params, which, jax.random.fold_in(key, i))
        updates, state = optimiser.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return jax.lax.fori_loop(0, len(order) // batch, step, carry)


def _fresh(loss: Loss, key: jax.Array) -> Loss:
    """The loss with new noise and anchors, if its term has any."""
    if isinstance(loss, WithAuxiliary) and hasattr(loss.term, "seed"):
        seed = jax.random.randint(key, (), 0, 1 << 30)
        return replace(loss, term=replace(loss.term, seed=seed))  # pyright: ignore[reportArgumentType]
    return loss


def _served(params: Params, recipe: Recipe) -> Params:
    """The parameters for whole bags: a bag of n items is their sum over √n, so of the share 1 − p it is √(1 − p) times as long."""
    if not recipe.dropout:
        return params
    return params | {"encoder_embedding": params["encoder_embedding"] * (1 - recipe.dropout) ** 0.5}


def train_anew(
    model: FlaxRecommender,
    loss: Loss,
    recipe: Recipe,
    train: Interactions,
    seed: int,
    *,
    validate: Callable[[Trained], float],
    max_seconds: float,
    tell: Callable[[str], None],
) -> tuple[Trained, int, str]:
    """Trains with negatives and noise that are drawn anew in each step.

    Args:
      model, loss, recipe: what and how.
      train: positives alone.
      seed: of initialisation, batches and negatives.
      validate: what training stops by; larger is better.
      max_seconds: of processor time, after which no epoch is begun; compilation counts.
      tell: takes a line on how it goes.

    Returns:
      The best model by `validate`, the epochs, and what stopped them: "patience", "time", or "epochs", the most there are.
    """
    began = time.process_time()
    key, init_key = jax.random.split(jax.random.key(seed))
    params = model.init(init_key, train.num_users, train.num_items)
    carry: Any = (params, optax.adam(recipe.learning_rate).init(params))
    data = Data.of(train)
    config = TrainConfig(recipe.learning_rate, recipe.batch_size, recipe.reg)
    best = Trained.of(model, params, train, config=config)
    # Its data have no negatives of their own, so no groups either: those of a batch are drawn with it.
    objective, graph = replace(best.objective, loss=loss, chunk_size=None), best.training_set.graph
    highest = -np.inf
    since, epoch, stopped = 0, 0, "epochs"
    while epoch < recipe.epochs:
        carry = _epoch(recipe, objective, jax.random.fold_in(key, epoch), carry, data, graph)
        jax.block_until_ready(carry)
        epoch += 1
        late = time.process_time() - began > max_seconds
        if epoch % recipe.every and not late and epoch < recipe.epochs:
            continue
        candidate = best.with_params(_served(carry[0], recipe))
        now = validate(candidate)
        tell(f"{time.process_time() - began:.0f} s, epoch {epoch}: {now:.4f} on valid")
        since += 1
        if now > highest:
            best, highest, since = candidate, now, 0
        if since >= recipe.patience or late:
            stopped = "time" if late else "patience"
            break
    return best, epoch, stopped
