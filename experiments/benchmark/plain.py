"""The losses written as one would without this library: gathers and `segment_sum`. Baselines of speed, and nothing else."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def plain_mf_loss(params: dict, data: dict, *, total: float, reg: float) -> jax.Array:
    """BCE of inner products plus L2; arrays as in `benchmark`."""
    return _loss(params["user_embedding"], params["item_embedding"], params, data, total, reg)


def plain_lightgcn_loss(params: dict, data: dict, *, num_layers: int, total: float, reg: float) -> jax.Array:
    """The same on embeddings averaged over layers of propagation."""
    users, items = params["user_embedding"], params["item_embedding"]
    weights = data["edge_weights"][:, None]
    user_sum, item_sum = users, items
    for _ in range(num_layers):
        to_users = jax.ops.segment_sum(items[data["edge_items"]] * weights, data["edge_users"], num_segments=len(users))
        to_items = jax.ops.segment_sum(users[data["edge_users"]] * weights, data["edge_items"], num_segments=len(items))
        users, items = to_users, to_items
        user_sum, item_sum = user_sum + users, item_sum + items
    return _loss(user_sum / (num_layers + 1), item_sum / (num_layers + 1), params, data, total, reg)


def _loss(users: jax.Array, items: jax.Array, params: dict, data: dict, total: float, reg: float) -> jax.Array:
    logits = (users[data["users"]] * items[data["items"]]).sum(axis=1)
    loss = jnp.sum(jax.nn.softplus(logits) - data["labels"] * logits)
    return loss / total + 0.5 * reg * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
