"""Adam on the rows of a batch: against a twin in NumPy that goes row by row, against Adam itself, and in whole trainings."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ifru_jax import (
    ForgetRequest,
    ModelError,
    TrainConfig,
    bce,
    bpr,
    evaluate,
    fit,
    lightgcn,
    load,
    mf,
    random_split,
    save,
    unlearn,
)
from ifru_jax.baselines import retrain
from ifru_jax.data import sample_negatives
from ifru_jax.graph import Batch, Examples, IndexPairs, build_training_set
from ifru_jax.models import FlaxRecommender, bias_mf, neumf, sasrec
from ifru_jax.models.embeddings import TwoTables
from ifru_jax.training import FullSoftmax, Objective, WithAuxiliary, softmax, train
from ifru_jax.training.adam import ADAM, ROW_ADAM
from ifru_jax.training.record import BETA_1, BETA_2
from tests.unlearning.conftest import tastes

pytestmark = pytest.mark.usefixtures("float64")

RATE, REG, SIZE = 0.02, 1e-3, 3
MODEL = mf(embedding_size=SIZE, init_std=0.3)
# A batch has something of every sixth row.
CONFIG = TrainConfig(learning_rate=5e-3, batch_size=8, reg=1e-3, epochs=30, sparse=True)


@pytest.fixture(scope="module")
def split():
    return random_split(tastes(), stable=False)


def drawn(data, count, size, seed=0):
    """Places of batches."""
    rng = np.random.default_rng(seed)
    return [rng.choice(len(data), size, replace=False) for _ in range(count)]


def batch_of(data, places, graph, padding=0):
    users, items, labels = (np.pad(column[places], (0, padding)) for column in (data.users, data.items, data.labels))
    weights = np.pad(np.ones(len(places)), (0, padding))
    return Batch(
        Examples(IndexPairs(jnp.asarray(users), jnp.asarray(items)), jnp.asarray(labels, float), jnp.asarray(weights)), graph
    )


def taken(optimiser, data, batches, *, reg=REG, recorded=True, padding=0):
    """Parameters before and after these batches, and what everybody else sees then: the state, and the parameters."""
    training_set = build_training_set(data, with_graph=False)
    objective = Objective(MODEL, bce, float(len(data)), reg, None)
    params = MODEL.init(jax.random.key(1), data.num_users, data.num_items)
    params = jax.tree.map(lambda x: x.astype(float), params)
    carry = params, optimiser.init(params, training_set.sizes, recorded)
    step = jax.jit(lambda carry, batch: optimiser.step(objective, carry, batch, len(data), RATE))
    for places in batches:
        carry = step(carry, batch_of(data, places, training_set.graph, padding))
    settled, state = optimiser.settled(objective, carry, RATE)
    return params, carry[0], state, settled


def twin(start, data, batches):
    """θ and Σ ā η / (√v̂ + ε) with all rows up to date, and Σ |g|, row by row."""
    theta = {name: np.array(value) for name, value in start.items()}
    m, v, a, applied, size = ({name: np.zeros_like(value) for name, value in theta.items()} for _ in range(5))
    seen = {name: np.zeros(len(value), int) for name, value in theta.items()}
    sides = {"user_embedding": data.users, "item_embedding": data.items}

    def catch_up(name, row, steps):
        first, missed = seen[name][row] + 1, steps - seen[name][row]
        rate = RATE / (np.sqrt(v[name][row] / (1 - BETA_2**first)) + 1e-8)
        path = sum((BETA_1 / np.sqrt(BETA_2)) ** j for j in range(1, missed + 1))
        theta[name][row] -= rate * m[name][row] / (1 - BETA_1**first) * path
        applied[name][row] += rate * a[name][row] / (1 - BETA_1**first) * path
        m[name][row] *= BETA_1**missed
        a[name][row] *= BETA_1**missed
        v[name][row] *= BETA_2**missed

    for count, places in enumerate(batches, 1):
        for name, rows in sides.items():
            for row in set(rows[places]):
                catch_up(name, row, count - 1)
        users, items = theta["user_embedding"][data.users[places]], theta["item_embedding"][data.items[places]]
        error = ((1 / (1 + np.exp(-np.sum(users * items, axis=1))) - data.labels[places]) / len(places))[:, None]
        gradient = {name: np.zeros_like(value) for name, value in theta.items()}
        np.add.at(gradient["user_embedding"], data.users[places], error * items)
        np.add.at(gradient["item_embedding"], data.items[places], error * users)
        for name, rows in sides.items():
            for row in set(rows[places]):
                g = gradient[name][row] + REG * theta[name][row]
                v[name][row] = BETA_2 * v[name][row] + (1 - BETA_2) * g**2
                rate = RATE / (np.sqrt(v[name][row] / (1 - BETA_2**count)) + 1e-8)
                missed = np.maximum(np.minimum(REG * (count - seen[name][row]), 1 / rate), REG) - REG
                g = g + missed * theta[name][row]
                m[name][row] = BETA_1 * m[name][row] + (1 - BETA_1) * g
                theta[name][row] -= rate * m[name][row] / (1 - BETA_1**count)
                a[name][row] = BETA_1 * a[name][row] + (1 - BETA_1) * np.abs(g)
                applied[name][row] += rate * a[name][row] / (1 - BETA_1**count)
                size[name][row] += np.abs(g)
                seen[name][row] = count
    for name, rows in seen.items():
        for row in range(len(rows)):
            catch_up(name, row, len(batches))
    return theta, applied, size


def test_each_row_takes_the_steps_of_the_twin(split):
    batches = drawn(split.train, 60, 16)
    start, _, state, settled = taken(ROW_ADAM, split.train, batches)
    theta, applied, size = twin(start, split.train, batches)
    for name in start:
        np.testing.assert_allclose(settled[name], theta[name], atol=1e-12)
        np.testing.assert_allclose(state.applied[name], applied[name], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(state.size[name], size[name], rtol=1e-10, atol=1e-14)


def test_l2_of_a_long_wait_takes_a_row_to_zero_and_not_far_beyond(split):
    """Adam's own step after so long a wait is some thirty learning rates; all that was missed would be thousands."""
    data = split.train
    first, others = np.flatnonzero(data.users == 0)[:1], np.flatnonzero(data.users > 0)[:8]
    _, _, _, found = taken(ROW_ADAM, data, [others] * 3000 + [first] + [others] * 60, reg=0.05)
    assert np.abs(found["user_embedding"][0]).max() < 1.5


