"""Influences of single interactions against a dense float64 twin: the step of a request, and the adjoint that runs it backwards."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import ForgetRequest, IFRUConfig, TrainConfig
from ifru_jax.graph import Change
from ifru_jax.influence import right_hand_side
from ifru_jax.influence.targets import Target, smooth_ndcg, stacked
from ifru_jax.training import Trained
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import prepare
from ifru_jax.unlearning.adjoint import influences
from tests.unlearning.test_dense import lowest, metric_root
from tests.unlearning.twin import COUNT, ITEMS, REG, USERS, filtered, flat, flow, growing, problem_of, tables

pytestmark = pytest.mark.usefixtures("float64")

EXACT = IFRUConfig(num_steps=COUNT, segment_steps=COUNT, early_steps=COUNT, segment_tolerance=0.0)
PAIRS = [((0, 1), (1.0,)), ((4, 2), (1.0,)), ((3, 0), (1.0,))]


@pytest.fixture(params=[1, 2, 0], ids=["lightgcn-1", "lightgcn-2", "mf"])
def make(request, dense_scores):
    """Problems by seed."""
    return lambda seed: problem_of(seed, request.param, dense_scores)


def recorded(problem, seed):
    rng = np.random.default_rng(seed)
    segments = tuple(
        Segment(tables(problem.theta + 0.3 * rng.normal(size=COUNT)), tables(0.1 * np.exp(rng.normal(size=COUNT))), steps)
        for steps in (50.0, 120.0, 80.0)
    )
    return problem.trained.with_record(Record(segments, 7, problem.trained.interactions.select(np.zeros(0, np.int64))))


def counted_gradient(twin, theta, data):
    """∇L as a function of how much each pair counts, [users, items], in the loss and in the graph."""
    liked = data.labels > 0.5
    return lambda counts: twin.gradient(theta, data._replace(present=counts), counts * liked)


def columns(twin, theta, data):
    """∂∇L/∂w_z, [p, users, items]."""
    return np.asarray(jax.jacobian(counted_gradient(twin, theta, data))(data.present))


def score_at(twin, pair, data):
    return lambda theta, counts: twin.scores(theta, counts * (data.labels > 0.5))[pair]


def at_the_end(problem, directions):
    """What a step from the end moves θ by, for each b of [p, k], with everything retained."""
    twin, theta, data = problem.twin, problem.theta, problem.before
    root, damping = metric_root(data), -lowest(twin, theta, data) / 2.5
    H = root[:, None] * twin.at(theta, data)[1] * root
    return root[:, None] * filtered(H, root[:, None] * directions, lambda t: flow(t, damping)[:, None])


def along(problem, record, directions_of, retained=1.0):
    """The same along a record, to the first order; b of every segment from `directions_of`(θ_k)."""
    left = problem.before._replace(present=problem.before.present * retained)
    delta = 0.0
    for segment in record.segments:
        theta = flat(segment.params)
        S = np.sqrt(segment.steps * flat(segment.applied))[:, None]
        H = problem.twin.at(theta, left)[1]
        force = directions_of(theta) - H @ (delta * np.ones((COUNT, 1)))
        delta = delta + S * filtered(S * H * S.T, S * force, lambda t: growing(t)[:, None])
    return delta


def targets_of(pairs):
    return stacked([Target.of(pair[0], [pair[1]], coefficients) for pair, coefficients in pairs])


def expected(problem, move):
    """Influences [targets, n] by one dense step for every interaction; `move` takes b of each, or how to get it at any θ."""
    twin, data = problem.twin, problem.before
    places = problem.trained.interactions.users, problem.trained.interactions.items
    moved = move(lambda theta: columns(twin, theta, data)[:, places[0], places[1]])
    found = []
    for pair, _ in PAIRS:
        by_theta, by_counts = jax.grad(score_at(twin, pair, data), argnums=(0, 1))(problem.theta, data.present)
        found.append(-np.asarray(by_theta) @ moved + np.asarray(by_counts)[places])
    return np.stack(found)


@pytest.mark.parametrize("seed", range(3))
def test_from_the_end_every_interaction_is_a_dense_step_of_its_own(make, seed):
    problem = make(seed)
    state = prepare(problem.trained, config=EXACT)
    found = influences(state, targets_of(PAIRS))
    np.testing.assert_allclose(found, expected(problem, lambda at: at_the_end(problem, at(problem.theta))), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_along_a_record_every_interaction_is_a_dense_course_of_its_own(make, seed):
    problem = make(seed)
    state = prepare(recorded(problem, seed), config=EXACT)
    found = influences(state, targets_of(PAIRS))
    np.testing.assert_allclose(found, expected(problem, lambda at: along(problem, state.record, at)), atol=1e-9)


def test_where_interactions_go_in_part_the_curvature_is_that_of_what_is_left(make):
    problem = make(0)
    state, data = prepare(recorded(problem, 0), config=EXACT), problem.trained.interactions
    retained = np.random.default_rng(0).uniform(0.3, 1, (USERS, ITEMS))
    found = influences(state, targets_of(PAIRS), retained=retained[data.users, data.items])
    dense = expected(problem, lambda at: along(problem, state.record, at, retained))
    np.testing.assert_allclose(found, dense, atol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_those_of_a_set_add_up_to_what_the_step_does_for_the_set(make, seed):
    """b of a set is that of a request where there is no graph; with one, the derivative by how much the set counts."""
    problem = make(seed)
    state, data = prepare(recorded(problem, seed), config=EXACT), problem.trained.interactions
    chosen = np.random.default_rng(seed).permutation(len(data))[:7]
    inside = np.zeros((USERS, ITEMS))
    inside[data.users[chosen], data.items[chosen]] = 1

    def of_set(theta):
        if problem.twin.layers:
            _, b = jax.jvp(counted_gradient(problem.twin, theta, problem.before), (problem.before.present,), (inside,))
            return np.asarray(b)[:, None]
        pairs = np.stack([data.users[chosen], data.items[chosen]], axis=1)
        change = Change.of(state.training_set, ForgetRequest(pairs=pairs))
        return flat(right_hand_side(state.objective, tables(theta), change)[0])[:, None]

    delta = along(problem, state.record, of_set)[:, 0]
    found = influences(state, targets_of(PAIRS))[:, chosen].sum(1)
    for (pair, _), total in zip(PAIRS, found, strict=True):
        slopes = jax.grad(score_at(problem.twin, pair, problem.before), argnums=(0, 1))(problem.theta, problem.before.present)
        assert total == pytest.approx(float(-slopes[0] @ delta + (slopes[1] * inside).sum()), abs=1e-10)


def test_padding_and_the_order_of_nodes_change_nothing(make):
    problem = make(0)
    trained, data = recorded(problem, 0), problem.trained.interactions
    found = influences(prepare(trained, config=EXACT), targets_of(PAIRS))

    wide = Trained.of(trained.model, trained.params, data, config=TrainConfig(reg=REG), capacities=(64, 32))
    wide = wide.with_record(trained.record)
    np.testing.assert_allclose(influences(prepare(wide, config=EXACT), targets_of(PAIRS)), found, atol=1e-10)

    rng = np.random.default_rng(5)
    users, items = rng.permutation(USERS), rng.permutation(ITEMS)

    def moved(params):
        rows = {"user_embedding": np.argsort(users), "item_embedding": np.argsort(items)}
        return {name: jnp.asarray(np.asarray(value)[rows[name]]) for name, value in params.items()}

    segments = tuple(Segment(moved(s.params), moved(s.applied), s.steps) for s in trained.record.segments)
    other = replace(data, users=users[data.users].astype(np.int32), items=items[data.items].astype(np.int32))
    renamed = Trained.of(trained.model, moved(trained.params), other, config=TrainConfig(reg=REG))
    renamed = renamed.with_record(replace(trained.record, segments=segments))
    pairs = [((users[u], items[i]), c) for (u, i), c in PAIRS]
    again = influences(prepare(renamed, config=EXACT), targets_of(pairs))
    key = other.users * ITEMS + other.items
    place = {k: n for n, k in enumerate(renamed.interactions.users * ITEMS + renamed.interactions.items)}
    np.testing.assert_allclose(again[:, [place[k] for k in key]], found, atol=1e-10)


def test_a_difference_is_the_difference_and_a_sum_of_nothing_is_zero(make):
    problem = make(1)
    state = prepare(recorded(problem, 1), config=EXACT)
    one, other, nothing = Target.of(0, [1, 2], [1, 0]), Target.of(0, [1, 2], [0, 1]), Target.of(0, [1, 2], [0, 0])
    found = influences(state, stacked([one, other, nothing, Target.of(0, [1, 2], [1, -1])]))
    np.testing.assert_allclose(found[0] - found[1], found[3], atol=1e-10)
    np.testing.assert_array_equal(found[2], 0)


def test_a_rating_of_nobody_near_has_no_influence_on_matrix_factorisation(dense_scores):
    """A single product with the Hessian leads from the target to the ratings of its user and of its item, and to no others."""
    problem = problem_of(0, 0, dense_scores)
    data = problem.trained.interactions
    own = data.users == 0
    state = prepare(problem.trained, config=replace(EXACT, num_steps=1))
    found = influences(state, targets_of(PAIRS[:1]))[0]
    near = own | (data.items == 1)
    np.testing.assert_array_equal(found[~near], 0)
    assert np.any(found[near] != 0)


def test_ndcg_of_well_separated_scores_is_ndcg():
    scores = jnp.array([5.0, 1.0, 3.0, -2.0, 0.0])
    relevant = jnp.array([False, True, False, False, True])
    ranks = np.array([1, 3, 2, 5, 4])
    gains = (1 / np.log2(1 + ranks))[np.asarray(relevant)].sum()
    assert float(smooth_ndcg(scores, relevant)) == pytest.approx(gains / (1 + 1 / np.log2(3)), abs=2e-2)
    assert float(smooth_ndcg(scores, jnp.zeros(5, bool))) == 0
    slope = jax.grad(smooth_ndcg)(scores, jnp.arange(5) == 1)
    assert slope[1] > 0 > slope[2]
