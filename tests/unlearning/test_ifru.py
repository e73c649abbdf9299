"""The whole step: what it must leave alone, what it must change, and against a dense float64 twin."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import DataError, ForgetRequest, IFRUConfig, NumericsError, Status, Trained, unlearn
from ifru_jax.curvature import degree_metric, degrees_of
from ifru_jax.graph import Change, build_training_set
from ifru_jax.graph.subgraph import Bucket
from ifru_jax.influence import affected_interactions
from ifru_jax.influence.neighbourhoods import Around
from ifru_jax.solvers import SPECTRUM_RATIO
from ifru_jax.sparse import capacity_of
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.step import StepProblem, solve_step


def pairs_of(data, which):
    return ForgetRequest(pairs=np.stack([data.users[which], data.items[which]], axis=1))


def largest_difference(a, b):
    return max(float(jnp.abs(x - y).max()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_an_empty_request_returns_the_very_same_model(trained):
    for request in (ForgetRequest(), None):
        unlearned, report = unlearn(trained, request)
        assert unlearned is trained
        assert report.forgotten == 0
        assert report.status is Status.NOTHING_TO_FORGET


def test_unlearning_changes_the_data_and_the_graph(trained):
    data = trained.interactions
    which = np.arange(0, 40, 4)
    unlearned, report = forget(trained, pairs_of(data, which))
    assert report.forgotten == len(which)
    assert len(unlearned.interactions) == len(data) - len(which)
    fresh = build_training_set(
        unlearned.interactions,
        capacities=trained.training_set.capacities,
        with_graph=trained.model.num_hops > 0,
    )
    same = jax.tree.map(lambda a, b: bool((a == b).all()), fresh.graph, unlearned.training_set.graph)
    assert all(jax.tree.leaves(same))
    assert largest_difference(trained.params, unlearned.params) > 0
    assert report.influence.norm_direct > 0
    assert (report.influence.norm_spillover > 0) == (trained.model.num_hops > 0)
    assert report.seconds["total"] == pytest.approx(sum(v for k, v in report.seconds.items() if k != "total"))


def test_what_was_given_is_unchanged(trained):
    before = jax.tree.map(np.array, trained.params)
    forget(trained, pairs_of(trained.interactions, np.arange(5)))
    assert largest_difference(before, trained.params) == 0


def test_the_step_is_the_dense_formula(trained):
    """θ' − θ̂ = M^-½ f(M^-½ H M^-½) M^-½ b with H and b by brute force, in float64."""
    with jax.enable_x64(True):
        model, data, objective = trained.model, trained.interactions, trained.objective
        assert objective.reg == trained.config.reg
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), trained.params)
        which = np.arange(3, 60, 5)
        forgotten = np.zeros(len(data), bool)
        forgotten[which] = True
        old, new = build_training_set(data), build_training_set(data.select(~forgotten))

        gradient = jax.jit(lambda batch: jax.grad(lambda p: objective(p, batch))(params))

        flat, unravel = ravel_pytree(params)
        b = ravel_pytree(gradient(old.batch))[0] - ravel_pytree(gradient(new.batch))[0]

        def flat_objective(x):
            return objective(unravel(x), new.batch)

        H = jax.jit(jax.hessian(flat_objective))(flat)
        metric = degree_metric(params, model.tables, degrees_of(new.examples))
        root = ravel_pytree(jax.tree.map(lambda m, p: jnp.broadcast_to(m**-0.5, p.shape), metric, params))[0]
        t, V = jnp.linalg.eigh(root[:, None] * H * root[None, :])
        damping = float(-t[0] / SPECTRUM_RATIO["gradient-flow"])
        f = -jnp.expm1(-jnp.abs(t) / damping) / jnp.abs(t)
        expected = root * (V @ (f * (V.T @ (root * b))))

        everything = (jnp.ones(data.num_users, bool), jnp.ones(data.num_items, bool))
        config = IFRUConfig(num_steps=len(flat), damping=damping)
        step, solution = solve_step(config, StepProblem(objective, params, unravel(b), new.batch, everything, damping))
        np.testing.assert_allclose(ravel_pytree(step)[0], expected, rtol=1e-6, atol=1e-9 * float(jnp.abs(expected).max()))
        assert float(solution.predicted_decrease) > 0

    # The same through the public call, in float32 and after 20 steps.
    unlearned, _ = forget(trained, pairs_of(data, which), config=IFRUConfig(damping=damping, num_steps=20))
    actual = np.asarray(ravel_pytree(unlearned.params)[0] - ravel_pytree(trained.params)[0])
    assert np.linalg.norm(actual - np.asarray(expected)) < 0.05 * np.linalg.norm(np.asarray(expected))