def test_where_a_batch_has_every_row_it_is_adam(split):
    everything = [np.arange(len(split.train))] * 12
    found, adam = (taken(optimiser, split.train, everything) for optimiser in (ROW_ADAM, ADAM))
    for name in found[0]:
        np.testing.assert_allclose(found[1][name], adam[1][name], atol=1e-12)
        np.testing.assert_array_equal(found[3][name], found[1][name])
        for part in ("applied", "size"):
            np.testing.assert_allclose(getattr(found[2], part)[name], getattr(adam[2], part)[name], rtol=1e-9)


def test_without_l2_it_goes_where_adam_goes(split):
    """What differs are bias corrections and ε of the steps that were made up for."""
    batches = drawn(split.train, 400, 8)
    (start, _, _, found), (_, _, _, adam) = (taken(of, split.train, batches, reg=0.0) for of in (ROW_ADAM, ADAM))
    apart, moved = (optax.tree.norm(optax.tree.sub(of, adam)) for of in (found, start))
    assert apart < 0.03 * moved


def test_rows_that_no_batch_has_stay_and_the_rest_is_padding(split):
    data = split.train.select(split.train.users < 30)
    batches = drawn(data, 10, 8)
    start, params, _, settled = taken(ROW_ADAM, data, batches)
    _, padded, _, _ = taken(ROW_ADAM, data, batches, padding=5)
    for name in start:
        np.testing.assert_allclose(padded[name], params[name], atol=1e-15)
    np.testing.assert_array_equal(settled["user_embedding"][30:], start["user_embedding"][30:])


def liked(split):
    """The positives."""
    return split.of_parts(lambda part: part.select(part.labels > 0.5))


@pytest.mark.parametrize("model", [MODEL, bias_mf(embedding_size=4, init_std=0.1), neumf(embedding_size=4, hidden=(8,))], ids=repr)
def test_models_learn_by_it_as_by_adam(split, model):
    found, adam = (
        evaluate(fit(jax.random.key(0), model, split, config=replace(CONFIG, sparse=sparse), progress=False), split.test)["auc"]
        for sparse in (True, False)
    )
    assert found > max(0.75, adam - 0.03)


def test_losses_that_compare_learn_by_it(split):
    negatives = sample_negatives(liked(split), seed=0)
    configs = [replace(CONFIG, sparse=sparse) for sparse in (True, False)]
    both = [fit(jax.random.key(0), MODEL, negatives, loss=bpr, config=config, progress=False) for config in configs]
    found, adam = (evaluate(trained, negatives.test)["auc"] for trained in both)
    assert found > adam - 0.03


