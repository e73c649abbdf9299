"""Each model that ships: its scores, its curvature, what its scores depend on, and a request through the whole step."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import ForgetRequest, IFRUConfig, Interactions, TrainConfig
from ifru_jax.curvature import hessian_product
from ifru_jax.data.side_features import SideFeatures
from ifru_jax.errors import ModelError
from ifru_jax.graph import Change, GridPairs, IndexPairs, build_training_set
from ifru_jax.graph.neighbourhood import neighbourhoods
from ifru_jax.graph.subgraph import Bucket, pad_subgraphs
from ifru_jax.influence import affected_interactions
from ifru_jax.models import (
    bias_mf,
    deepfm,
    describe_model,
    fm,
    gmf,
    item_bias_mf,
    model_from_description,
    multvae,
    multvae_term,
    neumf,
    ngcf,
    sasrec,
    simgcl,
    simgcl_contrast,
)
from ifru_jax.models.tables import take_rows
from ifru_jax.ragged import Ragged
from ifru_jax.training import Objective, Trained, bce
from ifru_jax.unlearning import Prepared, forget
from ifru_jax.unlearning.prepare import Damping
from tests.models import numpy_scores

USERS, ITEMS = 6, 5
WIDTHS = (3, 2)
SIZE = {"embedding_size": 2, "init_std": 0.5}
MODELS = {
    "bias_mf": bias_mf(**SIZE),
    "item_bias_mf": item_bias_mf(**SIZE),
    "gmf": gmf(**SIZE),
    "neumf": neumf(hidden=(3, 2), mlp_embedding_size=3, output_bias=True, **SIZE),
    "ngcf": ngcf(num_layers=1, **SIZE),
    "simgcl": simgcl(num_layers=2, **SIZE),
    "fm": fm(item_fields=WIDTHS, **SIZE),
    "deepfm": deepfm(item_fields=WIDTHS, hidden=(3,), **SIZE),
    "multvae": multvae(hidden_size=3, code_size=2, init_std=0.5),
    "sasrec": sasrec(embedding_size=2, history_length=2, num_blocks=1, init_std=0.5),
}
NAMES = sorted(MODELS)


@pytest.fixture(scope="module", autouse=True)
def quick(float64):
    """Compilation is what these tests would spend their time on."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def data():
    """Interactions of both labels in two halves that no edge joins: users 0–3 with items 0–2, users 4–5 with items 3–4."""
    rng = np.random.default_rng(3)
    users, items = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    kept = ((users < 4) == (items < 3)) & (rng.random(len(users)) < 0.9)
    labels = (rng.random(kept.sum()) < 0.7).astype(np.float32)
    features = SideFeatures(("genre", "year"), WIDTHS, rng.random((ITEMS, sum(WIDTHS))))
    # Some at the same time.
    times = rng.integers(0, 9, kept.sum())
    return Interactions(users[kept], items[kept], labels, USERS, ITEMS, timestamps=times, item_features=features)


@pytest.fixture(scope="module")
def training_set(data):
    return build_training_set(data, with_history=True)


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def params(name):
    """Every parameter away from 0, biases too."""
    shapes = jax.eval_shape(lambda key: MODELS[name].init(key, USERS, ITEMS), jax.random.key(0))
    rng = np.random.default_rng(5)
    return {n: jnp.asarray(0.5 * rng.normal(size=leaf.shape)) for n, leaf in shapes.items()}


def expected_scores(name, params, data):
    if name == "sasrec":
        return numpy_scores.sasrec({n: np.asarray(v) for n, v in params.items()}, data, 2)
    counts = np.zeros((USERS, ITEMS))
    positive = data.labels > 0.5
    counts[data.users[positive], data.items[positive]] = 1
    features = (data.item_features.values.astype(float), data.item_features.widths)
    return getattr(numpy_scores, name)({n: np.asarray(v) for n, v in params.items()}, counts, features)


@partial(jax.jit, static_argnums=0)
def scores(model, params, pairs, graph):
    return model.score(params, pairs, graph)


def everything(name, params, graph):
    return np.asarray(scores(MODELS[name], params, GridPairs(jnp.arange(USERS), jnp.arange(ITEMS)), graph)).reshape(USERS, ITEMS)


def test_scores_equal_the_equations(name, params, data, training_set):
    expected = expected_scores(name, params, data)
    np.testing.assert_allclose(everything(name, params, training_set.graph), expected, rtol=1e-11, atol=1e-12)
    edges = scores(MODELS[name], params, training_set.examples.pairs, training_set.graph)[: len(data)]
    np.testing.assert_allclose(edges, expected[data.users, data.items], rtol=1e-11, atol=1e-12)


