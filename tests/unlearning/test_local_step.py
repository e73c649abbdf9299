"""Requests solved as problems of their own, against the whole problem confined to the same rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, ForgetRequest, IFRUConfig
from ifru_jax.graph import build_training_set
from ifru_jax.graph.extraction import extract_problem
from ifru_jax.graph.incidence import Nodes, count_incident, incident
from ifru_jax.graph.local_problem import bucket_for
from ifru_jax.influence.scope import importance_scope
from ifru_jax.training.trained import Trained
from ifru_jax.unlearning import forget, independent_steps, warm_up
from ifru_jax.unlearning.ifru import right_hand_side
from ifru_jax.unlearning.influence_step import solve_part, update_part
from ifru_jax.unlearning.local_step import apply_steps, local_request, opened, pack, rows_without_data, sizes_of, solve_local


def in_float64(trained: Trained) -> Trained:
    params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), trained.params)
    values = vars(trained) | {"params": params, "training_set": build_training_set(trained.interactions)}
    return Trained(**values)


def whole_step(trained: Trained, places, config: IFRUConfig, floor: float):
    data = trained.interactions
    forgotten = np.zeros(len(data), bool)
    forgotten[places] = True
    retained = trained.training_set.without(forgotten)
    scope, _ = importance_scope(data, forgotten, config.scope)
    rhs, _ = right_hand_side(trained, retained, forgotten, config)
    step, solution = solve_part(
        trained.model, trained.loss, config, trained.params, rhs, retained.examples, retained.graph,
        (jnp.asarray(scope.users), jnp.asarray(scope.items)),
        total=float(trained.total), reg=trained.config.reg, floor=floor,
    )  # fmt: skip
    return update_part(trained.model, trained.params, step, retained.examples), solution, rows_without_data(retained.degrees)


def local_step(trained: Trained, places, config: IFRUConfig, floor: float, lost):
    trained = opened(trained, config)
    request = local_request(trained, np.sort(places), config)
    steps = solve_local(trained, pack([request], trained), config, floor=floor)
    return apply_steps(trained.model, trained.params, steps, lost), steps


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=12, unique=True),
    # Each combination compiles anew, so there are few.
    st.sampled_from([((), "hessian"), ((0.5, 0.2), "hessian"), ((0.3,), "gauss-newton")]),
)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_without_budgets_the_local_answer_is_the_whole_one_confined_to_scope(trained, places, way):
    scope, curvature = way
    config = IFRUConfig(scope=scope, curvature=curvature, num_steps=6)
    with jax.enable_x64(True):
        exact = in_float64(trained)
        floor = 0.4 * trained.damping_scale
        expected, solution, lost = whole_step(exact, places, config, floor)
        found, steps = local_step(exact, places, config, floor, lost)
        for name, value in expected.items():
            change = np.abs(value - exact.params[name]).max()
            np.testing.assert_allclose(found[name], value, atol=1e-8 * max(float(change), 1e-12), rtol=0)
        np.testing.assert_allclose(steps.solution.damping[0], solution.damping, rtol=1e-8)
        np.testing.assert_allclose(steps.solution.predicted_decrease[0], solution.predicted_decrease, rtol=1e-7)


@pytest.mark.parametrize("asked", ["user", "hub", "half", "beside an isolated user"])
def test_large_requests_and_isolated_rows(trained, asked):
    """A whole user, the item with the most interactions, more than the first rungs hold, and data in which a user has nothing."""
    with jax.enable_x64(True):
        exact = in_float64(trained)
        data = exact.interactions
        if asked == "beside an isolated user":
            exact = Trained(**(vars(exact) | {"training_set": exact.training_set.without(data.users == 3)}))
            data = exact.interactions
            assert not data.user_degrees()[3]
        places = {
            "user": np.flatnonzero(data.users == 3),
            "hub": np.flatnonzero(data.items == np.argmax(data.item_degrees())),
            "half": np.arange(0, len(data), 2),
        }.get(asked, np.array([7]))
        config = IFRUConfig(scope=())
        expected, _, lost = whole_step(exact, places, config, trained.damping_scale)
        found, _ = local_step(exact, places, config, trained.damping_scale, lost)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-10)
        assert asked in ("hub", "half") or not np.any(found["user_embedding"][3])


def one_each(trained, count):
    data = trained.interactions
    rng = np.random.default_rng(5)
    places = rng.choice(len(data), count, replace=False)
    return [ForgetRequest(pairs=np.stack([data.users[[z]], data.items[[z]]], axis=1)) for z in places]


def test_a_batch_is_the_requests_one_by_one(trained):
    config = IFRUConfig(scope=())
    requests = one_each(trained, 5)
    together = independent_steps(trained, requests, config=config)
    assert together.users.shape[0] == 5
    for number, request in enumerate(requests):
        alone = independent_steps(trained, [request], config=config)
        for name, rows in alone.rows.items():
            scale = float(jnp.abs(rows).max())
            np.testing.assert_allclose(together.rows[name][number], rows[0], atol=1e-3 * scale)
    for rows in together.rows.values():
        assert not np.any(rows[len(requests) :])


def test_separate_steps_are_not_the_joint_one(trained):
    """Requests of one user share a row: each alone does not know that the others go too."""
    data = trained.interactions
    places = np.flatnonzero(data.users == 3)[:4]
    requests = [ForgetRequest(pairs=np.array([[3, data.items[z]]], np.int32)) for z in places]
    config = IFRUConfig(scope=())
    steps = independent_steps(trained, requests, config=config)
    separate = apply_steps(trained.model, trained.params, steps, rows_without_data(trained.training_set.degrees))
    union = requests[0] | requests[1] | requests[2] | requests[3]
    joint, _ = forget(trained, union, config=config)
    difference = np.abs(separate["user_embedding"][3] - joint.params["user_embedding"][3]).max()
    moved = np.abs(joint.params["user_embedding"][3] - trained.params["user_embedding"][3]).max()
    assert 1e-3 * moved < difference < moved


def test_budgets_leave_out_the_least_important_and_say_so(trained):
    data = trained.interactions
    request = ForgetRequest(pairs=np.array([[data.users[0], data.items[0]]], np.int32))
    _, full = forget(trained, request, config=IFRUConfig(scope=(1.0,)))
    _, fewer = forget(trained, request, config=IFRUConfig(scope=(1.0,), max_nodes=6))
    assert fewer.scope_users + fewer.scope_items == 6
    assert fewer.left_out_nodes == full.scope_users + full.scope_items - 6
    _, least = forget(trained, request, config=IFRUConfig(scope=(1.0,), max_nodes=1, max_edges=20))
    assert least.scope_users + least.scope_items == 2  # endpoints always stay
    assert least.left_out_edges > 0
    forgotten = request.select(data)
    scope, _ = importance_scope(data, forgotten, ())
    scores = np.ones(data.num_users), np.ones(data.num_items)
    places = np.flatnonzero(forgotten)
    problem = extract_problem(trained.training_set, places, scope, num_hops=0, max_edges=3, importance=scores)
    assert len(problem.chosen) == 4
    assert problem.forgotten.sum() == 1


@given(st.sets(st.integers(0, 39), max_size=4), st.sets(st.integers(0, 49), max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_incident_interactions(trained, users, items):
    data = trained.interactions
    nodes = Nodes(np.isin(np.arange(data.num_users), list(users)), np.isin(np.arange(data.num_items), list(items)))
    expected = np.flatnonzero(nodes.users[data.users] | nodes.items[data.items])
    pairs = trained.training_set.examples.pairs
    np.testing.assert_array_equal(incident(pairs, nodes), expected)
    assert count_incident(pairs, len(data), nodes) == len(expected)


def test_one_ladder_of_buckets(trained):
    trained = opened(trained, IFRUConfig(scope=()))
    data, sizes, hops = trained.training_set, set(), trained.model.num_hops
    for z in range(0, len(data), 7):
        scope = Nodes(np.zeros(data.interactions.num_users, bool), np.zeros(data.interactions.num_items, bool))
        scope.users[data.interactions.users[z]] = scope.items[data.interactions.items[z]] = True
        problem = extract_problem(data, np.array([z]), scope, num_hops=hops, is_open=bool(hops))
        sizes.add(bucket_for([problem], sizes_of(trained)))
    assert len(sizes) <= 3


def test_what_cannot_be_independent_is_refused(trained):
    with pytest.raises(DataError, match="scope"):
        independent_steps(trained, one_each(trained, 1), config=IFRUConfig())
    with pytest.raises(DataError, match="at least one"):
        independent_steps(trained, [], config=IFRUConfig(scope=()))
    with pytest.raises(DataError, match="request 1 forgets nothing"):
        independent_steps(trained, [*one_each(trained, 1), ForgetRequest()], config=IFRUConfig(scope=()))
    with pytest.raises(DataError, match="max_nodes is 5"):
        IFRUConfig(max_nodes=5)
    with pytest.raises(DataError, match="max_edges is 0"):
        IFRUConfig(scope=(), max_edges=0)


def test_after_warming_up_a_request_compiles_nothing(trained, compilations):
    config = IFRUConfig(scope=(), num_steps=7)
    assert warm_up(trained, config=config, max_pairs=1024) == 3
    with compilations() as compiled:
        forget(trained, one_each(trained, 1)[0], config=config)
    assert compiled == []
    with pytest.raises(DataError, match="scope"):
        warm_up(trained, config=IFRUConfig())