def test_a_training_ends_and_is_recorded_as_the_twin_says(split):
    """An epoch of 69 steps: rows that wait at its end, and at the boundaries of its record, are up to date in both."""
    config = replace(CONFIG, reg=REG, learning_rate=RATE, epochs=1, record=1)
    trained = train(jax.random.key(0), MODEL, split, config)
    init_key, key = jax.random.split(jax.random.key(0))
    start = MODEL.init(init_key, split.train.num_users, split.train.num_items)
    data, capacity = trained.interactions, trained.training_set.capacities[0]
    draw = jax.random.uniform(jax.random.fold_in(key, 0), (capacity,))
    order = np.argsort(np.where(np.arange(capacity) < len(data), draw, np.inf), kind="stable")[: len(data)]
    batches = np.array_split(order, -(-len(data) // CONFIG.batch_size))
    theta, applied, size = twin(start, data, batches)
    # Four boundaries are kept of it, and the middle is between two of them.
    low, high = (twin(start, data, batches[:steps])[0] for steps in (34, 68))
    [segment] = trained.record.segments
    assert float(segment.steps) == len(batches) == 69
    for name in start:
        np.testing.assert_allclose(trained.params[name], theta[name], atol=1e-12)
        np.testing.assert_allclose(segment.params[name], low[name] + 0.5 / 34 * (high[name] - low[name]), atol=1e-12)
        np.testing.assert_allclose(segment.applied[name], applied[name] / size[name], rtol=1e-9)


def test_recording_changes_nothing(split):
    first, plain = (train(jax.random.key(0), MODEL, split, replace(CONFIG, record=record)) for record in (3, 0))
    for name, value in plain.params.items():
        np.testing.assert_allclose(first.params[name], value, atol=1e-12)


@pytest.mark.parametrize("sparse", [True, False])
def test_a_request_follows_its_record_to_where_retraining_goes(split, sparse):
    rng = np.random.default_rng(0)
    flipped = rng.choice(len(split.train), 40, replace=False)
    labels = split.train.labels.copy()
    labels[flipped] = 1 - labels[flipped]
    noisy = replace(split, train=split.train.with_labels(labels))
    asked = split.train.users[flipped], split.train.items[flipped]
    config = replace(CONFIG, sparse=sparse)
    originals = [fit(jax.random.key(seed), MODEL, noisy, config=config, progress=False) for seed in range(3)]
    request = ForgetRequest(pairs=np.stack(asked, axis=1))
    unlearned = [unlearn(original, request)[0] for original in originals]
    retrained = retrain(jax.random.key(0), originals[0], request, split.valid, seeds=3)
    before, after, target = (np.mean([one.score_rows(*asked) for one in of], axis=0) for of in (originals, unlearned, retrained))
    assert np.linalg.norm(after - target) < 0.5 * np.linalg.norm(before - target)


def test_a_model_says_how_it_was_trained(split, tmp_path):
    trained = train(jax.random.key(0), MODEL, split, replace(CONFIG, epochs=1))
    save(trained, tmp_path / "model.npz")
    assert load(tmp_path / "model.npz").config == trained.config
    assert trained.config.sparse


class _Centred(TwoTables):
    @nn.compact
    def __call__(self, pairs, graph):
        users, items = self.embeddings()
        return jnp.sum((users - users.mean(axis=0))[pairs.users] * items[pairs.items], axis=1)


class _NoTable(nn.Module):
    @nn.compact
    def __call__(self, pairs, graph):
        weight = self.param("weight", nn.initializers.ones, (2,))
        return weight[0] * pairs.users + weight[1] * pairs.items


REFUSED = [
    (lightgcn(embedding_size=4), bce, "depend on more rows"),
    (sasrec(embedding_size=4), softmax, "depend on more rows"),
    (MODEL, FullSoftmax(), "depends on all rows"),
    (MODEL, WithAuxiliary(bce, lambda params, graph: jnp.sum(params["user_embedding"] ** 2)), "depends on all rows"),
    (FlaxRecommender(_Centred(4, 0.1), ("user_embedding",), ("item_embedding",)), bce, "from its rows of the tables alone"),
    (FlaxRecommender(_NoTable()), bce, "no table"),
]


@pytest.mark.parametrize(("model", "loss", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_depends_on_other_rows_is_refused(split, model, loss, message):
    timed = replace(split, train=replace(split.train, timestamps=np.arange(len(split.train), dtype=float)))
    data = sample_negatives(liked(timed), seed=0) if loss.grouped else timed
    with pytest.raises(ModelError, match=message):
        train(jax.random.key(0), model, data, CONFIG, loss=loss)
