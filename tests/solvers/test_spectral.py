"""The step f(H) b, its damping and its evidence, against dense eigenvectors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import ForgetRequest, IFRUConfig, Interactions, TrainConfig, Trained, mf
from ifru_jax.errors import NumericsError
from ifru_jax.solvers import FILTERS, SPECTRUM_RATIO, check, damping_from_spectrum, damping_path, lanczos, spectral_step
from ifru_jax.solvers.result import UNRESOLVED_RESIDUAL
from ifru_jax.status import Status
from ifru_jax.unlearning import forget
from tests.solvers.conftest import MOST

pytestmark = pytest.mark.usefixtures("float64")

SIZE, FLOOR = 8, 0.05
SEEDS = st.integers(0, 2**32 - 1)
NAMES = sorted(FILTERS)


@partial(jax.jit, static_argnums=(0, 1))
def by_rule(num_steps, name, matrix, b, floor=FLOOR):
    return spectral_step(num_steps=num_steps, filter=name)(lambda v: matrix @ v, b, floor=floor)


@partial(jax.jit, static_argnums=(0, 1))
def damped(num_steps, name, matrix, b, damping):
    return spectral_step(num_steps=num_steps, filter=name)(lambda v: matrix @ v, b, floor=1e9, damping=damping)


@jax.jit
def space(matrix, b):
    return lanczos(num_steps=4)(lambda v: matrix @ v, b)


def problem(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(SIZE, SIZE))
    return matrix + matrix.T, rng.normal(size=SIZE)


@pytest.mark.parametrize("name", NAMES)
@given(SEEDS)
@settings(max_examples=20)
def test_as_many_steps_as_parameters_give_the_dense_answer(dense_step, name, seed):
    matrix, b = problem(seed)
    solution = by_rule(SIZE, name, matrix, b)
    damping = max(-np.linalg.eigvalsh(matrix)[0] / SPECTRUM_RATIO[name], FLOOR)
    np.testing.assert_allclose(solution.damping, damping, rtol=1e-9)
    np.testing.assert_allclose(solution.solution, dense_step(name, matrix, b, damping), atol=1e-8)
    np.testing.assert_allclose(solution.ritz_values, np.linalg.eigvalsh(matrix), atol=1e-9)
    assert solution.num_steps == SIZE
    assert check(solution) is Status.SPACE_EXHAUSTED


@pytest.mark.parametrize("name", NAMES)
@given(SEEDS, st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_evidence_of_a_partial_solve(name, seed, damping):
    matrix, b = problem(seed)
    solution = damped(4, name, matrix, b, damping)
    basis = np.asarray(space(matrix, b).basis)
    step = np.asarray(solution.solution)
    assert check(solution) is (Status.UNRESOLVED if solution.residual > UNRESOLVED_RESIDUAL else Status.STEPS_SPENT)
    assert solution.damping == damping  # an explicit damping is not held above the floor
    np.testing.assert_allclose(solution.predicted_decrease, b @ step - step @ matrix @ step / 2, rtol=1e-8)
    outside = matrix @ step - basis.T @ (basis @ (matrix @ step))
    np.testing.assert_allclose(solution.residual, np.linalg.norm(outside) / np.linalg.norm(b), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@given(SEEDS)
@settings(max_examples=20)
def test_no_step_is_longer_than_the_filter_allows(name, seed):
    matrix, b = problem(seed)
    solution = by_rule(4, name, matrix, b)
    assert np.linalg.norm(solution.solution) <= MOST[name] * np.linalg.norm(b) / solution.damping * (1 + 1e-12)
    assert np.dot(solution.solution, b) >= 0
    assert solution.predicted_decrease >= 0


@pytest.mark.parametrize("name", NAMES)
@given(SEEDS)
@settings(max_examples=10)
def test_a_path_is_one_solve_for_each_damping(name, seed):
    matrix, b = problem(seed)
    dampings = jnp.array([0.01, 0.3, 5.0])
    path = jax.jit(damping_path, static_argnames="filter")(space(matrix, b), dampings, filter=name)
    separate = [damped(4, name, matrix, b, damping).solution for damping in dampings]
    np.testing.assert_allclose(path, separate, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_filters(dense_filter, name):
    values = np.concatenate([-np.logspace(-12, 3, 46), [0.0], np.logspace(-12, 3, 46)])
    for damping in (1e-6, 0.3, 1e4):
        gains = np.asarray(FILTERS[name](jnp.asarray(values), damping))
        np.testing.assert_allclose(gains, dense_filter(name, values, damping), rtol=1e-13)
        assert gains.max() <= MOST[name] / damping * (1 + 1e-12)
        np.testing.assert_allclose(gains[46], 1 / damping, rtol=1e-15)
        assert (values * gains <= 1 + 1e-15).all()


@pytest.mark.parametrize("name", NAMES)
def test_filters_at_the_ends_of_float32(name):
    values, damping = jnp.array([0, 1e-38, 1e30, -1e30], jnp.float32), jnp.float32(1e-30)
    least = np.e * 1e-30 if name == "growing-flow" else 1e-30
    np.testing.assert_allclose(FILTERS[name](values, damping), [1e30, 1e30, 1e-30, least], rtol=1e-5)


def test_the_growing_flow_is_the_true_one_where_it_grows_by_no_more_than_e():
    times = np.array([-1.0, -0.5, 1e-3, 2.0])
    np.testing.assert_allclose(FILTERS["growing-flow"](jnp.asarray(times), 1.0), -np.expm1(-times) / times, rtol=1e-12)
    assert FILTERS["growing-flow"](jnp.asarray(-50.0), 1.0) < 0.06


@pytest.mark.parametrize(("tolerance", "most"), [(0.2, 15), (0.02, 20)])
def test_a_tolerance_ends_the_products_where_the_error_is_below(tolerance, most):
    solve = spectral_step(num_steps=30, filter="growing-flow", tolerance=tolerance)
    run = jax.jit(lambda m, b: solve(lambda v: m @ v, b, floor=1.0, damping=1.0))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        matrix, b = rng.normal(size=(60, 60)), rng.normal(size=60)
        matrix = matrix @ matrix.T / 3
        values, vectors = np.linalg.eigh(matrix)
        exact = vectors @ (-np.expm1(-values) / values * (vectors.T @ b))
        few = run(matrix, b)
        assert check(few) is Status.CONVERGED
        assert 2 < few.num_steps < most
        assert np.linalg.norm(few.solution - exact) < tolerance / 2 * np.linalg.norm(exact)


@pytest.mark.parametrize(
    ("values", "damping"),
    [
        ([-4.0, 1.0, np.inf], 2.0),
        ([-4.0, -6.0, 1.0], 3.0),
        ([-0.1, 1.0, 2.0], 0.5),
        ([0.5, 1.0, np.inf], 0.5),
        ([np.inf] * 3, 0.5),
    ],
)
def test_the_rule_of_the_damping(values, damping):
    assert damping_from_spectrum(jnp.array(values), floor=0.5, ratio=2.0) == damping


@pytest.mark.parametrize("name", NAMES)
def test_a_right_hand_side_of_zero(name):
    solution = by_rule(SIZE, name, problem(0)[0], np.zeros(SIZE))
    assert check(solution) is Status.ZERO_RIGHT_HAND_SIDE
    assert (solution.num_steps, solution.residual, solution.damping, solution.predicted_decrease) == (0, 0, FLOOR, 0)
    np.testing.assert_array_equal(solution.solution, 0)


@pytest.mark.parametrize("name", NAMES)
def test_breakdowns_are_answered_exactly(dense_step, name):
    rng = np.random.default_rng(0)
    b, u = rng.normal(size=SIZE), rng.normal(size=SIZE)
    for matrix, steps in ((np.eye(SIZE), 1), (np.zeros((SIZE, SIZE)), 1), (-np.outer(u, u), 2)):
        solution = by_rule(SIZE, name, matrix, b)
        assert check(solution) is Status.SPACE_EXHAUSTED
        assert solution.num_steps == steps
        assert solution.residual == 0
        np.testing.assert_allclose(solution.solution, dense_step(name, matrix, b, solution.damping), atol=1e-10)


def spoilt(where, value):
    matrix, b = problem(0)
    matrix, b = matrix.copy(), b.copy()
    if where == "matrix":
        matrix[3, 5] = matrix[5, 3] = value
    else:
        b[2] = value
    return matrix, b


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["matrix", "right-hand side"])
@pytest.mark.parametrize("num_steps", [1, SIZE])
def test_what_is_not_finite_makes_no_step(value, where, num_steps):
    name = NAMES[0]
    matrix, b = spoilt(where, value)
    for solution in (by_rule(num_steps, name, matrix, b), damped(num_steps, name, matrix, b, 0.1)):
        assert solution.status == Status.NOT_FINITE
        np.testing.assert_array_equal(solution.solution, 0)
        assert (solution.predicted_decrease, solution.residual) == (0, 0)
        with pytest.raises(NumericsError, match="check that the parameters are finite"):
            check(solution)


def test_a_batch_of_problems():
    """Each ends as it would alone: full, zero, spoilt."""
    name = "gradient-flow"
    matrices, rhs = (np.stack(parts) for parts in zip(problem(0), problem(1), spoilt("matrix", np.nan), strict=True))
    rhs[1] = 0
    solutions = jax.vmap(lambda m, b: by_rule(SIZE, name, m, b))(matrices, rhs)
    assert solutions.status.tolist() == [Status.SPACE_EXHAUSTED, Status.ZERO_RIGHT_HAND_SIDE, Status.NOT_FINITE]
    np.testing.assert_allclose(solutions.solution[0], by_rule(SIZE, name, matrices[0], rhs[0]).solution, rtol=1e-9)
    np.testing.assert_array_equal(solutions.solution[1:], 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("spread", "resolved"), [(1e1, True), (1e6, False)])
def test_a_solve_that_resolved_little_says_so(name, spread, resolved):
    """Ten products, curvatures over six decades: far from the filter, and told so. Over one decade: near, and an ordinary end."""
    curvature, b = jnp.geomspace(1 / spread, 1, 300), jnp.asarray(np.random.default_rng(0).normal(size=300))
    damping = 1e-4 / spread
    solution = spectral_step(num_steps=10, filter=name)(lambda v: curvature * v, b, floor=1e-30, damping=damping)
    exact = FILTERS[name](curvature, damping) * b
    error = np.linalg.norm(solution.solution - exact) / np.linalg.norm(exact)
    assert (error < 0.05) if resolved else (error > 0.9)
    assert check(solution) is (Status.STEPS_SPENT if resolved else Status.UNRESOLVED)
    assert "Raise num_steps" in Status.UNRESOLVED.message
    # With as many products as the message asks for it is resolved.
    enough = spectral_step(num_steps=300, filter=name)(lambda v: curvature * v, b, floor=1e-30, damping=damping)
    assert check(enough) in (Status.STEPS_SPENT, Status.SPACE_EXHAUSTED)


def test_a_request_says_that_its_step_resolved_little():
    """In its report, by the residual of its own solve: few products and hardly any damping against many."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(30 * 25)[:400], 25)
    data, model = Interactions(users, items, rng.integers(2, size=400), 30, 25), mf(embedding_size=4, init_std=0.7)
    trained = Trained.of(model, model.init(jax.random.key(0), 30, 25), data, config=TrainConfig(reg=1e-6))
    request = ForgetRequest(pairs=np.stack([users[:20], items[:20]], axis=1))
    found = []
    for steps in (3, 10, 120):
        _, report = forget(trained, request, config=IFRUConfig(damping=1e-7, num_steps=steps))
        assert (report.status is Status.UNRESOLVED) == (report.solve.residual > UNRESOLVED_RESIDUAL)
        found.append(report.status is Status.UNRESOLVED)
    assert found[0]
    assert not found[-1]