@pytest.mark.slow
def test_products_with_the_hessian(name, params, data, training_set):
    """uᵀ H v of random u and v against second differences of the loss in NumPy."""
    flat, unravel = ravel_pytree(params)
    reg, total = 0.03, 17.0

    @jax.jit
    def product(vectors):
        def loss(p):
            return Objective(MODELS[name], bce, total, reg)(p, training_set.batch)

        return jax.lax.map(lambda v: ravel_pytree(hessian_product(loss, params)(unravel(v)))[0], vectors)

    def loss(theta):
        found = expected_scores(name, unravel(theta), data)[data.users, data.items]
        return np.sum(np.logaddexp(0, found) - data.labels * found) / total + reg / 2 * np.sum(theta**2)

    rng, theta, h = np.random.default_rng(1), np.asarray(flat), 5e-4
    directions = rng.normal(size=(4, len(theta))) / np.sqrt(len(theta))
    got = directions @ np.asarray(product(jnp.asarray(directions))).T
    np.testing.assert_allclose(got, got.T, atol=1e-13)

    def second_difference(u, v, h):
        ends = [loss(theta + h * (a * u + b * v)) * a * b for a in (1, -1) for b in (1, -1)]
        return sum(ends) / (4 * h**2)

    for a in range(4):
        for b in range(a + 1):
            # Two widths cancel the error of second order.
            wide, narrow = (second_difference(directions[a], directions[b], step) for step in (2 * h, h))
            np.testing.assert_allclose(got[a, b], (4 * narrow - wide) / 3, atol=1e-8)


def test_scores_depend_on_edges_within_the_hops_declared(name, params, data, training_set):
    """Without an edge at user 0, scores change where the model says; where no path leads from it, none does."""
    model = MODELS[name]
    gone = np.flatnonzero((data.users == 0) & (data.labels > 0.5))[:1]
    forgotten = np.isin(np.arange(len(data)), gone)
    change = Change(training_set, gone, np.ones(len(gone), bool), data.labels[gone])
    before, now = (everything(name, params, of.graph) for of in (training_set, change.after))
    np.testing.assert_allclose(now, expected_scores(name, params, data.select(~forgotten)), rtol=1e-11, atol=1e-12)
    changed = np.abs(before - now) > 1e-13
    affected = affected_interactions(change, num_hops=model.num_hops)
    may_change = np.zeros((USERS, ITEMS), bool)
    may_change[data.users[affected | forgotten], data.items[affected | forgotten]] = True
    assert not (changed[data.users, data.items] & ~may_change[data.users, data.items]).any()
    assert not changed[4:, 3:].any()
    assert changed.any() == (model.num_hops > 0)


def test_a_neighbourhood_reproduces_the_scores(name, params, data, training_set):
    """It carries what a score needs: weights of edges, side features, degrees, all items of a user."""
    model, old = MODELS[name], training_set
    if not model.num_hops or model.history_length:
        pytest.skip("no graph, or no histories in neighbourhoods")
    nothing = np.zeros(0, np.int64)
    chosen, change = np.flatnonzero(data.users < 2), Change(old, nothing, nothing.astype(bool), nothing)
    found = neighbourhoods(change.alone, Ragged.of([chosen]), num_hops=model.num_hops)
    part = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), pad_subgraphs(change.alone, found, Bucket.of(found)))
    rows = take_rows(model.tables, params, (part.users, part.items))
    local = scores(model, rows, part.pairs, part.after.graph)
    rows, cols = np.asarray(part.users)[part.pairs.users], np.asarray(part.items)[part.pairs.items]
    whole = everything(name, params, old.graph)[rows, cols]
    counted = np.asarray(part.weights) > 0
    assert counted.sum() == len(chosen)
    np.testing.assert_allclose(np.asarray(local)[counted], whole[counted], rtol=1e-11)


@pytest.mark.slow
def test_a_request_through_the_whole_step(name, params, data, training_set):
    model, config = MODELS[name], IFRUConfig(num_steps=4, spillover="whole-graph")
    trained = Trained.of(model, params, data, config=TrainConfig(reg=1e-2))
    parts = trained.objective, trained.params, trained.training_set, trained.config
    trained = Prepared(*parts, step=config, damping=Damping(0.5, 0.4))
    place = np.flatnonzero((data.users == 0) & (data.labels > 0.5))[0]
    request = ForgetRequest(pairs=np.array([[data.users[place], data.items[place]]]))
    unlearned, report = forget(trained, request, config=config)
    size = np.sqrt(sum(np.sum(np.square(v)) for v in params.values()))
    assert 0 < report.norm_step < 0.5 * size
    assert np.isfinite(unlearned.score_rows(data.users, data.items)).all()


def test_a_description_is_enough_to_rebuild_it(name):
    described = json.loads(json.dumps(describe_model(MODELS[name])))
    assert model_from_description(described) == MODELS[name]


