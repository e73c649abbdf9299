"""Requests solved as problems of their own, against the whole problem confined to the same rows."""

import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, ForgetRequest, IFRUConfig, Interactions, Trained, mf, warm_up
from ifru_jax.graph import Change
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.nodes import Nodes, count_incident, incident
from ifru_jax.influence import importance_scope, right_hand_side
from ifru_jax.solvers import SPECTRUM_RATIO
from ifru_jax.training import training_set_for
from ifru_jax.unlearning import Prepared, forget, independent_steps, prepare
from ifru_jax.unlearning.local.problem import Sizes, alone
from ifru_jax.unlearning.local.request import local_requests
from ifru_jax.unlearning.local.step import apply_steps, row_numbers, solve_local
from ifru_jax.unlearning.prepare import Damping
from ifru_jax.unlearning.step import StepProblem, moved, solve_step


def in_float64(trained: Trained) -> Trained:
    params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), trained.params)
    training_set = training_set_for(trained.model, trained.loss, trained.interactions)
    return replace(trained, params=params, training_set=training_set)


def with_floor(trained: Trained, config: IFRUConfig, floor: float) -> Prepared:
    """Prepared for the configuration, with this least damping, whatever the spectrum is."""
    damping = Damping(floor * SPECTRUM_RATIO[config.filter], config.metric_exponent)
    known = Prepared(trained.objective, trained.params, trained.training_set, trained.config, config, damping)
    return prepare(known)


def request_at(trained: Trained, places) -> ForgetRequest:
    data = trained.interactions
    return ForgetRequest(pairs=np.stack([data.users[places], data.items[places]], axis=1))


def change_at(trained: Trained, places) -> Change:
    """The deletion of the interactions at these places, and of no copies of theirs."""
    places = np.sort(np.asarray(places))
    return Change(trained.training_set, places, np.ones(len(places), bool), trained.interactions.labels[places])


def whole_step(trained: Trained, change: Change, config: IFRUConfig, floor: float):
    scope, _ = importance_scope(change.before, change.places, config.scope)
    rows = jnp.asarray(scope.users), jnp.asarray(scope.items)
    rhs, _ = right_hand_side(trained.objective, trained.params, change, spillover=config.spillover)
    problem = StepProblem(trained.objective, trained.params, rhs, change.after.batch, rows, floor)
    step, solution = solve_step(config, problem)
    return moved(trained.model, trained.params, step, change.after.examples), solution


def local_step(trained: Trained, change: Change, config: IFRUConfig, floor: float):
    state = with_floor(trained, config, floor)
    assert state.floor == pytest.approx(floor)
    steps = next(solve_local(state, [alone(local_requests(state, change.alone), state)]))
    return apply_steps(state.model, state.params, steps, row_numbers(change.without_data)), steps


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
        floor = 0.4 * trained.damping.scale
        change = change_at(exact, places)
        expected, solution = whole_step(exact, change, config, floor)
        found, steps = local_step(exact, change, config, floor)
        for name, value in expected.items():
            largest = np.abs(value - exact.params[name]).max()
            np.testing.assert_allclose(found[name], value, atol=1e-8 * max(float(largest), 1e-12), rtol=0)
        np.testing.assert_allclose(steps.solution.damping[0], solution.damping, rtol=1e-8)
        np.testing.assert_allclose(steps.solution.predicted_decrease[0], solution.predicted_decrease, rtol=1e-7)


@pytest.mark.parametrize("asked", ["user", "hub", "half", "beside an isolated user"])
def test_large_requests_and_isolated_rows(trained, asked):
    """A whole user, the item with the most interactions, more than the first rungs hold, and data in which a user has nothing."""
    with jax.enable_x64(True):
        exact = in_float64(trained)
        data = exact.interactions
        if asked == "beside an isolated user":
            exact = replace(exact, training_set=exact.training_set.without(np.flatnonzero(data.users == 3)))
            data = exact.interactions
            assert not data.user_degrees()[3]
        places = {
            "user": np.flatnonzero(data.users == 3),
            "hub": np.flatnonzero(data.items == np.argmax(data.item_degrees())),
            "half": np.arange(0, len(data), 2),
        }.get(asked, np.array([7]))
        config = IFRUConfig(scope=())
        change = change_at(exact, places)
        expected, _ = whole_step(exact, change, config, trained.damping.scale)
        found, _ = local_step(exact, change, config, trained.damping.scale)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-10)
        assert asked in ("hub", "half") or not np.any(found["user_embedding"][3])


