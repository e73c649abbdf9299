"""Models that are no function of parameters, pairs and graph, and what they are told; modules of Flax NNX."""

import random

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ifru_jax import FlaxRecommender, ModelError, from_nnx, lightgcn
from ifru_jax.graph import IndexPairs, build_graph, inner_products
from ifru_jax.models import check_recommender
from ifru_jax.models.probes import reach
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


LENGTHS = {
    "divided by the length": lambda x: x / jnp.linalg.norm(x, axis=1, keepdims=True),
    "a length without a derivative at zero": lambda x: x / (1e-6 + jnp.linalg.norm(x, axis=1, keepdims=True)),
    "a length with a constant under the root": lambda x: x / jnp.sqrt(1e-12 + (x * x).sum(1, keepdims=True)),
}


class Odd(nn.Module):
    """A graph model that `kind` makes unfit in ways that one trace does not tell."""

    kind: str = ""
    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        users = self.param("user", nn.initializers.zeros, (self.num_users, 2))
        items = self.param("item", nn.initializers.zeros, (self.num_items, 2))
        if self.kind == "three propagations":
            for _ in range(3):
                users, items = graph.to_users(items), graph.to_items(users)
        elif self.kind == "in a loop":
            users, items = jax.lax.fori_loop(0, 3, lambda _, x: (graph.to_users(x[1]), graph.to_items(x[0])), (users, items))
        elif self.kind == "in a scan":
            step = jax.checkpoint(lambda x, _: ((graph.to_users(x[1]), graph.to_items(x[0])), None))
            (users, items), _ = jax.lax.scan(step, (users, items), None, length=2)
        elif self.kind not in LENGTHS:
            users = users + graph.to_users(items)
        scores = inner_products(users, items, pairs)
        if self.kind == "mean over the batch":
            return scores - scores.mean()
        if self.kind == "softmax over the batch":
            return nn.log_softmax(scores)
        if self.kind == "the same for all":
            return jnp.zeros(scores.shape) + users.sum()
        if self.kind in LENGTHS:
            users, items = LENGTHS[self.kind](users), LENGTHS[self.kind](items)
            return inner_products(users, items, pairs)
        return jax.lax.stop_gradient(scores) if self.kind == "no derivative" else scores


def odd(kind, hops=1):
    return FlaxRecommender(Odd(kind), user_tables=("user",), item_tables=("item",), num_hops=hops)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mean over the batch", "Odd scores a pair differently beside other pairs"),
        ("softmax over the batch", "Odd scores a pair differently beside other pairs"),
        ("three propagations", "Odd propagates 3 times, one after the other, but is declared with num_hops=1.*Declare num_hops=3"),
        ("in a loop", "Odd propagates .* times"),
        ("in a scan", "Odd propagates .* times"),
        ("the same for all", "Odd gives every pair the same score"),
        ("no derivative", "the scores of Odd don't depend on its parameters"),
        ("divided by the length", "Odd has no finite score, or no finite derivative, where a row of its tables is zeros"),
        ("a length without a derivative at zero", "where a row of its tables is zeros.*put a small constant under the root"),
    ],
)
def test_what_one_trace_does_not_tell_is_refused(kind, message):
    """Also where all parameters begin at zero, which hides it."""
    model = odd(kind)
    with pytest.raises(ModelError, match=message):
        check_recommender(model, model.init(jax.random.key(0), USERS, ITEMS), GRAPH)


def test_what_is_declared_and_of_its_pair_is_not_refused():
    safe = "a length with a constant under the root"
    for kind, hops in (("", 1), ("three propagations", 3), ("three propagations", 4), (safe, 1)):
        model = odd(kind, hops)
        check_recommender(model, model.init(jax.random.key(0), USERS, ITEMS), GRAPH)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_the_reach_of_lightgcn_is_its_layers(num_layers):
    model = lightgcn(num_layers=num_layers, embedding_size=2)
    params = model.init(jax.random.key(0), USERS, ITEMS)
    assert reach(jax.make_jaxpr(lambda p: model.score(p, PAIRS, GRAPH))(params).jaxpr) == num_layers
    assert reach(jax.make_jaxpr(jax.jit(lambda p: model.score(p, PAIRS, GRAPH)))(params).jaxpr) == num_layers
