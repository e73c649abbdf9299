"""Any Flax module as a recommender, and what is said of one that doesn't fit."""

import dataclasses
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ifru_jax import Interactions, Trained, from_nnx
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.errors import ModelError
from ifru_jax.graph import IndexPairs, SortedPairs, build_graph, inner_products
from ifru_jax.models import FlaxRecommender, describe_model, lightgcn, mf, model_from_description
from ifru_jax.sparse import build_edges

USERS, ITEMS = 4, 3
PAIRS = IndexPairs(jnp.array([0, 3, 1]), jnp.array([2, 0, 0]))


def no_graph(users=USERS, items=ITEMS):
    nothing = np.zeros(0, int)
    return build_graph(build_edges(nothing, nothing, num_rows=users, num_cols=items, capacity=1)[0])


class Neural(nn.Module):
    """Embeddings, biases, and dense layers: tables of two shapes, and shared parameters in dicts of their own."""

    num_users: int = 0
    num_items: int = 0
    hidden: int = 2

    @nn.compact
    def __call__(self, pairs, graph):
        init = nn.initializers.normal(1.0)
        users = self.param("user", init, (self.num_users, 2))
        items = self.param("item", init, (self.num_items, 2))
        bias = self.param("bias", init, (self.num_items,))
        both = jnp.concatenate([users[pairs.users], items[pairs.items]], axis=1)
        deep = nn.Dense(1)(nn.tanh(nn.Dense(self.hidden)(both)))[:, 0]
        return inner_products(users, items, pairs) + bias[pairs.items] + deep


class Nested(nn.Module):
    """Tables inside submodules."""

    num_users: int = 0
    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        users, items = nn.Embed(self.num_users, 2, name="users"), nn.Embed(self.num_items, 2, name="items")
        return inner_products(users.embedding, items.embedding, pairs)


class Constant(nn.Module):
    """No table, and an output of any shape."""

    column: bool = False

    @nn.compact
    def __call__(self, pairs, graph):
        level = self.param("level", nn.initializers.ones, ())
        scores = jnp.full(pairs.users.shape, level)
        return scores[:, None] if self.column else scores


class Unfit(nn.Module):
    """Returns no array at all."""

    @nn.compact
    def __call__(self, pairs, graph):
        return 1.0 if pairs.users.shape else None


# Four users, and by coincidence a dense layer of four inputs.
NEURAL = FlaxRecommender(Neural(), ("user",), ("item", "bias"), shared=("Dense_1/kernel",))


def test_tables_and_shared_parameters():
    params = NEURAL.init(jax.random.key(0), USERS, ITEMS)
    layers = {f"Dense_{k}/{name}" for k in (0, 1) for name in ("kernel", "bias")}
    assert params.keys() == {"user", "item", "bias"} | layers
    assert NEURAL.tables == {"user": "user", "item": "item", "bias": "item"}
    assert NEURAL.score(params, PAIRS, no_graph()).shape == (3,)


def test_the_number_of_rows_comes_from_the_tables():
    """A neighbourhood has fewer rows than the data: rows 3 and 1, items 0 and 2, numbered anew."""
    params = NEURAL.init(jax.random.key(0), USERS, ITEMS)
    users, items = jnp.array([3, 1]), jnp.array([2, 0])
    subset = params | {"user": params["user"][users], "item": params["item"][items], "bias": params["bias"][items]}
    local = IndexPairs(jnp.array([0, 1]), jnp.array([1, 1]))
    np.testing.assert_array_equal(NEURAL.score(subset, local, no_graph(2, 2)), NEURAL.score(params, PAIRS, no_graph())[1:])


def test_tables_of_submodules():
    nested = FlaxRecommender(Nested(), ("users/embedding",), ("items/embedding",))
    params = nested.init(jax.random.key(0), USERS, ITEMS)
    users, items = params["users/embedding"], params["items/embedding"]
    expected = (users[PAIRS.users] * items[PAIRS.items]).sum(1)
    np.testing.assert_allclose(nested.score(params, PAIRS, no_graph()), expected, rtol=1e-6)


@pytest.mark.parametrize(("users", "items"), [((), ("items/embedding",)), (("users/embedding",), ())])
def test_a_table_that_is_not_declared(users, items):
    with pytest.raises(ModelError, match=r"has shape \(., 2\), one row per user or item, but is not declared"):
        FlaxRecommender(Nested(), users, items).init(jax.random.key(0), USERS, ITEMS)


def test_a_model_without_tables():
    constant = FlaxRecommender(Constant())
    params = constant.init(jax.random.key(0), USERS, ITEMS)
    np.testing.assert_array_equal(constant.score(params, PAIRS, no_graph()), [1, 1, 1])
    assert constant.tables == {}


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (FlaxRecommender(Neural(), ("users",)), "'users' is declared a user table of 4 rows.*no such parameter"),
        (FlaxRecommender(Neural(), ("item",)), r"'item' is declared a user table of 4 rows, but the module has \(3, 2\)"),
        (FlaxRecommender(Neural(), (), ("Dense_0/bias",)), r"'Dense_0/bias' is declared a.* item table of 3 rows, .* \(1,\)"),
        (FlaxRecommender(Constant(), ("level",)), r"'level' is declared a user table of 4 rows, but the module has \(\)"),
    ],
)
def test_a_table_declared_wrongly(model, found):
    with pytest.raises(ModelError, match=found):
        model.init(jax.random.key(0), USERS, ITEMS)


