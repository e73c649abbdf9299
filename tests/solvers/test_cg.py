"""Conjugate gradients: right where the matrix is positive definite, and honest where it isn't."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.errors import NumericsError
from ifru_jax.solvers import check, conjugate_gradient
from ifru_jax.status import Status

pytestmark = pytest.mark.usefixtures("float64")

SIZE = 8
SEEDS = st.integers(0, 2**32 - 1)


@partial(jax.jit, static_argnums=(0, 1))
def solve(num_steps, tolerance, matrix, b, damping):
    run = conjugate_gradient(num_steps=num_steps, tolerance=tolerance)
    return run(lambda v: matrix @ v, b, damping=damping)


def problem(seed, lowest=0.5):
    """Eigenvalues from `lowest` to 3."""
    rng = np.random.default_rng(seed)
    vectors, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    values = np.concatenate([[lowest, 3.0], rng.uniform(max(lowest, 0.5), 3, SIZE - 2)])
    return vectors * values @ vectors.T, rng.normal(size=SIZE)


def relative_residual(matrix, b, damping, x):
    return np.linalg.norm(matrix @ x + damping * x - b) / np.linalg.norm(b)


@given(SEEDS, st.sampled_from([0.0, 0.7]))
@settings(max_examples=20)
def test_positive_definite(seed, damping):
    matrix, b = problem(seed)
    solution = solve(100, 1e-10, matrix, b, damping)
    x = np.asarray(solution.solution)
    assert check(solution) is Status.CONVERGED
    np.testing.assert_allclose(x, np.linalg.solve(matrix + damping * np.eye(SIZE), b), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(solution.predicted_decrease, b @ x - x @ matrix @ x / 2, rtol=1e-8)
    assert solution.damping == damping
    assert np.isposinf(solution.ritz_values).all()


@given(SEEDS, st.sampled_from([1, 4]))
@settings(max_examples=20)
def test_too_few_steps(seed, num_steps):
    """The residual that is reported is the true one."""
    matrix, b = problem(seed)
    solution = solve(num_steps, 1e-10, matrix, b, 0.1)
    x = np.asarray(solution.solution)
    assert check(solution) is (Status.UNRESOLVED if solution.residual > 0.5 else Status.STEPS_SPENT)
    assert solution.num_steps == num_steps
    np.testing.assert_allclose(solution.residual, relative_residual(matrix, b, 0.1, x), rtol=1e-7)
    np.testing.assert_allclose(solution.predicted_decrease, b @ x - x @ matrix @ x / 2, rtol=1e-8)


@given(SEEDS)
@settings(max_examples=20)
def test_the_tolerance_is_kept_and_not_outdone(seed):
    matrix, b = problem(seed)
    solution = solve(100, 0.05, matrix, b, 0.0)
    assert solution.status == Status.CONVERGED
    assert relative_residual(matrix, b, 0.0, np.asarray(solution.solution)) <= 0.05
    assert solve(int(solution.num_steps) - 1, 0.05, matrix, b, 0.0).status == Status.STEPS_SPENT


@given(SEEDS)
@settings(max_examples=20)
def test_negative_curvature_is_noticed(seed):
    matrix, b = problem(seed, lowest=-1.0)
    solution = solve(100, 1e-10, matrix, b, 0.0)
    x = np.asarray(solution.solution)
    assert check(solution) is Status.NEGATIVE_CURVATURE
    # The point before it: every direction on the way there had positive curvature, so the model fell.
    assert solution.predicted_decrease >= 0
    np.testing.assert_allclose(solution.residual, relative_residual(matrix, b, 0.0, x), rtol=1e-6)
    # Damped beyond its lowest eigenvalue the matrix is positive definite.
    assert solve(100, 1e-10, matrix, b, 1.1).status == Status.CONVERGED


def test_negative_curvature_at_the_first_direction():
    solution = solve(100, 1e-10, -np.eye(SIZE), np.ones(SIZE), 0.0)
    assert solution.status == Status.NEGATIVE_CURVATURE
    assert (solution.num_steps, solution.residual) == (1, pytest.approx(1))
    np.testing.assert_array_equal(solution.solution, 0)


def test_no_curvature_at_all():
    """A singular matrix with b outside its range has no answer; the noise of its products isn't taken for curvature."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(SIZE, 3))
    solution = solve(100, 1e-10, half @ half.T, rng.normal(size=SIZE), 0.0)
    assert solution.status == Status.NEGATIVE_CURVATURE
    assert solve(100, 1e-10, np.zeros((SIZE, SIZE)), np.ones(SIZE), 0.0).status == Status.NEGATIVE_CURVATURE


def test_a_right_hand_side_of_zero():
    solution = solve(100, 1e-10, np.eye(SIZE), np.zeros(SIZE), 0.5)
    assert check(solution) is Status.ZERO_RIGHT_HAND_SIDE
    assert (solution.num_steps, solution.residual, solution.predicted_decrease) == (0, 0, 0)
    np.testing.assert_array_equal(solution.solution, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["matrix", "right-hand side"])
def test_what_is_not_finite_makes_no_step(where, value):
    matrix, b = problem(0)
    if where == "matrix":
        matrix[3, 5] = matrix[5, 3] = value
    else:
        b[2] = value
    solution = solve(100, 1e-10, matrix, b, 0.1)
    assert solution.status == Status.NOT_FINITE
    np.testing.assert_array_equal(solution.solution, 0)
    assert (solution.residual, solution.predicted_decrease) == (0, 0)
    with pytest.raises(NumericsError, match="enable jax_enable_x64"):
        check(solution)


def test_a_batch_of_problems():
    """Each ends as it would alone, though the loop runs on for the slowest."""
    kinds = [problem(0), problem(1, lowest=-1.0), (np.eye(SIZE), np.zeros(SIZE)), (np.full((SIZE, SIZE), np.nan), np.ones(SIZE))]
    matrices, rhs = (np.stack(parts) for parts in zip(*kinds, strict=True))
    batch = jax.vmap(lambda m, b: solve(100, 1e-8, m, b, 0.0))(matrices, rhs)
    names = [Status(s) for s in batch.status.tolist()]
    assert names == [Status.CONVERGED, Status.NEGATIVE_CURVATURE, Status.ZERO_RIGHT_HAND_SIDE, Status.NOT_FINITE]
    for k, (matrix, b) in enumerate(kinds):
        alone = solve(100, 1e-8, matrix, b, 0.0)
        assert batch.num_steps[k] == alone.num_steps
        np.testing.assert_allclose(batch.solution[k], alone.solution, rtol=1e-9, atol=1e-12)
