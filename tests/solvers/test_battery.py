"""Ten thousand small problems in float32, of every kind and scale, against dense answers in float64."""

from functools import partial

import jax
import numpy as np
import pytest

from ifru_jax.solvers import FILTERS, SPECTRUM_RATIO, conjugate_gradient, spectral_step
from ifru_jax.status import Status
from tests.solvers.conftest import MOST

NUMBER, SIZE = 2500, 12
LARGEST, SMALLEST = np.finfo(np.float32).max, np.finfo(np.float32).tiny
SCALES = 30  # powers of ten up and down, of the matrix and of the right-hand side each


def spectra(kind, rng):
    values = rng.normal(size=(NUMBER, SIZE))
    if kind == "deficient":
        values *= np.arange(SIZE) < rng.integers(0, SIZE, (NUMBER, 1))
    elif kind == "near zero":
        values *= 10.0 ** rng.uniform(-9, 0, (NUMBER, SIZE))
    elif kind == "positive definite":
        values = np.abs(values) + 0.1
    return values


def problems(kind, seed):
    """Matrices [n, p, p] and right-hand sides [n, p] in float32, with the scale of each matrix.

    Problems of fewer than p parameters stand in a corner of one of p, with zeros around.
    """
    rng = np.random.default_rng(seed)
    inside = np.arange(SIZE) < rng.integers(1, SIZE + 1, (NUMBER, 1))
    raw = rng.normal(size=(NUMBER, SIZE, SIZE)) * (inside[:, :, None] & inside[:, None, :])
    raw += np.eye(SIZE) * ~inside[:, :, None]
    vectors, _ = np.linalg.qr(raw)
    matrices = np.einsum("nij,nj,nkj->nik", vectors, spectra(kind, rng) * inside, vectors)
    scale = 10.0 ** rng.uniform(-SCALES, SCALES, NUMBER)
    rhs = rng.normal(size=(NUMBER, SIZE)) * inside * 10.0 ** rng.uniform(-SCALES, SCALES, (NUMBER, 1))
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2 * scale[:, None, None]
    return matrices.astype(np.float32), rhs.astype(np.float32), scale.astype(np.float32)


@partial(jax.jit, static_argnums=(0, 1))
def steps(name, num_steps, matrices, rhs, floors):
    def solve(matrix, b, floor):
        return spectral_step(num_steps=num_steps, filter=name)(lambda v: matrix @ v, b, floor=floor)

    return jax.vmap(solve)(matrices, rhs, floors)


def lengths(vectors):
    return np.linalg.norm(np.asarray(vectors, np.float64), axis=-1)


KINDS = ["indefinite", "deficient", "near zero", "positive definite"]


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize("kind", KINDS)
def test_spectral_step(dense_step, kind, name):
    matrices, rhs, scale = problems(kind, KINDS.index(kind))
    floors = 0.01 * scale
    solutions = jax.tree.map(np.asarray, steps(name, SIZE, matrices, rhs, floors))

    lowest = np.linalg.eigvalsh(matrices.astype(np.float64))[:, 0]
    damping = np.maximum(-lowest / SPECTRUM_RATIO[name], floors)
    exact = dense_step(name, matrices, rhs, damping)
    size = lengths(exact)

    assert not np.isnan(solutions.solution).any()
    assert not np.isnan(solutions.predicted_decrease).any()
    assert (solutions.predicted_decrease >= 0).all()
    assert np.isfinite(solutions.residual).all()

    # What float32 can't hold is said to be not finite, and what it can is not; in between either may be.
    largest = np.abs(exact).max(axis=1)
    assert (solutions.status[largest / 4 > LARGEST] == Status.NOT_FINITE).all()
    fits = largest < LARGEST / 4
    assert np.isin(solutions.status[fits], [Status.SPACE_EXHAUSTED, Status.STEPS_SPENT]).all()
    assert (solutions.status[fits] == Status.SPACE_EXHAUSTED).mean() > 0.99
    assert solutions.residual[fits].max() < 1e-5
    assert fits.sum() > NUMBER / 2

    # λ may miss what b doesn't see, so near its floor only; the step is the dense one, and never longer than f allows.
    np.testing.assert_allclose(solutions.damping[fits], damping[fits], rtol=1e-3)
    held = fits & (size > 1e6 * SMALLEST)
    error = lengths(solutions.solution - exact)
    assert (error[held] / size[held]).max() < 2e-3
    allowed = MOST[name] * lengths(rhs) / solutions.damping.astype(np.float64)
    assert (lengths(solutions.solution)[held] <= allowed[held] * (1 + 1e-5)).all()


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_few_steps_of_every_kind(name):
    """With fewer steps than parameters there is no dense twin; what holds is the bound, the sign, and the status."""
    for kind in KINDS:
        matrices, rhs, scale = problems(kind, 10 + KINDS.index(kind))
        rhs[::50] = 0
        matrices[25::50, 0, 0] = np.nan
        solutions = jax.tree.map(np.asarray, steps(name, 5, matrices, rhs, 0.01 * scale))
        assert (solutions.status[::50] == Status.ZERO_RIGHT_HAND_SIDE).all()
        assert (solutions.status[25::50] == Status.NOT_FINITE).all()
        assert not solutions.solution[25::50].any()
        assert not np.isnan(solutions.solution).any()
        assert not np.isnan(solutions.predicted_decrease).any()
        finite = solutions.status != Status.NOT_FINITE
        allowed = MOST[name] * lengths(rhs) / solutions.damping.astype(np.float64)
        assert (lengths(solutions.solution)[finite] <= allowed[finite] * (1 + 1e-5) + SMALLEST).all()
        stopped = finite & (solutions.num_steps > 0) & (solutions.num_steps < 5)
        assert (solutions.status[stopped] == Status.SPACE_EXHAUSTED).all()


