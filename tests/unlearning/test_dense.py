"""Requests from the end of the training against a dense float64 twin: equations (2) to (25) and (27) of the mathematics page."""

from dataclasses import replace

import numpy as np
import pytest

from ifru_jax import ForgetRequest, IFRUConfig
from ifru_jax.unlearning import forget, independent_steps
from tests.unlearning.twin import COUNT, ITEMS, SIZE, USERS, data_of, filtered, flat, flow, problem_of

pytestmark = pytest.mark.usefixtures("float64")

# Twenty parameters, so that twenty products see all of the spectrum.
EXACT = IFRUConfig(num_steps=COUNT, max_share=None)


@pytest.fixture(params=[1, 0], ids=["lightgcn-1", "mf"])
def make(request, dense_scores):
    """Problems by seed."""
    return lambda seed: problem_of(seed, request.param, dense_scores)


def metric_root(data):
    """M^-½ of (17)."""
    return np.repeat((data.degrees / np.median(data.degrees)) ** (-0.4 / 2), SIZE)


def lowest(twin, theta, data):
    root = metric_root(data) * np.repeat(data.degrees > 1, SIZE)
    return min(np.linalg.eigvalsh(root[:, None] * twin.at(theta, data)[1] * root)[0], 0.0)


def damped_step(problem, least):
    """(17) to (22), and the damping; `least` is λ_floor."""
    twin, theta, after = problem.twin, problem.theta, problem.after
    b = twin.at(theta, problem.before)[0] - twin.at(theta, after)[0]
    damping, root = max(least, -lowest(twin, theta, after) / 2.5), metric_root(after) * ~problem.lost
    H = root[:, None] * twin.at(theta, after)[1] * root
    return root * filtered(H, root * b, lambda t: flow(t, damping)), damping


@pytest.mark.parametrize("seed", range(3))
def test_from_the_end_of_the_training(make, seed):
    problem = make(seed)
    trained, twin, request, _, after = problem
    least = -lowest(twin, problem.theta, problem.before) / 2.5
    step, damping = damped_step(problem, least)
    # Of one the spectrum of what is retained reaches further down.
    assert (damping > least) == (seed == 1)
    unlearned, report = forget(trained, request, config=EXACT)
    assert report.solve.damping == pytest.approx(damping, rel=1e-9)
    np.testing.assert_allclose(flat(unlearned.params), np.where(problem.lost, 0, problem.theta + step), atol=1e-9)
    again = data_of(unlearned.interactions)
    np.testing.assert_array_equal(np.stack(again), np.stack(after._replace(labels=after.labels * after.present)))
    # Served on G_r.
    scores = unlearned.score_rows(*(places.ravel() for places in np.indices((USERS, ITEMS))))
    np.testing.assert_allclose(scores.reshape(USERS, ITEMS), twin.scores(flat(unlearned.params), after.edges), atol=1e-12)
    # The next request: the same N, and the λ_floor of the model that training left.
    data = unlearned.interactions
    request = ForgetRequest(pairs=np.stack([data.users[:2], data.items[:2]], axis=1))
    following = problem._replace(trained=unlearned, request=request, before=after, after=data_of(request.applied(data)))
    step, damping = damped_step(following, least)
    unlearned, report = forget(unlearned, request)
    assert report.solve.damping == pytest.approx(damping, rel=1e-9)
    np.testing.assert_allclose(flat(unlearned.params), np.where(following.lost, 0, following.theta + step), atol=1e-9)


def confined_step(problem, spillover):
    """(27) for S the ends of what is touched."""
    twin, theta, before, after = problem.twin, problem.theta, problem.before, problem.after
    touched = (before.present != after.present) | (before.labels != after.labels)
    inside = np.repeat(np.concatenate([touched.any(1), touched.any(0)]), SIZE) & ~problem.lost
    # L2 cancels.
    b = twin.gradient(theta, before, before.edges) - twin.gradient(theta, after, before.edges)
    if spillover:
        b = b + twin.gradient(theta, after, before.edges) - twin.gradient(theta, after, after.edges)
    root = metric_root(after) * inside
    H = root[:, None] * twin.at(theta, after)[1] * root
    damping = max(-lowest(twin, theta, before), -np.linalg.eigvalsh(H)[0]) / 2.5
    return root * filtered(H, root * b, lambda t: flow(t, damping))


@pytest.mark.parametrize("spillover", ["auto", "none"])
@pytest.mark.parametrize("seed", range(2))
def test_confined(make, seed, spillover):
    problem = make(seed)
    step = confined_step(problem, spillover != "none")
    unlearned, _ = forget(problem.trained, problem.request, config=replace(EXACT, scope=(), spillover=spillover))
    np.testing.assert_allclose(flat(unlearned.params), np.where(problem.lost, 0, problem.theta + step), atol=1e-9)


def test_independent_ones_beside_others_and_padding(make):
    problem = make(0)
    trained, data = problem.trained, problem.trained.interactions
    requests = [ForgetRequest(pairs=np.array([[data.users[place], data.items[place]]])) for place in range(0, len(data), 4)]
    requests.append(ForgetRequest(users=np.array([4])))
    steps = independent_steps(trained, requests, config=replace(EXACT, scope=()))
    for number, request in enumerate(requests):
        found = {name: np.zeros_like(table) for name, table in trained.params.items()}
        for side, rows in (("user", steps.users[number]), ("item", steps.items[number])):
            np.add.at(found[f"{side}_embedding"], rows, steps.rows[f"{side}_embedding"][number])
        alone = problem._replace(request=request, after=data_of(request.applied(data)))
        np.testing.assert_allclose(flat(found), confined_step(alone, True), atol=1e-9)
