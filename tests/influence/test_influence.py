"""direct + spillover = the difference of the two full gradients, on whole graphs and on neighbourhoods."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.data import Interactions
from ifru_jax.graph import Batch
from ifru_jax.influence import (
    affected_interactions,
    direct_influence,
    graph_influence,
    right_hand_side,
    right_hand_sides,
)
from ifru_jax.training import Objective, bce
from tests.graph.changes import Case, changes, count_matrix
from tests.influence.twins import LAYERS, assert_close, columns, dense_gradient, model, parameters

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, CAPACITY, REG = 6, 5, 16, 0.1
SIZES, CAPACITIES = {"num_users": USERS, "num_items": ITEMS}, (CAPACITY, CAPACITY)

CASES = changes(USERS, ITEMS, CAPACITY)
SEEDS = st.integers(0, 2**32 - 1)

direct = jax.jit(direct_influence)
whole_graph = jax.jit(graph_influence)


def both_parts(objective, params, change):
    """Direct and spillover over all of D_r."""
    touched, after = change.touched_examples
    first = direct(objective, params, Batch(touched, change.before.graph), after)
    return first, whole_graph(objective, params, change.after.batch, change.before.graph)


def difference(dense_scores, num_layers, params, case):
    """Of the two full gradients."""
    parts = (columns(data, CAPACITY) for data in (case.data, case.after))
    full = (dense_gradient(dense_scores, num_layers, bce, params, of, float(len(case.data))) for of in parts)
    return jax.tree.map(jnp.subtract, *full)


@pytest.mark.parametrize("num_layers", [*LAYERS, "shared"])
@given(case=CASES, seed=SEEDS)
@settings(max_examples=15)
def test_direct_and_spillover_are_the_difference_of_two_gradients(dense_scores, num_layers, case, seed):
    params, change = parameters(num_layers, seed, **SIZES), case.change(capacities=CAPACITIES)
    objective = Objective(model(num_layers), bce, float(len(case.data)), REG)
    first, spillover = both_parts(objective, params, change)
    assert_close(optax.tree.add(first, spillover), difference(dense_scores, num_layers, params, case))
    if num_layers == 0:
        jax.tree.map(lambda v: np.testing.assert_array_equal(v, 0), spillover)


@pytest.mark.parametrize("form", ["whole-graph", "neighbourhood"])
@pytest.mark.parametrize("num_layers", [*LAYERS, "shared"])
@given(case=CASES, seed=SEEDS)
@settings(max_examples=15)
def test_what_is_touched_and_affected_is_enough(dense_scores, num_layers, form, case, seed):
    """The sum over it alone, in either form, is that over all of the data; and its norms are reported."""
    params, change = parameters(num_layers, seed, **SIZES), case.change(capacities=CAPACITIES)
    objective = Objective(model(num_layers), bce, float(len(case.data)), REG)
    rhs, influence = right_hand_side(objective, params, change, spillover=form)
    assert_close(rhs, difference(dense_scores, num_layers, params, case))
    parts = both_parts(objective, params, change)
    assert_close(rhs, optax.tree.add(*parts))
    norms = influence.norm_direct, influence.norm_spillover, influence.norm_rhs
    np.testing.assert_allclose(norms, [optax.tree.norm(of) for of in (*parts, rhs)], rtol=1e-9, atol=1e-10)
    reached = change.moves_edges and num_layers != 0
    assert influence.spillover == (form if reached else "none")
    assert influence.affected == affected_interactions(change, num_hops=model(num_layers).num_hops).sum()


@pytest.mark.parametrize("form", ["auto", "neighbourhood"])
@pytest.mark.parametrize("num_layers", [2, "shared"])
def test_several_requests_are_each_as_if_alone(num_layers, form):
    """Of one interaction and of half of them, with edges that go and that come, and with none that does."""
    rng = np.random.default_rng(0)
    place = np.sort(rng.choice(USERS * ITEMS, CAPACITY, replace=False))
    labels, flipped = rng.integers(0, 2, CAPACITY).astype(np.float32), rng.random((3, CAPACITY)) < 0.3
    data = Interactions(place // ITEMS, place % ITEMS, labels, USERS, ITEMS)
    nobody = np.zeros(CAPACITY, bool)
    cases = [Case(data, np.arange(CAPACITY) == k, labels) for k in range(CAPACITY)]
    cases += [Case(data, nobody, np.where(of, 1 - labels, labels)) for of in flipped]
    cases.append(Case(data, np.arange(CAPACITY) % 2 == 0, labels))
    changes = [case.change(capacities=CAPACITIES) for case in cases]
    objective, params = Objective(model(num_layers), bce, float(CAPACITY), REG), parameters(num_layers, 1, **SIZES)
    found = list(right_hand_sides(objective, params, changes, spillover=form))
    assert len(found) == len(changes)
    for (rhs, influence), change in zip(found, changes, strict=True):
        alone, expected = right_hand_side(objective, params, change, spillover="whole-graph")
        assert_close(rhs, alone)
        assert influence.affected == expected.affected
        np.testing.assert_allclose(influence.norm_rhs, expected.norm_rhs, rtol=1e-9)


@pytest.mark.parametrize("num_layers", [0, 2])
def test_the_ablation_leaves_the_spillover_out(num_layers):
    data = Interactions(np.array([0, 1, 1]), np.array([0, 0, 1]), np.ones(3), USERS, ITEMS)
    change = Case(data, np.arange(3) == 0, data.labels).change(capacities=CAPACITIES)
    objective, params = Objective(model(num_layers), bce, 3.0, REG), parameters(num_layers, 0, **SIZES)
    rhs, influence = right_hand_side(objective, params, change, spillover="none")
    assert_close(rhs, both_parts(objective, params, change)[0])
    assert (influence.spillover, influence.affected, influence.norm_spillover) == ("none", 0, 0)


def changed_interactions(dense_scores, num_layers, case, seed):
    """bool [n]: retained interactions whose score the change of the graph changes."""
    data, counts = case.data, (count_matrix(case.data), count_matrix(case.after))
    moved = np.zeros(len(data))
    for k in range(2):  # a change is zero by chance for no two draws of the parameters
        params = parameters(num_layers, (seed, k), **SIZES)
        scores = [dense_scores(params["user_embedding"], params["item_embedding"], c, num_layers) for c in counts]
        moved = np.maximum(moved, np.abs(np.asarray(scores[0] - scores[1]))[data.users, data.items])
    return ~case.gone & (moved > 1e-12)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@given(case=CASES, seed=SEEDS)
@settings(max_examples=20)
def test_every_interaction_whose_score_changes_is_affected(dense_scores, num_layers, case, seed):
    affected = affected_interactions(case.change(), num_hops=num_layers)
    assert affected[changed_interactions(dense_scores, num_layers, case, seed)].all()
    assert not affected[case.gone].any()


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("way", ["edges go", "edges come"])
@given(case=changes(USERS, ITEMS, CAPACITY, unique=True), seed=SEEDS)
@settings(max_examples=20)
def test_no_other_is_affected_in_a_graph_without_duplicates(dense_scores, num_layers, way, case, seed):
    """With duplicates it may be: an edge that stands twice and alone weighs 1, before and after one of the two goes.

    So it may where a node loses one edge and gains another: its other edges weigh what they did.
    """
    comes = (case.data.labels <= 0.5) & (case.labels > 0.5)
    goes = (case.data.labels > 0.5) & ((case.labels <= 0.5) | case.gone)
    kept = ~(comes if way == "edges go" else goes)
    case = Case(case.data, case.gone & kept, np.where(kept, case.labels, case.data.labels))
    np.testing.assert_array_equal(
        affected_interactions(case.change(), num_hops=num_layers), changed_interactions(dense_scores, num_layers, case, seed)
    )


@given(case=CASES)
@settings(max_examples=20)
def test_nothing_is_affected_without_a_graph_or_a_changed_edge(case):
    assert not affected_interactions(case.change(), num_hops=0).any()
    data, same = case.data, (case.data.labels > 0.5) == (case.labels > 0.5)
    apart = Case(data, case.gone & (data.labels < 0.5), np.where(same, case.labels, data.labels))
    assert not affected_interactions(apart.change(), num_hops=3).any()


@pytest.mark.parametrize("comes", [False, True])
def test_one_edge_reaches_as_far_as_there_are_layers(comes):
    """A path u0 - i0 - u1 - i1 - u2 - i2 whose first edge goes, or comes."""
    users, items = np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2])
    first = np.arange(5) == 0
    data = Interactions(users, items, np.where(first & comes, 0, 1), 3, 3)
    change = Case(data, first & (not comes), np.ones(5, np.float32)).change()
    reached = [affected_interactions(change, num_hops=n).tolist() for n in (1, 2, 3)]
    assert reached[0] == [comes, True, True, False, False]
    assert reached[1] == [comes, True, True, True, False]
    assert reached[2] == [comes, True, True, True, True]