@pytest.mark.parametrize(
    ("module", "found"), [(Constant(column=True), r"Constant returned \(3, 1\) for \(3,\) pairs"), (Unfit(), "Unfit returned")]
)
def test_a_score_that_is_no_vector(module, found):
    model = FlaxRecommender(module)
    params = {"level": jnp.ones(())}
    with pytest.raises(ModelError, match=found):
        model.score(params, PAIRS, no_graph())
    with pytest.raises(ModelError, match=found):
        jax.eval_shape(model.score, params, PAIRS, no_graph())


@pytest.mark.parametrize("model", [mf(embedding_size=7, init_std=0.3), lightgcn(num_layers=3, embedding_size=5)])
def test_a_description_is_enough_to_rebuild_what_ships(model):
    assert model_from_description(describe_model(model)) == model


def test_a_description_of_anything_else_is_not():
    assert describe_model(NEURAL) is None
    assert model_from_description({"module": "Neural"}) is None


def test_a_module_that_reads_the_graph_must_say_so():
    model = lightgcn(num_layers=1, embedding_size=2)
    undeclared = dataclasses.replace(model, num_hops=0)
    params = model.init(jax.random.key(0), 3, 4)
    edges, _ = build_edges(np.array([0]), np.array([1]), num_rows=3, num_cols=4, capacity=1)
    with pytest.raises(ModelError, match="num_hops=0"):
        undeclared.score(params, SortedPairs(edges), build_graph(edges))


class ReadsFeatures(nn.Module):
    """A linear model of item features, which does not propagate."""

    num_items: int = 0

    @nn.compact
    def __call__(self, pairs, graph):
        bias = self.param("item", nn.initializers.normal(0.1), (self.num_items,))
        weights = self.param("weights", nn.initializers.normal(0.1), (4,))
        return (bias + graph.item_features @ weights)[pairs.items]


@pytest.mark.parametrize("num_hops", [0, 1])
def test_features_are_read_and_errors_say_so(num_hops):
    """By id: rows of a table that is keyed by the ids of the data, in the order of its own ids."""
    by_id = {"tea": [1, 0, 0, 0], "milk": [0, 1, 0, 0], "rum": [0, 0, 1, 1]}
    data = Interactions.from_arrays(["ann", "bob", "ann", "cyd", "bob"], ["tea", "tea", "milk", "rum", "rum"], [1, 0, 1, 0, 1])
    rows = np.array([by_id[name] for name in data.item_ids], np.float32)
    features = SideFeatures(("kind",), (4,), rows)
    with_features = replace(data, item_features=features)
    declared = {"item_tables": ("item",), "item_features": 4}
    model = FlaxRecommender(ReadsFeatures(), num_hops=num_hops, **declared)
    trained = Trained.of(model, model.init(jax.random.key(0), 3, 3), with_features)
    expected = trained.params["item"] + rows @ trained.params["weights"]
    np.testing.assert_allclose(trained.score_rows([0, 1, 2], [0, 1, 2]), expected, rtol=1e-5)
    with pytest.raises(ModelError, match="reads 4 columns of item features, the data has none: replace"):
        Trained.of(model, trained.params, data).score_rows([0], [0])
    narrow = replace(data, item_features=SideFeatures(("kind",), (3,), rows[:, :3]))
    with pytest.raises(ModelError, match="reads 4 columns of item features, the data has 3"):
        Trained.of(model, trained.params, narrow).score_rows([0], [0])


def test_features_that_are_not_declared_are_asked_for():
    """In words instead of a shape that nobody gave; the same for a module of NNX."""
    data = Interactions.from_arrays([0, 1, 0, 2, 1], [0, 0, 1, 2, 2], [1, 0, 1, 0, 1])
    features = SideFeatures(("kind",), (4,), np.eye(4, dtype=np.float32)[[0, 1, 2]])
    with pytest.raises(ModelError, match=r"ReadsFeatures reads item_features .*FlaxRecommender\(…, item_features=…\)"):
        FlaxRecommender(ReadsFeatures(), item_tables=("item",)).init(jax.random.key(0), 3, 3)

    class Weighted(nnx.Module):
        def __init__(self, num_users, num_items, rngs):
            self.item = nnx.Embed(num_items, 4, rngs=rngs)

        def __call__(self, pairs, graph):
            return (self.item.embedding[...] * graph.item_features).sum(axis=1)[pairs.items]

    for num_hops in (0, 1):
        model = from_nnx(Weighted, item_tables=("item/embedding",), num_hops=num_hops)
        params = model.init(jax.random.key(0), 3, 3)
        trained = Trained.of(model, params, replace(data, item_features=features))
        expected = (np.asarray(params["item/embedding"]) * features.values).sum(axis=1)
        np.testing.assert_allclose(trained.score_rows([0, 1, 2], [0, 1, 2]), expected, rtol=1e-5)