@pytest.mark.parametrize("places", [np.arange(2, 30, 3), np.array([11]), np.arange(0, 120, 3)], ids=len)
def test_spillover_by_neighbourhoods_and_over_the_whole_graph_agree(trained, places):
    request = pairs_of(trained.interactions, places)
    ways = ("whole-graph", "neighbourhood", "auto")
    results = [forget(trained, request, config=IFRUConfig(spillover=way)) for way in ways]
    scale = results[0][1].norm_step
    for unlearned, report in results[1:]:
        assert largest_difference(results[0][0].params, unlearned.params) < 1e-3 * scale
        assert report.influence.norm_spillover == pytest.approx(results[0][1].influence.norm_spillover, rel=1e-4)


def test_rows_outside_the_scope_stay(trained):
    data = trained.interactions
    request = pairs_of(data, np.array([0, 1]))
    unlearned, report = forget(trained, request, config=IFRUConfig(scope=()))
    users, items = np.unique(data.users[:2]), np.unique(data.items[:2])
    changed_users = np.flatnonzero(np.any(unlearned.params["user_embedding"] != trained.params["user_embedding"], axis=1))
    changed_items = np.flatnonzero(np.any(unlearned.params["item_embedding"] != trained.params["item_embedding"], axis=1))
    np.testing.assert_array_equal(changed_users, users)
    np.testing.assert_array_equal(changed_items, items)
    assert (report.scope.users, report.scope.items) == (len(users), len(items))


def test_a_forgotten_user_leaves_a_row_of_zeros_and_no_id(trained):
    name = str(trained.interactions.user_ids[7])
    unlearned, report = unlearn(trained, users=[name])
    assert report.cleared_users == 1
    assert not np.any(unlearned.params["user_embedding"][7])
    assert unlearned.score_rows(np.full(5, 7), np.arange(5)) == pytest.approx(0)
    with pytest.raises(DataError, match=r"user-0007-secret is not in the data.*forgotten before are unknown"):
        unlearn(unlearned, users=[name])


def test_three_requests_one_after_the_other(trained):
    model = trained
    for first in (0, 20, 40):
        model, report = unlearn(model, pairs_of(model.interactions, np.arange(first, first + 6)))
        assert report.forgotten == 6
    assert len(model.interactions) == len(trained.interactions) - 18
    assert model.total == trained.total


def test_requests_one_by_one_come_out_as_all_at_once(trained):
    rng = np.random.default_rng(1)
    # Few of these few data: each step linearises anew, and the difference is of second order in how much is forgotten.
    which = rng.choice(len(trained.interactions), 10, replace=False)
    request = pairs_of(trained.interactions, which)
    # Enough products that what is compared is the step and not where its Krylov space was cut off.
    config = IFRUConfig(segment_steps=40, early_steps=40, segment_tolerance=1e-3)
    at_once, _ = forget(trained, request, config=config)
    model = trained
    for part in np.array_split(request.pairs, 10):
        model, _ = forget(model, ForgetRequest(pairs=part), config=config)
    move = np.linalg.norm(ravel_pytree(at_once.params)[0] - ravel_pytree(trained.params)[0])
    apart = np.linalg.norm(ravel_pytree(at_once.params)[0] - ravel_pytree(model.params)[0])
    assert apart < 0.15 * move


def test_order_of_the_data_does_not_matter(split, trained):
    shuffled = trained.interactions.select(np.random.default_rng(0).permutation(len(trained.interactions)))
    again = replace(trained, training_set=build_training_set(shuffled)).with_record(trained.record)
    request = pairs_of(trained.interactions, np.arange(9))
    np.testing.assert_array_equal(*(forget(t, request)[0].params["user_embedding"] for t in (trained, again)))


@pytest.mark.parametrize("solver", ["lanczos", "cg"])
@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_every_solver_forgets_and_says_how_it_ended(trained, solver, curvature):
    request = pairs_of(trained.interactions, np.arange(12))
    config = IFRUConfig(solver=solver, curvature=curvature, num_steps=60)
    unlearned, report = forget(trained, request, config=config)
    assert report.status.name in {"CONVERGED", "STEPS_SPENT", "SPACE_EXHAUSTED", "NEGATIVE_CURVATURE"}
    assert np.isfinite(ravel_pytree(unlearned.params)[0]).all()
    assert report.solve.predicted_decrease > 0


