"""Products for losses that compare against dense matrices, at once and in chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import bpr, mf
from ifru_jax.graph import build_training_set
from ifru_jax.training import FullSoftmax, Objective, softmax, wmse
from ifru_jax.training.scores import PairScorer
from tests.training.test_losses import ITEMS, USERS, grouped

pytestmark = pytest.mark.usefixtures("float64")

MODEL = mf(embedding_size=2)  # that products are right through a graph is tested with the pointwise loss
TOTAL, REG, CHUNK = 20.0, 0.03, 5


@partial(jax.jit, static_argnums=(0, 1, 2))
def columns(loss, curvature, chunk_size, params, batch):
    """The product with every unit vector."""
    flat, unravel = ravel_pytree(params)
    objective = Objective(MODEL, loss, TOTAL, REG, chunk_size)
    product = getattr(objective, f"{curvature}_product")(params, batch)
    return jax.lax.map(lambda v: ravel_pytree(product(unravel(v)))[0], jnp.eye(len(flat)))


@partial(jax.jit, static_argnums=0)
def dense(loss, params, batch):
    """∇²L, and Jᵀ ℓ″ J + λ₂ with J and ℓ″ as matrices."""
    theta, unravel = ravel_pytree(params)
    objective, examples = Objective(MODEL, loss, TOTAL, REG), batch.examples

    def outputs(t):
        return loss.outputs(PairScorer(MODEL, unravel(t), batch.graph), examples).reshape(-1)

    shape = jax.eval_shape(lambda t: loss.outputs(PairScorer(MODEL, unravel(t), batch.graph), examples), theta).shape
    block = jax.hessian(lambda s: objective.summed(s.reshape(shape), examples) / TOTAL)(outputs(theta))
    jacobian = jax.jacfwd(outputs)(theta)
    hessian = jax.hessian(lambda t: objective(unravel(t), batch))(theta)
    return hessian, jacobian.T @ block @ jacobian + REG * jnp.eye(len(theta)), block


@pytest.mark.parametrize("loss", [wmse, bpr, softmax, FullSoftmax()], ids=lambda loss: type(loss).__name__)
def test_products_equal_dense_matrices_whatever_the_chunk(loss):
    rng = np.random.default_rng(1)
    whole = build_training_set(grouped(11, flipped=True), capacities=(24, None), with_groups=loss.grouped)
    shapes = {"user_embedding": (USERS, 2), "item_embedding": (ITEMS, 2)}
    data = {n: jnp.asarray(rng.normal(size=s)) for n, s in shapes.items()}, whole.batch
    hessian, gauss_newton, block = dense(loss, *data)
    for chunk_size in (None, CHUNK) if loss is softmax else (None,):
        np.testing.assert_allclose(columns(loss, "hessian", chunk_size, *data), hessian, atol=1e-10)
        got = columns(loss, "gauss_newton", chunk_size, *data)
        np.testing.assert_allclose(got, gauss_newton, atol=1e-10)
    assert np.linalg.eigvalsh(got).min() > REG - 1e-12
    if loss is bpr:
        # The outputs are scores, yet the matrix is that of the differences of pairs.
        labels, leaders = np.asarray(whole.examples.labels) > 0.5, np.asarray(whole.examples.leaders)
        pairs = np.flatnonzero(labels != labels[leaders])
        difference = np.eye(24)[pairs] - np.eye(24)[leaders[pairs]]
        margins = difference @ np.asarray(MODEL.score(data[0], whole.examples.pairs, whole.graph))
        slope = 1 / (1 + np.exp(-margins))
        np.testing.assert_allclose(block, difference.T @ np.diag(slope * (1 - slope) / TOTAL) @ difference, atol=1e-12)
