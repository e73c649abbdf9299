"""Scores in chunks: the same product in less memory."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import FlaxRecommender, bce, lightgcn, mf
from ifru_jax.graph import Batch, Examples, IndexPairs, SortedPairs, build_graph
from ifru_jax.sparse import Edges, build_edges
from ifru_jax.training import Objective
from ifru_jax.training.scores import activation_bytes, automatic_chunk

USERS, ITEMS, WIDTH = 6, 7, 4


class Tower(nn.Module):
    """A perceptron over both embeddings: activations for every pair."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        users = nn.Embed(self.num_users, WIDTH, name="user")(pairs.users)
        items = nn.Embed(self.num_items, WIDTH, name="item")(pairs.items)
        hidden = nn.silu(nn.Dense(8, name="hidden")(jnp.concatenate([users, items], axis=1)))
        return nn.Dense(1, name="top")(hidden)[:, 0]


# Its layers are as wide as there are items and one: a coincidence.
TOWER = FlaxRecommender(Tower(), ("user/embedding",), ("item/embedding",), shared=("hidden/kernel", "top/kernel"))


def no_edges():
    nothing = np.zeros(0, int)
    return build_graph(build_edges(nothing, nothing, num_rows=USERS, num_cols=ITEMS, capacity=1)[0])


@partial(jax.jit, static_argnums=0)
def product(chunk_size, params, direction, examples, graph):
    return Objective(TOWER, bce, 9.0, 0.1, chunk_size).hessian_product(params, Batch(examples, graph))(direction)


def test_the_size_of_a_chunk_changes_nothing():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), TOWER.init(jax.random.key(0), USERS, ITEMS))
        edges, _ = build_edges(rng.integers(0, USERS, 19), rng.integers(0, ITEMS, 19), num_rows=USERS, num_cols=ITEMS, capacity=24)
        labels = jnp.asarray(rng.integers(0, 2, 24), float)
        examples = Examples(SortedPairs(edges), labels, edges.mask.astype(float))
        direction = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), params)
        expected = product(None, params, direction, examples, no_edges())
        got = product(7, params, direction, examples, no_edges())
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10), got, expected)


def test_memory_of_a_product_is_that_of_a_chunk():
    """Beside it grow rows, labels and scores alone, tens of bytes per interaction instead of hundreds."""
    params, graph = TOWER.init(jax.random.key(0), USERS, ITEMS), no_edges()

    def peak(count, chunk_size):
        def run(p, v, users, items, labels):
            examples = Examples(IndexPairs(users, items), labels, jnp.ones_like(labels))
            return Objective(TOWER, bce, 1.0, 0.1, chunk_size).hessian_product(p, Batch(examples, graph))(v)

        rows, labels = jax.ShapeDtypeStruct((count,), jnp.int32), jax.ShapeDtypeStruct((count,), jnp.float32)
        return jax.jit(run).lower(params, params, rows, rows, labels).compile().memory_analysis().temp_size_in_bytes

    count = 500_000
    assert peak(count, 4096) < 60 * count
    assert peak(count, count) > 5 * peak(count, 4096)


@pytest.mark.parametrize(("model", "chunked"), [(mf(), False), (lightgcn(), False), (TOWER, True)], ids=["mf", "lightgcn", "tower"])
def test_inner_products_are_never_chunked(model, chunked):
    params = model.init(jax.random.key(0), USERS, ITEMS)

    def chunk(count):
        rows, nodes, items = (jax.ShapeDtypeStruct((size,), jnp.int32) for size in (count, USERS + 1, ITEMS + 1))
        pairs = SortedPairs(Edges(rows, rows, nodes, rows, rows, items, rows))
        return automatic_chunk(model, params, pairs, no_edges())

    assert (chunk(10_000_000) is not None) == chunked
    assert chunk(50_000) is None


class SharedWindows:
    """Makes as much for 4,096 pairs as for any more: what pairs share is then made once."""

    tables, num_hops = {}, 0

    def score(self, params, pairs, graph):
        rows = min(pairs.users.shape[0], 4096)
        made = jnp.broadcast_to(params["x"], (rows, 4096)) + 1
        return made.sum() + pairs.users.astype(jnp.float32)


def test_what_many_pairs_share_does_not_count_for_each():
    params = {"x": jnp.ones(4096)}
    few, many = (IndexPairs(*(jnp.zeros(count, jnp.int32) for _ in range(2))) for count in (4096, 100_000))
    assert activation_bytes(SharedWindows(), params, few, no_edges()) > 4096
    assert activation_bytes(SharedWindows(), params, many, no_edges()) < 100