@pytest.mark.parametrize("way", ["whole-graph", "neighbourhood"])
def test_nothing_compiles_anew_for_another_request_of_the_same_bucket(trained, way, compilations):
    data, hops, config = trained.interactions, trained.model.num_hops, IFRUConfig(spillover=way)

    def bucket(which):
        change = Change.of(trained.training_set, pairs_of(data, which))
        affected = affected_interactions(change, num_hops=hops)
        if way == "whole-graph":
            return capacity_of(int(affected.sum()), least=1)
        return Bucket.of(Around.of(change, affected, num_hops=hops).part)

    slices = [np.arange(first, first + 9) for first in range(0, 120, 9)]
    first, *others = [which for which in slices if bucket(which) == bucket(slices[0])]
    assert len(others) >= 3
    forget(trained, pairs_of(data, first), config=config)
    with compilations() as compiled:
        for which in others[:3]:
            forget(trained, pairs_of(data, which), config=config)
    assert compiled == []


def test_the_counter_of_compilations_counts(compilations):
    with compilations() as compiled:
        jax.jit(lambda x: x * 2)(jnp.ones(3))
    assert compiled


def test_bad_requests(trained):
    data = trained.interactions
    with pytest.raises(DataError, match="nothing is left"):
        unlearn(trained, users=list(data.user_ids))
    with pytest.raises(DataError, match="nobody"):
        unlearn(trained, users=["nobody"])
    with pytest.raises(DataError, match="give one of the two"):
        unlearn(trained, ForgetRequest(), users=["user-0001-secret"])
    missing = next(i for i in range(data.num_items) if i not in data.items[data.users == 0])
    with pytest.raises(DataError, match="no interaction with item"):
        unlearn(trained, ForgetRequest(pairs=np.array([[0, missing]])))
    with pytest.raises(DataError, match=r"is not a \(user, item\) pair: give a list of them"):
        unlearn(trained, interactions=("user-0001-secret", "item-0001-secret"))
    with pytest.raises(DataError, match="4294967299"):
        ForgetRequest(users=np.array([2**32 + 3]))


def test_a_model_that_is_not_prepared_for_the_metric_is_prepared_first(trained):
    request = pairs_of(trained.interactions, np.arange(4))
    bare = Trained(trained.objective, trained.params, trained.training_set, trained.config).with_record(trained.record)
    late, report = forget(bare, request)
    assert "prepare" in report.seconds
    assert largest_difference(late.params, forget(trained, request)[0].params) == 0
    other, _ = forget(trained, request, config=IFRUConfig(metric_exponent=0.0))
    assert other.damping.exponent == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "num_steps is 0"),
        ({"damping": 0.0}, "must be positive"),
        ({"damping": float("nan")}, "positive"),
        ({"solver": "lancoz"}, "lanczos, cg"),
        ({"curvature": "exact"}, "hessian, gauss-newton"),
        ({"spillover": "wholegraph"}, "whole-graph"),
    ],
)
def test_bad_configurations(options, message):
    with pytest.raises(DataError, match=message):
        IFRUConfig(**options)


def test_parameters_that_are_not_finite_are_refused(trained):
    broken = trained.with_params(jax.tree.map(lambda x: x.at[0, 0].set(jnp.nan), trained.params))
    with pytest.raises(NumericsError, match="not finite"):
        forget(broken, pairs_of(trained.interactions, np.arange(5)))


def test_preparing_twice_is_preparing_once(trained):
    assert prepare(trained) is trained
    assert prepare(trained, config=trained.step) is trained
    other = IFRUConfig(num_steps=3)
    again = prepare(trained, config=other)
    assert again.step == other
    assert again.damping is trained.damping
    assert prepare(again) is again
    assert prepare(again, config=other) is again


def test_nothing_derived_from_other_parameters_is_kept(trained):
    confined = prepare(trained, config=IFRUConfig(scope=()))
    assert confined.propagations is not None
    moved = confined.with_params(jax.tree.map(lambda x: 2 * x, trained.params))
    assert type(moved) is Trained
    assert moved.objective is trained.objective
    assert moved.training_set is trained.training_set
    # Whoever takes the longer way keeps no propagations of what was.
    for stale in (replace(confined, params=moved.params), replace(confined, training_set=trained.training_set)):
        assert stale.propagations is None
        assert prepare(stale).propagations is not None
        assert prepare(stale).damping is trained.damping
