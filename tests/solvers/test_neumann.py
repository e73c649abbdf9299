"""The truncated series: the sum it stands for, and honest where it does not converge."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.errors import NumericsError
from ifru_jax.solvers import check, neumann_series
from ifru_jax.status import Status

pytestmark = pytest.mark.usefixtures("float64")

SIZE = 8


@partial(jax.jit, static_argnums=0)
def solve(num_steps, matrix, b, scale, damping):
    return neumann_series(num_steps=num_steps)(lambda v: matrix @ v, b, scale=scale, damping=damping)


def problem(seed, lowest):
    """Eigenvalues from `lowest` to 3."""
    rng = np.random.default_rng(seed)
    vectors, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    values = np.concatenate([[lowest, 3.0], rng.uniform(max(lowest, 0.0), 3, SIZE - 2)])
    return vectors * values @ vectors.T, rng.normal(size=SIZE)


@given(st.integers(0, 2**32 - 1), st.sampled_from([-1.0, 0.5]), st.sampled_from([0.0, 0.4]))
@settings(max_examples=20)
def test_it_is_the_truncated_series(seed, lowest, damping):
    matrix, b = problem(seed, lowest)
    scale = 3.5
    factor = np.eye(SIZE) - (matrix + damping * np.eye(SIZE)) / scale
    expected = sum(np.linalg.matrix_power(factor, k) @ b for k in range(7)) / scale
    found = solve(6, matrix, b, scale, damping)
    np.testing.assert_allclose(found.solution, expected, rtol=1e-10, atol=1e-12)
    rest = b - (matrix + damping * np.eye(SIZE)) @ expected
    np.testing.assert_allclose(found.residual, np.linalg.norm(rest) / np.linalg.norm(b), rtol=1e-8)
    decrease = b @ expected - 0.5 * expected @ matrix @ expected
    np.testing.assert_allclose(found.predicted_decrease, decrease, rtol=1e-8, atol=1e-10)


def test_it_converges_where_positive_definite_and_says_so_where_not():
    matrix, b = problem(0, 0.5)
    found = solve(200, matrix, b, 3.0, 0.0)
    assert check(found) is Status.CONVERGED
    np.testing.assert_allclose(found.solution, np.linalg.solve(matrix, b), rtol=1e-4)
    indefinite, b = problem(0, -1.0)
    assert check(solve(200, indefinite, b, 3.0, 0.0)) is Status.DIVERGED
    assert check(solve(200, indefinite, b, 5.0, 2.0)) is Status.CONVERGED
    assert check(solve(200, indefinite, 0 * b, 3.0, 0.0)) is Status.ZERO_RIGHT_HAND_SIDE
    with pytest.raises(NumericsError):
        check(solve(200, 1e3 * indefinite, b, 3.0, 0.0))