@jax.jit
def conjugate_gradients(matrices, rhs, dampings):
    run = conjugate_gradient(num_steps=60, tolerance=1e-4)
    return jax.vmap(lambda matrix, b, damping: run(lambda v: matrix @ v, b, damping=damping))(matrices, rhs, dampings)


@pytest.mark.parametrize("kind", KINDS)
def test_conjugate_gradient(kind):
    matrices, rhs, scale = problems(kind, 20 + KINDS.index(kind))
    rhs[::50] = 0
    solutions = jax.tree.map(np.asarray, conjugate_gradients(matrices, rhs, 0.01 * scale))
    assert not np.isnan(solutions.solution).any()
    assert not np.isnan(solutions.predicted_decrease).any()
    assert (solutions.status[::50] == Status.ZERO_RIGHT_HAND_SIDE).all()

    damped = matrices.astype(np.float64) + (0.01 * scale.astype(np.float64))[:, None, None] * np.eye(SIZE)
    lowest = np.linalg.eigvalsh(damped)[:, 0]
    exact = np.linalg.solve(damped, rhs.astype(np.float64)[..., None])[..., 0]
    fits = (np.abs(exact).max(axis=1) < LARGEST / 4) & (lengths(rhs) > 0)
    certain = fits & (lowest > 1e-3 * scale)
    assert (solutions.status[certain] == Status.CONVERGED).all()
    held = certain & (lengths(exact) > 1e6 * SMALLEST)
    residual = lengths(np.einsum("nij,nj->ni", damped, solutions.solution.astype(np.float64)) - rhs)
    assert (residual[held] / lengths(rhs)[held]).max() < 1e-3
    # A positive definite matrix is never said to curve down. An indefinite one may be solved before it is noticed.
    assert not (solutions.status[certain] == Status.NEGATIVE_CURVATURE).any()
    if kind == "indefinite":
        assert (solutions.status[lengths(rhs) > 0] == Status.NEGATIVE_CURVATURE).mean() > 0.5


def test_conjugate_gradient_does_not_take_noise_for_curvature():
    """Singular matrices and right-hand sides outside their range: at the end there is no curvature left, only rounding."""
    rng = np.random.default_rng(0)
    vectors, _ = np.linalg.qr(rng.normal(size=(NUMBER, SIZE, SIZE)))
    values = rng.uniform(0.1, 3, (NUMBER, SIZE)) * (np.arange(SIZE) < SIZE // 2)
    matrices = np.einsum("nij,nj,nkj->nik", vectors, values, vectors).astype(np.float32)
    rhs = rng.normal(size=(NUMBER, SIZE)).astype(np.float32)
    solutions = conjugate_gradients(matrices, rhs, np.zeros(NUMBER, np.float32))
    assert (solutions.status == Status.NEGATIVE_CURVATURE).mean() > 0.99
    # Each of the few steps divides by a curvature above the rounding of ‖H‖ = 3, and no more.
    assert lengths(solutions.solution).max() < 10 * lengths(rhs).max() / np.finfo(np.float32).eps
