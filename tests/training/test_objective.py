"""The objective and all its derivatives against dense matrices, at once and in chunks, with some parameters held."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from ifru_jax.graph import build_training_set
from ifru_jax.models import lightgcn, mf
from ifru_jax.training import Objective, bce, bpr, softmax, squared_norm
from tests.graph.changes import count_matrix
from tests.training.dense_losses import rivals_of, summed
from tests.training.test_losses import CAPACITY, ITEMS, USERS, grouped

pytestmark = pytest.mark.usefixtures("float64")

WIDTH, REG, CHUNK = 2, 0.03, 5
MODELS = {0: mf(embedding_size=WIDTH), 2: lightgcn(num_layers=2, embedding_size=WIDTH)}
HELD = "item_embedding"


def columns(product, like):
    """The product with every unit vector."""
    flat, unravel = ravel_pytree(like)
    return jax.lax.map(lambda v: ravel_pytree(product(unravel(v)))[0], jnp.eye(len(flat)))


@partial(jax.jit, static_argnums=0)
def looked_at(which, params, batch, total):
    """Value, gradient, and products with every unit vector, of all parameters and of those that are not held."""
    num_layers, loss, chunk = which
    objective = Objective(MODELS[num_layers], loss, total, REG, chunk)
    free, fixed = {n: v for n, v in params.items() if n != HELD}, {HELD: params[HELD]}
    products = [
        columns(getattr(objective.holding(held), product)(of, batch), of)
        for product in ("hessian_product", "gauss_newton_product")
        for of, held in ((params, {}), (free, fixed))
    ]
    return objective(params, batch), ravel_pytree(objective.gradient(params, batch))[0], *products


@partial(jax.jit, static_argnums=(0, 1))
def dense(dense_scores, which, params, data, total):
    """The same from jax.hessian of the flat parameters; `data` are columns, edges as counts, and what is compared."""
    num_layers, loss = which
    users, items, labels, counted, rivals, counts = data
    theta, unravel = ravel_pytree(params)

    def scores(t):
        p = unravel(t)
        return dense_scores(p["user_embedding"], p["item_embedding"], counts, num_layers)[users, items]

    def of_scores(s):
        return summed(loss, s, labels, counted, rivals) / total

    def value(t):
        return of_scores(scores(t)) + REG / 2 * jnp.sum(t**2)

    free = ravel_pytree({n: jnp.full(v.shape, n != HELD) for n, v in params.items()})[0]
    hessian, jacobian = jax.hessian(value)(theta), jax.jacfwd(scores)(theta)
    gauss_newton = jacobian.T @ jax.hessian(of_scores)(scores(theta)) @ jacobian + REG * jnp.eye(len(theta))
    return (value(theta), jax.grad(value)(theta), hessian, gauss_newton), free


@pytest.mark.parametrize("loss", [bce, bpr, softmax], ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("num_layers", MODELS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_it_is_the_dense_one(dense_scores, num_layers, loss, seed):
    rng = np.random.default_rng(seed)
    whole = build_training_set(grouped(seed, flipped=True), capacities=(CAPACITY, CAPACITY), with_groups=loss.grouped)
    rest, total = whole.without(np.flatnonzero(rng.random(len(whole)) < 0.2)[: len(whole) - 1]), float(len(whole))
    shapes = {"user_embedding": (USERS, WIDTH), HELD: (ITEMS, WIDTH)}
    params = {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}

    data, room = rest.interactions, CAPACITY - len(rest)
    counted = np.arange(CAPACITY) < len(data)
    users, items, labels = (np.pad(column, (0, room)) for column in (data.users, data.items, data.labels.astype(float)))
    rivals = rivals_of(labels, np.pad(data.groups, (0, room), constant_values=-1), counted)
    held = users, items, labels, counted, rivals, count_matrix(data)
    (value, gradient, hessian, gauss_newton), free = dense(dense_scores, (num_layers, loss), params, held, total)
    free = np.flatnonzero(free)
    for chunk in (None, CHUNK):
        found = looked_at((num_layers, loss, chunk), params, rest.batch, total)
        np.testing.assert_allclose(found[0], value, rtol=1e-12)
        np.testing.assert_allclose(found[1], gradient, atol=1e-12)
        expected = [hessian, hessian[np.ix_(free, free)], gauss_newton, gauss_newton[np.ix_(free, free)]]
        for got, matrix in zip(found[2:], expected, strict=True):
            np.testing.assert_allclose(got, matrix, atol=1e-10)


def test_a_minibatch_of_everything_is_the_objective_times_n_over_d():
    whole = build_training_set(grouped(3), capacities=(CAPACITY, CAPACITY))
    rng = np.random.default_rng(0)
    params = {n: jnp.asarray(rng.normal(size=s)) for n, s in {"user_embedding": (USERS, WIDTH), HELD: (ITEMS, WIDTH)}.items()}
    objective = Objective(MODELS[2], bce, 3.0 * len(whole), REG)
    got = objective.minibatch(params, whole.batch, size=len(whole))
    np.testing.assert_allclose(got, 3 * objective(params, whole.batch), rtol=1e-12)
    expected = objective.losses(params, whole.batch) / len(whole) + 1.5 * REG * squared_norm(params)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert objective.auxiliary(params, whole.graph) == 0


def test_labels_and_weights_of_other_lengths_are_refused():
    """Broadcasting them would be a number, and a wrong one."""
    data = build_training_set(grouped(1))
    params = MODELS[0].init(jax.random.key(0), USERS, ITEMS)
    short = replace(data.examples, weights=data.examples.weights[:1])
    with pytest.raises(AssertionError, match="shape"):
        Objective(MODELS[0], bce, 1.0, REG)(params, replace(data.batch, examples=short))
