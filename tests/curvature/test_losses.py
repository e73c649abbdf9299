"""Products for losses that compare against dense matrices, at once and in chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import FullSoftmax, IFRUConfig, bpr, mf, softmax, wmse
from ifru_jax.graph import build_training_set
from ifru_jax.training.objectives import objective, summed_loss
from ifru_jax.training.scores import Scorer
from ifru_jax.unlearning.influence_step import curvature_product
from tests.training.test_losses import ITEMS, USERS, grouped

pytestmark = pytest.mark.usefixtures("float64")

MODEL = mf(embedding_size=2)  # that products are right through a graph is tested with the pointwise loss
TOTAL, REG, CHUNK = 20.0, 0.03, 5


@partial(jax.jit, static_argnums=(0, 1, 2))
def columns(loss, curvature, chunk_size, params, examples, graph):
    """The product with every unit vector."""
    flat, unravel = ravel_pytree(params)
    config = IFRUConfig(curvature=curvature, chunk_size=chunk_size)
    product = curvature_product(MODEL, loss, config, params, examples, graph, total=TOTAL, reg=REG)
    return jax.lax.map(lambda v: ravel_pytree(product(unravel(v)))[0], jnp.eye(len(flat)))


@partial(jax.jit, static_argnums=0)
def dense(loss, params, examples, graph):
    """∇²L, and Jᵀ ℓ″ J + λ₂ with J and ℓ″ as matrices."""
    theta, unravel = ravel_pytree(params)

    def outputs(t):
        return loss.outputs(Scorer(MODEL, unravel(t), graph), examples).reshape(-1)

    shape = jax.eval_shape(lambda t: loss.outputs(Scorer(MODEL, unravel(t), graph), examples), theta).shape
    block = jax.hessian(lambda s: summed_loss(loss, s.reshape(shape), examples) / TOTAL)(outputs(theta))
    jacobian = jax.jacfwd(outputs)(theta)
    hessian = jax.hessian(lambda t: objective(MODEL, loss, unravel(t), examples, graph, total=TOTAL, reg=REG))(theta)
    return hessian, jacobian.T @ block @ jacobian + REG * jnp.eye(len(theta)), block


@pytest.mark.parametrize("loss", [wmse, bpr, softmax, FullSoftmax()], ids=lambda loss: type(loss).__name__)
def test_products_equal_dense_matrices_whatever_the_chunk(loss):
    rng = np.random.default_rng(1)
    whole = build_training_set(grouped(11, flipped=True), capacity=24, with_groups=loss.grouped)
    shapes = {"user_embedding": (USERS, 2), "item_embedding": (ITEMS, 2)}
    data = {n: jnp.asarray(rng.normal(size=s)) for n, s in shapes.items()}, whole.examples, whole.graph
    hessian, gauss_newton, block = dense(loss, *data)
    for chunk_size in (None, CHUNK) if loss is softmax else (None,):
        np.testing.assert_allclose(columns(loss, "hessian", chunk_size, *data), hessian, atol=1e-10)
        got = columns(loss, "gauss-newton", chunk_size, *data)
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
