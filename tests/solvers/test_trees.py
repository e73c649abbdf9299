"""Solvers on any tree of parameters: the flat answer in the structure of b."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax.solvers import conjugate_gradient, lanczos, neumann_series, spectral_step

pytestmark = pytest.mark.usefixtures("float64")

SIZE = 9
SOLVERS = {
    "spectral": lambda product, b: spectral_step(num_steps=5)(product, b, floor=0.1),
    "conjugate gradients": lambda product, b: conjugate_gradient(num_steps=5)(product, b, damping=0.1),
    "Neumann": lambda product, b: neumann_series(num_steps=5)(product, b, scale=3.0, damping=0.1),
}


@pytest.fixture(scope="module")
def problem():
    """H as a matrix and on trees, b as a vector and as a tree."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(SIZE, SIZE))
    matrix, tree = (
        jnp.asarray(half @ half.T / SIZE),
        {"table": jnp.asarray(rng.normal(size=(3, 2))), "dense": [jnp.ones(2), jnp.ones(())]},
    )
    flat, unravel = ravel_pytree(tree)
    return matrix, (lambda v: unravel(matrix @ ravel_pytree(v)[0])), flat, tree


@pytest.mark.parametrize("solve", SOLVERS.values(), ids=SOLVERS)
def test_a_tree_is_solved_as_the_vector_it_is(problem, solve):
    matrix, product, flat, tree = problem
    expected, got = solve(lambda v: matrix @ v, flat), solve(product, tree)
    np.testing.assert_allclose(ravel_pytree(got.solution)[0], expected.solution, rtol=1e-12)
    assert got.solution["dense"][1].shape == ()
    assert (got.status, got.num_steps) == (expected.status, expected.num_steps)
    np.testing.assert_allclose(got.predicted_decrease, expected.predicted_decrease, rtol=1e-12)


def test_a_krylov_space_is_of_the_structure_of_b(problem):
    matrix, product, flat, tree = problem
    expected, got = lanczos(num_steps=4)(lambda v: matrix @ v, flat), lanczos(num_steps=4)(product, tree)
    assert got.basis["table"].shape == (4, 3, 2)
    flat_basis = np.stack([ravel_pytree(jax.tree.map(lambda q, at=j: q[at], got.basis))[0] for j in range(4)])
    np.testing.assert_allclose(flat_basis, expected.basis, atol=1e-12)
    np.testing.assert_allclose(got.matrix(), expected.matrix(), atol=1e-12)