def one_each(trained, count):
    data = trained.interactions
    rng = np.random.default_rng(5)
    places = rng.choice(len(data), count, replace=False)
    return [request_at(trained, [z]) for z in places]


@pytest.mark.parametrize("follow", [True, False])
def test_a_batch_is_the_requests_one_by_one(trained, follow):
    """Of several sizes, so that they are solved on several rungs; rows that one has and another hasn't are padded by 0."""
    config = IFRUConfig(scope=(), follow=follow, num_steps=4)
    with jax.enable_x64(True):
        doubled = [jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), of) for of in trained.record.segments]
        record = replace(trained.record, segments=tuple(doubled))
        exact = prepare(in_float64(trained).with_record(record), config=config)
        data = exact.interactions
        requests = [*one_each(exact, 4), request_at(exact, [1, 5, 80]), ForgetRequest(users=np.array([3]))]
        requests += [ForgetRequest(corrected=request_at(exact, [9]).pairs, labels=1 - data.labels[[9]])]
        together = independent_steps(exact, requests)
        assert together.users.shape[0] == len(requests)
        for number, request in enumerate(requests):
            alone = independent_steps(exact, [request])
            for name, rows in alone.rows.items():
                scale, size = float(np.abs(rows).max()), rows.shape[1]
                np.testing.assert_allclose(together.rows[name][number, :size], rows[0], atol=1e-12 * max(scale, 1e-3), rtol=0)
                assert not np.any(together.rows[name][number, size:])
            np.testing.assert_array_equal(together.users[number, : alone.users.shape[1]], alone.users[0])
            np.testing.assert_array_equal(together.items[number, : alone.items.shape[1]], alone.items[0])


def test_separate_steps_are_not_the_joint_one(trained):
    """Requests of one user share a row: each alone does not know that the others go too."""
    data = trained.interactions
    places = np.flatnonzero(data.users == 3)[:4]
    requests = [ForgetRequest(pairs=np.array([[3, data.items[z]]], np.int32)) for z in places]
    config = IFRUConfig(scope=())
    steps = independent_steps(trained, requests, config=config)
    separate = apply_steps(trained.model, trained.params, steps, row_numbers(trained.training_set.without_data))
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
    assert fewer.scope.users + fewer.scope.items == 6
    assert fewer.scope.left_out_nodes == full.scope.users + full.scope.items - 6
    _, least = forget(trained, request, config=IFRUConfig(scope=(1.0,), max_nodes=1, max_edges=20))
    assert least.scope.users + least.scope.items == 2  # endpoints always stay
    assert least.scope.left_out_edges > 0
    state = prepare(trained, config=IFRUConfig(scope=(), max_edges=3))
    change = Change.of(trained.training_set, request)
    chosen = local_requests(state, change.alone).parts.chosen[0]
    assert len(chosen) == 4
    assert np.isin(chosen, change.forgotten).sum() == 1


