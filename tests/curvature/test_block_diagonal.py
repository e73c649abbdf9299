"""Diagonal blocks against the dense Hessian, and what they do for conjugate gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax.curvature import block_jacobi, diagonal_blocks, hessian_product
from ifru_jax.graph import Examples, build_edges, build_graph
from ifru_jax.models import mf
from ifru_jax.solvers import Status, check, conjugate_gradient
from ifru_jax.training.objectives import bce, objective

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, WIDTH, PAIRS = 4, 3, 3, 30
MODEL = mf(embedding_size=WIDTH)


@pytest.fixture(scope="module")
def problem():
    """Parameters, their tables, H as a function and as a matrix."""
    rng = np.random.default_rng(0)
    params = {
        "user_embedding": jnp.asarray(rng.normal(size=(USERS, WIDTH))),
        "item_embedding": jnp.asarray(rng.normal(size=(ITEMS, WIDTH))),
    }
    # Some users have many interactions and some few, so that their blocks differ in size.
    pattern, _ = build_edges(
        rng.choice(USERS, PAIRS, p=[0.7, 0.2, 0.05, 0.05]), rng.integers(0, ITEMS, PAIRS), num_rows=USERS, num_cols=ITEMS
    )
    examples = Examples(pattern, jnp.asarray(rng.integers(0, 2, PAIRS), float), jnp.ones(PAIRS))
    graph = build_graph(build_edges(np.zeros(0, int), np.zeros(0, int), num_rows=USERS, num_cols=ITEMS, capacity=1)[0])

    def loss(p):
        return objective(MODEL, bce, p, examples, graph, total=PAIRS, reg=0.01)

    flat, unravel = ravel_pytree(params)
    dense = jax.jit(jax.hessian(lambda v: loss(unravel(v))))(flat)
    return params, hessian_product(loss, params), np.asarray(dense)


def test_blocks_are_those_of_the_dense_hessian(problem):
    params, product, dense = problem
    blocks = diagonal_blocks(product, params, MODEL.tables)
    places = ravel_pytree(params)[1](jnp.arange(len(dense)))
    for name, found in blocks.items():
        for row, block in zip(np.asarray(places[name]).astype(int), found, strict=True):
            np.testing.assert_allclose(block, dense[np.ix_(row, row)], rtol=1e-10, atol=1e-14)


def test_preconditioned_conjugate_gradients_find_the_same(problem):
    params, product, dense = problem
    flat, unravel = ravel_pytree(params)
    damping = 2 * max(0.0, -float(np.linalg.eigvalsh(dense)[0])) + 1e-3
    precondition = block_jacobi(diagonal_blocks(product, params, MODEL.tables), damping=damping)
    b = jnp.asarray(np.random.default_rng(1).normal(size=flat.size))
    solve = conjugate_gradient(num_steps=200, tolerance=1e-10)
    plain = solve(lambda v: jnp.asarray(dense) @ v, b, damping=damping)
    faster = solve(
        lambda v: jnp.asarray(dense) @ v, b, damping=damping, preconditioner=lambda r: ravel_pytree(precondition(unravel(r)))[0]
    )
    exact = np.linalg.solve(dense + damping * np.eye(len(dense)), b)
    for solution in (plain, faster):
        assert check(solution) is Status.CONVERGED
        np.testing.assert_allclose(solution.solution, exact, rtol=1e-7, atol=1e-9)
        residual = np.linalg.norm(dense @ solution.solution + damping * solution.solution - b) / np.linalg.norm(b)
        np.testing.assert_allclose(solution.residual, residual, rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(faster.predicted_decrease, b @ exact - exact @ dense @ exact / 2, rtol=1e-8)


def test_what_is_block_diagonal_takes_one_step(problem):
    """With the items held fixed no two users meet, and the blocks are all there is."""
    params, product, _ = problem
    users = {"user_embedding": "user"}

    def of_users(v):
        return product(v | {"item_embedding": jnp.zeros((ITEMS, WIDTH))})["user_embedding"]

    blocks = diagonal_blocks(product, params, users)
    assert min(float(np.linalg.eigvalsh(block)[0]) for block in blocks["user_embedding"]) > 0
    precondition = block_jacobi(blocks, damping=1e-3)

    def flat(function):
        return lambda v: function({"user_embedding": v.reshape(USERS, WIDTH)}).ravel()

    b = jnp.asarray(np.random.default_rng(3).normal(size=USERS * WIDTH))
    solve = conjugate_gradient(num_steps=50, tolerance=1e-9)
    assert int(solve(flat(of_users), b, damping=1e-3).num_steps) > 3
    faster = solve(flat(of_users), b, damping=1e-3, preconditioner=flat(lambda v: precondition(v)["user_embedding"]))
    assert check(faster) is Status.CONVERGED
    assert int(faster.num_steps) == 1


def test_absolute_values_keep_it_positive_definite(problem):
    params, product, _ = problem
    blocks = jax.tree.map(jnp.negative, diagonal_blocks(product, params, MODEL.tables))
    apply = block_jacobi(blocks, damping=0.1)
    v = jax.tree.map(lambda p: jnp.asarray(np.random.default_rng(2).normal(size=p.shape)), params)
    image = apply(v)
    assert sum(float(jnp.vdot(image[name], v[name])) for name in v) > 0
    shared = apply(v | {"bias": jnp.ones(2)})["bias"]
    np.testing.assert_allclose(shared, 10.0)