def test_the_terms_of_simgcl_and_multvae(data, training_set):
    """Their values against loops; they change with the graph, and nodes without an edge take no part."""
    rng, graph, counts = np.random.default_rng(2), training_set.graph, np.zeros((USERS, ITEMS))
    counts[data.users[data.labels > 0.5], data.items[data.labels > 0.5]] = 1

    contrast = simgcl_contrast(MODELS["simgcl"], weight=0.3, temperature=0.5, noise=0.0)
    tables = {"user_embedding": rng.normal(size=(USERS, 2)), "item_embedding": rng.normal(size=(ITEMS, 2))}
    weights, users, items = numpy_scores.normalised(counts), tables["user_embedding"], tables["item_embedding"]
    total, nodes = 0.0, 0
    for own, other, w in ((users, items, weights), (items, users, weights.T)):
        encoded = (w @ other + w @ (w.T @ own))[w.sum(1) > 0] / 2
        z = encoded / np.linalg.norm(encoded, axis=1, keepdims=True)
        logits = z @ z.T / 0.5
        total += sum(np.log(np.exp(row).sum()) - row[v] for v, row in enumerate(logits))
        nodes += len(z)
    np.testing.assert_allclose(jax.jit(contrast)(jax.tree.map(jnp.asarray, tables), graph), 0.3 * total / nodes, rtol=1e-10)

    model = multvae(hidden_size=3, code_size=2, leave_one_out=False, init_std=0.5)
    p = {n: 0.5 * rng.normal(size=s.shape) for n, s in jax.eval_shape(lambda k: model.init(k, 6, 5), jax.random.key(0)).items()}
    bags = counts / np.sqrt(np.maximum(counts.sum(1), 1))[:, None]
    codes = np.tanh(bags @ p["encoder_embedding"] + p["encoder_bias"]) @ p["code_kernel"] + p["code_bias"]
    kl = 0.5 * (codes**2).sum(1)[counts.sum(1) > 0].sum()
    value = jax.jit(multvae_term(model, total=20, beta=0.7))(jax.tree.map(jnp.asarray, p), graph)
    np.testing.assert_allclose(value, 0.7 * kl / 20, rtol=1e-10)


def test_a_full_ranking_of_multvae_is_its_pairs(data):
    """Edges that come twice, edges that are gone, padding; users that are asked for twice; and all derivatives."""
    model = MODELS["multvae"]
    twice = Interactions(*(np.concatenate([a, a[:4]]) for a in (data.users, data.items, data.labels)), USERS, ITEMS)
    built = build_training_set(twice, capacities=(64, 24)).graph
    # Copies of an edge go together, as a request names the pair.
    places = np.asarray(built.edges.rows) * ITEMS + np.asarray(built.edges.cols)
    gone = np.isin(places, [data.users[e] * ITEMS + data.items[e] for e in np.flatnonzero(data.labels > 0.5)[[1, 6]]])
    graph = built.with_edges(jnp.where(gone, 0, built.present))
    grid = GridPairs(jnp.array([4, 1, 1, 0, 2, 3]), jnp.array([3, 0, 1, 2]))
    assert grid.size == len(grid.users) >= graph.edges.capacity
    pairs = IndexPairs(grid.users, grid.items)
    shapes = jax.eval_shape(lambda key: model.init(key, USERS, ITEMS), jax.random.key(0))
    rng = np.random.default_rng(6)
    params, tangent = ({n: jnp.asarray(0.5 * rng.normal(size=leaf.shape)) for n, leaf in shapes.items()} for _ in range(2))

    def looked_at(pairs):
        def loss(p):
            return jnp.sum(jnp.sin(model.score(p, pairs, graph) * jnp.arange(1, grid.size + 1)))

        return model.score(params, pairs, graph), jax.jvp(jax.grad(loss), (params,), (tangent,))

    for of_grid, of_pairs in zip(*map(jax.tree.leaves, (looked_at(grid), looked_at(pairs))), strict=True):
        np.testing.assert_allclose(of_grid, of_pairs, rtol=1e-9, atol=1e-11)


def test_terms_and_models_that_do_not_belong_together():
    with pytest.raises(ModelError, match=r"belongs to simgcl\(\), not to a GMF"):
        simgcl_contrast(MODELS["gmf"])
    with pytest.raises(ModelError, match=r"belongs to multvae\(\), not to a GMF"):
        multvae_term(MODELS["gmf"], total=3)
    with pytest.raises(ModelError, match="choose among relu"):
        neumf(activation="sine")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ModelError, match=r"hidden is \(\)"):
        deepfm(hidden=())


def test_a_model_for_features_that_the_data_lacks(data):
    plain = build_training_set(Interactions(data.users, data.items, data.labels, USERS, ITEMS)).graph
    model = MODELS["fm"]
    params = jax.eval_shape(lambda key: model.init(key, USERS, ITEMS), jax.random.key(0))
    with pytest.raises(ModelError, match="reads 5 columns of item features, the data has none: replace"):
        model.score(params, GridPairs(jnp.arange(2), jnp.arange(2)), plain)
