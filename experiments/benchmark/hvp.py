"""Hessian-vector products on the training data of ml-1m, against those a user would write without this library."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.figure import Figure, compare_times
from ifru_jax.curvature import hessian_product
from ifru_jax.data import load_dataset, protocol_split
from ifru_jax.graph import TrainingSet, build_training_set
from ifru_jax.models import Recommender
from ifru_jax.training import Objective, bce


def hvp(model: Recommender, baseline_loss: Callable[..., jax.Array], *, target: float) -> dict[str, Figure]:
    """A Hessian-vector product on the training data of ml-1m, against `jvp` of `grad` over gathers and `segment_sum`.

    Both are jitted, take the data as arguments and are linearised once, outside the timing.
    """
    data = build_training_set(protocol_split(load_dataset("ml-1m")).train)
    params = model.init(jax.random.key(0), data.interactions.num_users, data.interactions.num_items)
    params = jax.tree.map(lambda x: 10 * x, params)
    direction = jax.tree.map(lambda x: jax.random.normal(jax.random.key(1), x.shape), params)
    options: dict[str, Any] = {"total": float(len(data)), "reg": 1e-5}
    ours = _linearised(Objective(model, bce, **options, chunk_size=None), params, data.batch)
    baseline = _linearised(partial(baseline_loss, **options), params, _plain_arrays(data))
    figure = compare_times(
        lambda: ours(direction), lambda: baseline(direction), target=target, baseline_name="jvp of grad with segment_sum"
    )
    difference = max(
        float(jnp.abs(a - b).max() / jnp.abs(b).max())
        for a, b in zip(jax.tree.leaves(ours(direction)), jax.tree.leaves(baseline(direction)), strict=True)
    )
    return {"": replace(figure, details=figure.details | {"relative_difference": difference})}


def _linearised(loss: Callable[..., jax.Array], params: Any, data: Any) -> Callable[[Any], Any]:
    """v ↦ ∇²L v, compiled; what linearisation computed is an argument of the compiled function, not a constant in it."""
    product = hessian_product(lambda p: loss(p, data), params)
    # Constants of a compiled function are folded at compile time; as arguments they are data.
    converted, constants = jax.closure_convert(product, params)
    compiled = jax.jit(converted)
    return lambda v: compiled(v, *constants)


def _plain_arrays(data: TrainingSet) -> dict[str, jax.Array]:
    host = data.interactions
    positive = host.labels > 0.5
    weights = np.asarray(data.graph.weights)[: len(data.positives)]
    return {
        "users": jnp.asarray(host.users),
        "items": jnp.asarray(host.items),
        "labels": jnp.asarray(host.labels),
        "edge_users": jnp.asarray(host.users[positive]),
        "edge_items": jnp.asarray(host.items[positive]),
        "edge_weights": jnp.asarray(weights),
    }


def plain_loss(params: dict, data: dict, *, num_layers: int, total: float, reg: float) -> jax.Array:
    """BCE of inner products of embeddings averaged over layers of propagation, plus L2; without layers that of MF.

    Written as one would without this library: gathers and `segment_sum`, on arrays of `_plain_arrays`.
    """
    users, items = params["user_embedding"], params["item_embedding"]
    weights = data["edge_weights"][:, None]
    user_sum, item_sum = users, items
    for _ in range(num_layers):
        to_users = jax.ops.segment_sum(items[data["edge_items"]] * weights, data["edge_users"], num_segments=len(users))
        to_items = jax.ops.segment_sum(users[data["edge_users"]] * weights, data["edge_items"], num_segments=len(items))
        users, items = to_users, to_items
        user_sum, item_sum = user_sum + users, item_sum + items
    users, items = user_sum / (num_layers + 1), item_sum / (num_layers + 1)
    logits = (users[data["users"]] * items[data["items"]]).sum(axis=1)
    loss = jnp.sum(jax.nn.softplus(logits) - data["labels"] * logits)
    return loss / total + 0.5 * reg * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