@given(st.sets(st.integers(0, 39), max_size=4), st.sets(st.integers(0, 49), max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_incident_interactions(trained, users, items):
    data = trained.interactions
    nodes = Nodes(np.isin(np.arange(data.num_users), list(users)), np.isin(np.arange(data.num_items), list(items)))
    expected = np.flatnonzero(nodes.users[data.users] | nodes.items[data.items])
    pairs = trained.training_set.pattern
    np.testing.assert_array_equal(incident(pairs, nodes, len(data)), expected)
    assert count_incident(pairs, len(data), nodes) == len(expected)


def test_one_ladder_of_buckets(trained):
    state = prepare(trained, config=IFRUConfig(scope=()))
    changes = Changes.joined([change_at(state, [z]).alone for z in range(0, len(state.training_set), 7)])
    requests = local_requests(state, changes)
    np.testing.assert_array_equal([requests.scope.users.lengths, requests.scope.items.lengths], 1)
    rungs = Sizes.of(state).rungs_for(requests)
    assert len(rungs) <= 3
    np.testing.assert_array_equal(np.sort(np.concatenate(list(rungs.values()))), np.arange(len(requests)))


def test_what_cannot_be_independent_is_refused(trained):
    with pytest.raises(DataError, match="scope"):
        independent_steps(trained, one_each(trained, 1), config=IFRUConfig())
    with pytest.raises(DataError, match="at least one"):
        independent_steps(trained, [], config=IFRUConfig(scope=()))
    with pytest.raises(DataError, match="request 1 changes nothing"):
        independent_steps(trained, [*one_each(trained, 1), ForgetRequest()], config=IFRUConfig(scope=()))
    with pytest.raises(DataError, match="max_nodes is 5"):
        IFRUConfig(max_nodes=5)
    with pytest.raises(DataError, match="max_edges is 0"):
        IFRUConfig(scope=(), max_edges=0)


def test_after_warming_up_a_request_compiles_nothing(trained, compilations):
    config = IFRUConfig(scope=(), num_steps=7)
    warm, rungs = warm_up(trained, config=config, max_pairs=1024)
    assert rungs == 3
    for state, asked in ((trained, config), (warm, config), (warm, None)):
        with compilations() as compiled:
            forget(state, one_each(trained, 1)[0], config=asked)
        assert compiled == []
    with pytest.raises(DataError, match="only confined requests come in batches: set a scope"):
        warm_up(trained, batches=True)


@pytest.mark.parametrize("follow", [False, True])
def test_after_warming_up_a_request_to_all_rows_compiles_nothing(trained, compilations, follow):
    """Whatever it names, in whatever number; the model is as it was."""
    config = IFRUConfig(num_steps=7, segment_steps=9, follow=follow)
    warm, steps = warm_up(trained, config=config)
    assert steps == 1
    assert warm.params is trained.params
    data = trained.interactions
    pairs = np.stack([data.users, data.items], axis=1)
    for request in (
        ForgetRequest(users=np.array([3])),
        ForgetRequest(pairs=pairs[5:30]),
        ForgetRequest(items=np.array([7]), corrected=pairs[:1], labels=1 - data.labels[:1]),
    ):
        with compilations() as compiled:
            forget(warm, request)
        assert compiled == []


@pytest.mark.parametrize("trained", ["mf"], indirect=True)
def test_warming_up_names_what_it_was_wrongly_given(trained):
    with pytest.raises(DataError, match="trained is 3, a int: give what fit, load or unlearn returned"):
        warm_up(3)
    with pytest.raises(DataError, match="max_pairs is -1: give the interactions of the largest rung"):
        warm_up(trained, max_pairs=-1)


def test_a_model_of_a_single_interaction_has_nothing_to_be_asked():
    data = Interactions.from_arrays([0], [0], [1])
    model = mf(embedding_size=2)
    assert warm_up(Trained.of(model, model.init(jax.random.key(0), 1, 1), data))[1] == 0


@pytest.mark.parametrize("trained", ["lightgcn-2"], indirect=True)
def test_what_is_propagated_is_computed_once(trained, monkeypatch):
    module = sys.modules[Prepared.__module__]
    made, original = [], module.propagations_of

    def counted(*args):
        made.append(args)
        return original(*args)

    monkeypatch.setattr(module, "propagations_of", counted)
    state, _ = warm_up(trained, config=IFRUConfig(scope=(), num_steps=7), max_pairs=256)
    assert state.propagations.any
    for request in one_each(trained, 3):
        state, _ = forget(state, request)
        assert state.propagations.any
    assert len(made) == 1 + len(state.record.segments)
