"""Lanczos against dense eigenvalues, and where it breaks down."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.solvers import lanczos, ritz
from ifru_jax.solvers.vectors import norm

pytestmark = pytest.mark.usefixtures("float64")

SIZE = 8
SEEDS = st.integers(0, 2**32 - 1)


@partial(jax.jit, static_argnums=0)
def decompose(num_steps, matrix, b):
    return lanczos(num_steps=num_steps)(lambda v: matrix @ v, b)


def with_spectrum(values, seed):
    """A symmetric matrix with these eigenvalues, and its eigenvectors as columns."""
    vectors, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(SIZE, SIZE)))
    return vectors * values @ vectors.T, vectors


@given(SEEDS)
@settings(max_examples=20)
def test_as_many_steps_as_parameters_reproduce_the_matrix(seed):
    rng = np.random.default_rng(seed)
    matrix, _ = with_spectrum(np.linspace(-1, 2, SIZE) + 0.1 * rng.random(SIZE), seed)
    krylov = decompose(SIZE, matrix, rng.normal(size=SIZE))
    basis, tridiagonal = np.asarray(krylov.basis), np.asarray(krylov.matrix())
    np.testing.assert_allclose(basis @ basis.T, np.eye(SIZE), atol=1e-10)
    np.testing.assert_allclose(basis.T @ tridiagonal @ basis, matrix, atol=1e-9)
    values, vectors = ritz(krylov)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix), atol=1e-9)
    np.testing.assert_allclose(vectors * values @ vectors.T, tridiagonal, atol=1e-10)


@given(SEEDS, st.sampled_from([1, 3, 5]))
@settings(max_examples=20)
def test_fewer_steps_project_the_matrix_on_the_krylov_space(seed, num_steps):
    rng = np.random.default_rng(seed)
    matrix, b = rng.normal(size=(SIZE, SIZE)), rng.normal(size=SIZE)
    matrix = matrix + matrix.T
    krylov = decompose(num_steps, matrix, b)
    basis = np.asarray(krylov.basis)
    assert krylov.num_steps == num_steps
    np.testing.assert_allclose(krylov.length, np.linalg.norm(b), rtol=1e-12)
    np.testing.assert_allclose(basis @ basis.T, np.eye(num_steps), atol=1e-11)
    np.testing.assert_allclose(basis @ matrix @ basis.T, krylov.matrix(), atol=1e-10)
    # H Qᵀ = Qᵀ T + β q_m e_mᵀ: what leaves the space has length β, the last entry.
    rest = matrix @ basis.T - basis.T @ np.asarray(krylov.matrix())
    np.testing.assert_allclose(np.linalg.norm(rest, axis=0), [*[0] * (num_steps - 1), krylov.off_diagonal[-1]], atol=1e-10)
    # So that H v of a vector of the space takes no product.
    coefficients = rng.normal(size=num_steps)
    np.testing.assert_allclose(krylov.image(coefficients), matrix @ basis.T @ coefficients, atol=1e-10)
    # The space is that of b, Hb, H²b, …
    powers = np.stack([np.linalg.matrix_power(matrix, k) @ b for k in range(num_steps)], 1)
    np.testing.assert_allclose(basis.T @ (basis @ powers), powers, atol=1e-9 * np.abs(powers).max())


SPECTRA = {
    "identity": np.ones(SIZE),
    "zero": np.zeros(SIZE),
    "rank one": np.eye(SIZE)[0],
    "three eigenvalues": np.array([-1, -1, 0, 0, 0, 2, 2, 2.0]),
}


@pytest.mark.parametrize("values", SPECTRA.values(), ids=SPECTRA)
@given(SEEDS)
@settings(max_examples=10)
def test_a_breakdown_after_one_step_for_each_eigenvalue(values, seed):
    """Also with more steps than parameters."""
    rng = np.random.default_rng(seed)
    values, distinct = rng.permutation(values), len(np.unique(values))
    for num_steps in (SIZE - 2, SIZE + 4):
        krylov = decompose(num_steps, np.diag(values), rng.uniform(1, 2, SIZE))
        assert krylov.num_steps == distinct
        assert krylov.off_diagonal[-1] == 0
        np.testing.assert_array_equal(krylov.active, np.arange(num_steps) < distinct)
        for unused in (krylov.basis[distinct:], krylov.diagonal[distinct:], krylov.off_diagonal[distinct - 1 :]):
            np.testing.assert_array_equal(unused, 0)
        found, _ = ritz(krylov)
        np.testing.assert_allclose(found[:distinct], np.unique(values), atol=1e-12)
        assert np.isposinf(found[distinct:]).all()


@given(SEEDS, st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=SIZE, unique=True))
@settings(max_examples=20)
def test_a_request_that_touches_few_parameters(seed, inside):
    """A block of its own, dense, and zeros in b elsewhere, as a scope leaves them."""
    rng = np.random.default_rng(seed)
    count, values = len(inside), np.linspace(-3, 4, SIZE)
    vectors, _ = np.linalg.qr(rng.normal(size=(count, count)))
    matrix, b = np.diag(values), np.zeros(SIZE)
    matrix[np.ix_(inside, inside)] = vectors * values[:count] @ vectors.T
    b[inside] = vectors @ rng.uniform(1, 2, count)
    krylov = decompose(SIZE + 4, matrix, b)
    assert krylov.num_steps == count
    np.testing.assert_allclose(ritz(krylov)[0][:count], values[:count], atol=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e200])
def test_unused_steps_cost_no_digits(scale):
    """The Ritz values of a small Hessian stay exact although a block of unused steps stands beside them."""
    matrix = np.diag([-1, -1, -1, -1, 1, 1, 1, 1e-3]) * scale
    found, _ = ritz(decompose(SIZE, matrix, np.ones(SIZE)))
    np.testing.assert_allclose(found[:3] / scale, [-1, 1e-3, 1], atol=1e-14)


def test_a_right_hand_side_of_zero():
    krylov = decompose(4, np.eye(SIZE), np.zeros(SIZE))
    assert krylov.num_steps == 0
    assert krylov.length == 0
    assert not krylov.active.any()
    assert np.isposinf(ritz(krylov)[0]).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.sampled_from([1e-300, 1e-170, 1.0, 1e170, 1e300]))
@settings(max_examples=50)
def test_a_norm_neither_overflows_nor_vanishes(values, scale):
    values = np.array([*values, 0.5])
    np.testing.assert_allclose(norm(jnp.asarray(scale * values)) / scale, np.linalg.norm(values), rtol=1e-12)


def test_a_norm_of_what_has_none():
    assert norm(jnp.zeros(3)) == 0
    assert norm(jnp.zeros(0)) == 0
    assert not np.isfinite(norm(jnp.array([1.0, jnp.inf])))
    assert not np.isfinite(norm(jnp.array([1.0, jnp.nan])))


def test_an_exhausted_space_asks_for_no_product_more():
    """Steps that were allowed beyond the space cost nothing: products are counted on the host."""
    matrix, count = jnp.diag(jnp.arange(1.0, 6)), []

    def product(v):
        jax.debug.callback(lambda: count.append(1))
        return matrix @ v

    found = jax.jit(lanczos(num_steps=500), static_argnums=0)(product, jnp.ones(5))
    jax.effects_barrier()
    assert found.num_steps == 5
    assert len(count) == 5
    assert found.diagonal.shape == (500,)
    assert not np.any(found.off_diagonal[5:])
