"""What Adam would have divided by: against minibatches that are drawn, and where a row has nothing to tell."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import mf
from ifru_jax.graph import Change, Examples, IndexPairs
from ifru_jax.models import multvae
from ifru_jax.training import softmax, train
from ifru_jax.unlearning.preconditioner import MeanSquares, energy, row_means, signs, slope_after, slope_before, slopes
from tests.unlearning.conftest import CONFIG, sides_of, some


def batches(rng, places, size, count):
    """So many batches of shuffled epochs; those of an epoch differ by one interaction at the most."""
    while count > 0:
        epoch = np.array_split(rng.permutation(places), -(-len(places) // size))
        yield from epoch[:count]
        count -= len(epoch)


def test_mean_squares_are_those_of_minibatches(split, monkeypatch):
    """v and v_r of a matrix factorisation against the squares of its minibatch gradients, drawn many times."""
    monkeypatch.setattr("ifru_jax.unlearning.preconditioner.PROBES", 64)
    trained = train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), split, CONFIG)
    change = Change.of(trained.training_set, some(trained, 60))
    params, objective, data = trained.params, trained.objective, trained.interactions
    (_, before), (_, after) = (
        of(objective, params, sides_of(change, 32.0), jax.random.key(1)) for of in (slope_before, slope_after)
    )
    rng, gone = np.random.default_rng(0), set(change.places.tolist())
    rows = np.array([place for place in range(len(data)) if place not in gone])
    for found, places in ((before, np.arange(len(data))), (after, rows)):
        users, items = np.asarray(params["user_embedding"], np.float64), np.asarray(params["item_embedding"], np.float64)
        total = np.zeros(len(users))
        for drawn in batches(rng, places, 32, 4000):
            u, i = data.users[drawn], data.items[drawn]
            error = 1 / (1 + np.exp(-np.sum(users[u] * items[i], axis=1))) - data.labels[drawn]
            gradient = np.zeros_like(users)
            np.add.at(gradient, u, error[:, None] * items[i] / len(drawn))
            # L2 as in training, where the sums of either are divided by the same N.
            gradient += trained.config.reg * len(data) / len(places) * users
            total += np.mean(gradient**2, axis=1)
        seen = np.bincount(data.users[places], minlength=len(users)) > 3
        ratio = np.asarray(found["user_embedding"])[seen].mean(axis=1) / (total[seen] / 4000)
        assert abs(np.median(ratio) - 1) < 0.08
        assert np.quantile(np.abs(ratio - 1), 0.9) < 0.35


def test_where_nothing_is_seen_of_squares_the_gradients_are_the_same(split):
    """Of a step whose P is the same whatever is seen, such as that of SGD, E would be estimated for nothing."""
    trained = train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), split, CONFIG)
    sides = sides_of(Change.of(trained.training_set, some(trained, 60)), 32.0)
    for full, plain in zip(slopes(adaptive=True), slopes(adaptive=False), strict=True):
        (expected, _), (found, squares) = (of(trained.objective, trained.params, sides, jax.random.key(1)) for of in (full, plain))
        for name, leaf in expected.items():
            np.testing.assert_allclose(found[name], leaf, rtol=1e-5, atol=1e-9, err_msg=name)
            assert not np.any(squares[name])


@pytest.mark.parametrize(
    ("model", "draws"), [(mf(embedding_size=4), 2), (multvae(hidden_size=6, code_size=3), 8)], ids=["mf", "bags"]
)
def test_the_energy_is_a_mean_over_draws_of_signs(split, model, draws):
    """Eight of them where a user has no row, but is the sum of many."""
    trained, key = train(jax.random.key(0), model, split, CONFIG), jax.random.key(3)
    batch = trained.batch
    found = energy(trained.objective, trained.params, batch, key)
    each = []
    for one in jax.random.split(key, draws):
        signed = batch.examples.weights * jnp.where(signs(one, len(batch.examples.weights)), 1.0, -1.0)
        of_losses = partial(trained.objective.losses, batch=replace(batch, examples=replace(batch.examples, weights=signed)))
        each.append(jax.tree.map(np.square, jax.grad(of_losses)(trained.params)))
    for name in model.tables:
        mean = np.mean([squares[name] for squares in each], axis=0)
        expected = mean if mean.ndim == 1 else mean.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(found[name], expected, rtol=2e-4)


@pytest.mark.parametrize("drawn", range(4))
def test_the_sign_of_a_softmax_is_that_of_its_positive(drawn):
    """Its negatives are in its term whatever theirs is, so that squares of signed sums are on average the sum of squares."""
    rng = np.random.default_rng(drawn)
    labels, leaders = np.array([1.0, 0, 0, 1, 0, 0, 1]), np.array([0, 0, 0, 3, 3, 6, 6])
    outputs, weights = rng.normal(size=7), rng.choice([-1.0, 1.0], 7)
    pairs = IndexPairs(jnp.zeros(7, jnp.int32), jnp.arange(7, dtype=jnp.int32))
    examples = Examples(pairs, jnp.asarray(labels), jnp.asarray(weights), jnp.asarray(leaders))
    found = softmax.summed(jnp.asarray(outputs), examples)
    rivals = {0: [1, 2], 3: [4], 6: [5]}
    expected = sum(weights[p] * np.log1p(np.exp(outputs[n] - outputs[p]).sum()) for p, n in rivals.items())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_signs_are_the_same_for_fewer_and_fair():
    many = np.asarray(signs(jax.random.key(0), 10_001))
    assert abs(many.mean() - 0.5) < 0.02
    assert len({tuple(many[start : start + 32]) for start in range(0, 9_984, 32)}) == 312
    np.testing.assert_array_equal(signs(jax.random.key(0), 77), many[:77])


def test_a_row_has_one_number_and_so_has_a_shared_parameter():
    rng = np.random.default_rng(0)
    values = {"user": rng.random((3, 2, 2)), "bias": rng.random(4), "kernel": rng.random((2, 5))}
    found = row_means({"user": "user", "bias": "item"}, jax.tree.map(jnp.asarray, values))
    np.testing.assert_allclose(found["user"], values["user"].mean(axis=(1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(found["bias"], values["bias"], rtol=1e-6)
    np.testing.assert_allclose(np.broadcast_to(found["kernel"], (2, 5)), values["kernel"].mean(), rtol=1e-6)


def test_the_ratio_of_a_row_has_bounds_and_is_one_where_nothing_was_seen():
    squares = MeanSquares({"user": jnp.array([1.0, 4.0, 1.0, 0.0])}, {"user": jnp.array([1e-4, 1.0, 1e4, 3.0])})
    np.testing.assert_allclose(squares.root_ratio["user"], [0.05**0.5, 0.5, 20**0.5, 1], rtol=1e-6)
