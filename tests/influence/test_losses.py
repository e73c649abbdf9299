"""direct + spillover = the difference of two full gradients for losses that compare, and for a term of the model's own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import bpr
from ifru_jax.graph import Batch, build_training_set
from ifru_jax.influence import direct_influence, graph_influence, right_hand_side
from ifru_jax.training import FullSoftmax, Objective, PerUser, WithAuxiliary, WithDecay, softmax, wmse
from tests.graph.changes import Case
from tests.influence.twins import LAYERS, assert_close, columns, dense_gradient, model, parameters
from tests.training.test_losses import CAPACITY, ITEMS, USERS, grouped

pytestmark = pytest.mark.usefixtures("float64")

REG = 0.1
SIZES = {"num_users": USERS, "num_items": ITEMS}
SEEDS, SHARES = st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5])


def pull(params, graph):
    """A term that reads the graph: neighbours should be alike."""
    return jnp.sum(jnp.square(params["user_embedding"] - graph.to_users(params["item_embedding"])))


LOSSES = [wmse, bpr, softmax, FullSoftmax(), WithAuxiliary(bpr, pull, 0.3), WithDecay(bpr, 0.3), WithDecay(wmse, 0.3)]
LOSSES += [PerUser(WithDecay(bpr, 0.3)), PerUser(wmse)]


def a_case(seed, share):
    """Any members leave: whole groups, negatives alone, leaders alone; of others all labels turn, or that of the leader."""
    rng, data = np.random.default_rng(seed), grouped(seed, flipped=True)
    data = data.select(np.lexsort((data.items, data.users)))
    gone = rng.random(len(data)) < share
    labels = data.labels.copy()
    for group in np.unique(data.groups):
        members = data.groups == group
        positive = members & (data.labels > 0.5)
        leader = positive if positive.sum() == 1 else members & ~positive
        turned = (members, leader, np.zeros(len(data), bool))[rng.integers(3)]
        labels[turned] = 1 - labels[turned]
    gone[0] |= not (gone.any() or (labels != data.labels).any())
    return Case(data, gone, np.where(gone, data.labels, labels))


def options_for(loss):
    return {"capacities": (CAPACITY, CAPACITY), "with_groups": loss.grouped}


@jax.jit
def both(objective, params, before, touched, left):
    """Direct and spillover, over all of D_r."""
    direct = direct_influence(objective, params, Batch(touched[0], before.graph), touched[1])
    return optax.tree.add(direct, graph_influence(objective, params, left, before.graph))


@jax.jit
def difference(objective, params, before, after):
    return optax.tree.sub(objective.gradient(params, before), objective.gradient(params, after))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@given(seed=SEEDS, share=SHARES)
@settings(max_examples=10)
def test_direct_and_spillover_are_the_difference_of_two_gradients(loss, seed, share):
    case, params = a_case(seed, share), parameters(1, seed, **SIZES)
    change, rest = case.change(**options_for(loss)), build_training_set(case.after, **options_for(loss))
    objective = Objective(model(1), loss, float(len(case.data)), REG)
    expected = difference(objective, params, change.before.batch, rest.batch)
    touched = change.touched_examples
    assert_close(both(objective, params, change.before.batch, touched, change.after.batch), expected)
    # Over what is touched and affected alone.
    assert_close(right_hand_side(objective, params, change, spillover="whole-graph")[0], expected)
    if loss.separable:
        assert_close(right_hand_side(objective, params, change, spillover="neighbourhood")[0], expected)


@pytest.mark.parametrize("num_layers", [*LAYERS, "shared"])
@pytest.mark.parametrize("loss", [bpr, softmax], ids=lambda loss: type(loss).__name__)
@given(seed=SEEDS, share=SHARES)
@settings(max_examples=6)
def test_losses_that_compare_against_dense_gradients(dense_scores, loss, num_layers, seed, share):
    case, params, total = a_case(seed, share), parameters(num_layers, seed, **SIZES), 20.0
    full = (dense_gradient(dense_scores, num_layers, loss, params, columns(of, CAPACITY), total) for of in (case.data, case.after))
    expected = jax.tree.map(jnp.subtract, *full)
    change, objective = case.change(**options_for(loss)), Objective(model(num_layers), loss, total, REG)
    touched = change.touched_examples
    assert_close(both(objective, params, change.before.batch, touched, change.after.batch), expected)
    for form in ("whole-graph", "neighbourhood"):
        assert_close(right_hand_side(objective, params, change, spillover=form)[0], expected)
