"""Models that are no function of parameters, pairs and graph, and what they are told; modules of Flax NNX."""

import random

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ifru_jax import FlaxRecommender, ModelError, from_nnx
from ifru_jax.graph import IndexPairs, build_graph, inner_products
from ifru_jax.models import check_recommender
from ifru_jax.sparse import build_edges

USERS, ITEMS = 4, 3
EDGES, _ = build_edges(np.array([0, 2]), np.array([1, 2]), num_rows=USERS, num_cols=ITEMS, capacity=2)
GRAPH = build_graph(EDGES)
PAIRS = IndexPairs(jnp.array([0, 3]), jnp.array([2, 0]))


class Layer(nn.Module):
    """Scores by one layer over the row numbers, which `kind` makes unfit."""

    kind: str

    @nn.compact
    def __call__(self, pairs, graph):
        x = jnp.stack([pairs.users, pairs.items], axis=1).astype(float)
        hidden = nn.Dense(5)(x)
        if self.kind == "batch statistics":
            hidden = nn.BatchNorm(use_running_average=False)(hidden)
        if self.kind == "dropout":
            hidden = nn.Dropout(0.5, deterministic=False)(hidden)
        if self.kind == "dropout that is off":
            hidden = nn.Dropout(0.5, deterministic=True)(hidden)
        if self.kind == "sampling":
            hidden = hidden * random.random()
        if self.kind == "noise kept":
            hidden = hidden + jax.random.normal(jax.random.key(0), hidden.shape)
        if self.kind == "constants":
            hidden = hidden + np.random.default_rng().normal(size=5)
        if self.kind == "callback":
            hidden = hidden + jax.pure_callback(lambda: np.float32(0), jax.ShapeDtypeStruct((), jnp.float32))
        if self.kind == "index":
            hidden = hidden + self.param("index", lambda key: jnp.arange(5))
        return hidden.sum(axis=1, keepdims=self.kind == "column")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("batch statistics", r"Layer keeps variables beside its parameters \(batch_stats\).*LayerNorm"),
        ("dropout", "Layer asks for random numbers when it scores.*deterministic=True"),
        ("sampling", "Layer does not score the same way twice.*fixed key"),
        ("constants", "Layer does not score the same way twice"),
        ("callback", "calls out of JAX"),
        ("index", "parameter 'index' of Layer is not floating"),
        ("column", r"Layer returned \(3, 1\) for \(3,\) pairs"),
    ],
)
def test_what_is_no_deterministic_score_is_refused(kind, message):
    model = FlaxRecommender(Layer(kind))
    with pytest.raises(ModelError, match=message):
        check_recommender(model, model.init(jax.random.key(0), USERS, ITEMS), GRAPH)


@pytest.mark.parametrize("kind", ["", "noise kept", "dropout that is off"])
def test_what_is_one_is_not(kind):
    model = FlaxRecommender(Layer(kind))
    check_recommender(model, model.init(jax.random.key(0), USERS, ITEMS), GRAPH)


class Vector:
    """A recommender that is no Flax module, with a score of a wrong shape."""

    tables, num_hops = {}, 0

    def score(self, params, pairs, graph):
        return params["level"]


def test_any_recommender_is_checked():
    with pytest.raises(ModelError, match=r"Vector returned \[\(\)\] for 3 pairs"):
        check_recommender(Vector(), {"level": jnp.ones(())}, GRAPH)


class Factors(nnx.Module):
    def __init__(self, num_users, num_items, rngs, *, extra=None):
        self.user, self.item = nnx.Embed(num_users, 2, rngs=rngs), nnx.Embed(num_items, 2, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(2, 2, rngs=rngs)])
        self.extra = extra(rngs) if extra else None

    def __call__(self, pairs, graph):
        return inner_products(self.layers[0](self.user.embedding[...]), self.item.embedding[...], pairs)


def test_an_nnx_module():
    model = from_nnx(Factors, user_tables=("user/embedding",), item_tables=("item/embedding",))
    params = model.init(jax.random.key(0), USERS, ITEMS)
    assert sorted(params) == ["item/embedding", "layers/0/bias", "layers/0/kernel", "user/embedding"]
    users = params["user/embedding"] @ params["layers/0/kernel"] + params["layers/0/bias"]
    expected = (users[PAIRS.users] * params["item/embedding"][PAIRS.items]).sum(1)
    np.testing.assert_allclose(model.score(params, PAIRS, GRAPH), expected, rtol=1e-5)
    check_recommender(model, params, GRAPH)
    # A neighbourhood has fewer rows.
    some = params | {"user/embedding": params["user/embedding"][3:]}
    local = IndexPairs(jnp.array([0]), jnp.array([0]))
    np.testing.assert_allclose(model.score(some, local, GRAPH)[0], expected[1], rtol=1e-5)
    with pytest.raises(ModelError, match="rows of the forgotten would stay"):
        from_nnx(Factors, item_tables=("item/embedding",)).init(jax.random.key(0), USERS, ITEMS)


@pytest.mark.parametrize("extra", [lambda r: nnx.BatchNorm(2, rngs=r), lambda r: nnx.Dropout(0.5, rngs=r)], ids=["norm", "dropout"])
def test_an_nnx_module_with_state_is_refused(extra):
    model = from_nnx(lambda users, items, rngs: Factors(users, items, rngs, extra=extra))
    with pytest.raises(ModelError, match=r"Factors keeps state beside its parameters \(extra/.*without dropout"):
        model.init(jax.random.key(0), USERS, ITEMS)
