"""direct + spillover = the difference of two full gradients for losses that compare, and for a term of the model's own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import FullSoftmax, WithAuxiliary, bpr, lightgcn, softmax, wmse
from ifru_jax.graph import build_training_set
from ifru_jax.influence import direct_influence, gradient_change
from ifru_jax.training.objectives import objective
from ifru_jax.unlearning.ifru import terms_of
from tests.training.test_losses import ITEMS, USERS, grouped

pytestmark = pytest.mark.usefixtures("float64")

MODEL = lightgcn(num_layers=1, embedding_size=2)
CAPACITY = 32


def pull(params, graph):
    """A term that reads the graph: neighbours should be alike."""
    return jnp.sum(jnp.square(params["user_embedding"] - graph.to_users(params["item_embedding"])))


LOSSES = [wmse, bpr, softmax, FullSoftmax(), WithAuxiliary(bpr, pull, 0.3)]


@partial(jax.jit, static_argnums=0)
def both(loss, params, before, after, gone, remaining, total):
    def full(of):
        return jax.grad(lambda p: objective(MODEL, loss, p, *of, total=total, reg=0.1))(params)

    direct = direct_influence(MODEL, loss, params, gone, before[1], total=total, remaining=remaining)
    spillover = gradient_change(MODEL, loss, params, after[0], before[1], after[1], total=total)
    return jax.tree.map(jnp.add, direct, spillover), jax.tree.map(jnp.subtract, full(before), full(after))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.1, 0.5]))
@settings(max_examples=10)
def test_direct_and_spillover_are_the_difference_of_two_gradients(loss, seed, share):
    rng = np.random.default_rng(seed)
    data = grouped(seed, flipped=True)
    whole = build_training_set(data, capacity=CAPACITY, graph_capacity=CAPACITY, with_groups=loss.grouped)
    forgotten = rng.random(len(data)) < share  # any members: whole groups, negatives alone, leaders alone
    forgotten[0] |= not forgotten.any()
    shapes = {"user_embedding": (USERS, 2), "item_embedding": (ITEMS, 2)}
    params = {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
    rest = whole.without(forgotten)
    gone, remaining = terms_of(whole, forgotten, capacity=CAPACITY)
    parts = ((of.examples, of.graph) for of in (whole, rest))
    got, expected = both(loss, params, *parts, gone, remaining, float(len(data)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), got, expected)
