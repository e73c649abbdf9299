"""Small models, and their gradients written with matrix products."""

from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data import Interactions
from ifru_jax.graph import inner_products
from ifru_jax.models import FlaxRecommender, lightgcn, mf
from tests.graph.changes import count_matrix
from tests.training.dense_losses import rivals_of, summed

WIDTH = 2
LAYERS = [0, 1, 2, 3]


class Weighted(nn.Module):
    """One layer of propagation with shared parameters: a scale of the layer, and a bias."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        init = nn.initializers.normal(1.0)
        users = self.param("user_embedding", init, (self.num_users, WIDTH))
        items = self.param("item_embedding", init, (self.num_items, WIDTH))
        scale, bias = self.param("scale", init, (WIDTH,)), self.param("bias", init, ())
        users, items = users + scale * graph.to_users(items), items + scale * graph.to_items(users)
        return inner_products(users, items, pairs) + bias


@cache
def model(num_layers):
    """LightGCN, MF with no layer, or the one with "shared" parameters."""
    if num_layers == "shared":
        return FlaxRecommender(Weighted(), ("user_embedding",), ("item_embedding",), num_hops=1)
    return lightgcn(num_layers=num_layers, embedding_size=WIDTH) if num_layers else mf(embedding_size=WIDTH)


def parameters(num_layers, seed, *, num_users, num_items):
    rng = np.random.default_rng(seed)
    shapes = {"user_embedding": (num_users, WIDTH), "item_embedding": (num_items, WIDTH)}
    if num_layers == "shared":
        shapes |= {"scale": (WIDTH,), "bias": ()}
    return {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}


def columns(data: Interactions, capacity: int):
    """Users, items, labels, which count, and what is compared, at the capacity; and how often each edge is in the graph."""
    fill, counted = capacity - len(data), np.arange(capacity) < len(data)
    users, items, labels = (np.pad(column, (0, fill)) for column in (data.users, data.items, data.labels.astype(float)))
    groups = None if data.groups is None else np.pad(data.groups, (0, fill), constant_values=-1)
    return users, items, labels, counted, rivals_of(labels, groups, counted), count_matrix(data)


@partial(jax.jit, static_argnums=(0, 1, 2))
def dense_gradient(dense_scores, num_layers, loss, params, of, total):
    """∇ of the sum of the loss over these columns, divided by N."""
    users, items, labels, counted, rivals, counts = of

    def value(p):
        tables = p["user_embedding"], p["item_embedding"]
        if num_layers == "shared":
            degrees = counts.sum(1)[:, None] * counts.sum(0)[None, :]
            adjacency = counts / jnp.sqrt(jnp.where(degrees > 0, degrees, 1))
            left, right = tables[0] + p["scale"] * (adjacency @ tables[1]), tables[1] + p["scale"] * (adjacency.T @ tables[0])
            scores = left @ right.T + p["bias"]
        else:
            scores = dense_scores(*tables, counts, num_layers)
        return summed(loss, scores[users, items], labels, counted, rivals) / total

    return jax.grad(value)(params)


def assert_close(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10, rtol=1e-10), got, expected)
