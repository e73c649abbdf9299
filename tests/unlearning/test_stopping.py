"""Where training would have stopped: the flow against its dense formula, the top of the metric, and when nothing is said."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import mf
from ifru_jax.training import Trained, train
from ifru_jax.unlearning import prepare, stopping
from ifru_jax.unlearning.stopping import gone_on, peak
from tests.unlearning.conftest import CONFIG


@pytest.fixture(scope="module")
def recorded(split):
    trained = train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), split, CONFIG)
    # The same pairs again and again: what they say is the same, and there are enough of them.
    many = split.valid.select(np.tile(np.arange(len(split.valid)), 8))
    return trained.with_record(replace(trained.record, valid=many))


@pytest.mark.parametrize("share", [0.1, -0.05, 0.0])
def test_the_flow_goes_where_its_dense_formula_says(recorded, monkeypatch, share):
    with jax.enable_x64(True):
        monkeypatch.setattr(stopping, "PRODUCTS", 400)
        jax.clear_caches()
        wide = Trained.of(recorded.model, recorded.params, recorded.interactions, config=recorded.config)
        # A copy, so that pairs in double precision don't stay with the other tests.
        record, (theta, unravel) = replace(recorded.record), ravel_pytree(wide.params)
        found = peak(wide.objective, wide.params, record, wide.training_set)
        scale = jnp.sqrt(record.steps * ravel_pytree(record.segments[-1].applied)[0].astype(jnp.float64))

        def value(x):
            return wide.objective(unravel(x), wide.batch)

        t, vectors = jnp.linalg.eigh(scale[:, None] * jax.jit(jax.hessian(value))(theta) * scale[None, :])
        size = abs(share)
        gains = -jnp.expm1(-jnp.abs(t) * size) / jnp.abs(t) * jnp.exp(jnp.clip(-t * size, 0, 1))
        expected = -np.sign(share) * scale * (vectors @ (gains * (vectors.T @ (scale * jax.jit(jax.grad(value))(theta)))))
        np.testing.assert_allclose(ravel_pytree(found.flow.after(share))[0], expected, atol=1e-8)
    jax.clear_caches()


def test_where_nothing_changed_nothing_goes_on(recorded):
    state = prepare(recorded)
    assert -0.05 <= state.record.peak <= 0.4
    step, record = gone_on(state.objective, state.params, state.record, state.training_set)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(step))
    assert record.steps == state.record.steps


def test_training_goes_on_by_the_difference_of_the_peaks_and_the_record_is_longer(recorded):
    state = prepare(recorded)
    now = peak(state.objective, state.params, state.record, state.training_set)
    before = replace(state.record, peak=now.share - 0.15)
    step, record = gone_on(state.objective, state.params, before, state.training_set)
    share = 0.15 - len(before.valid) ** -0.5
    for name, leaf in now.flow.after(share).items():
        np.testing.assert_allclose(step[name], leaf, rtol=1e-5, atol=1e-7)
    assert record.steps == pytest.approx((1 + share) * before.steps)


def test_few_pairs_and_pairs_of_one_label_say_nothing(recorded):
    few = replace(recorded.record, valid=recorded.record.valid.select(np.arange(stopping.LEAST_PAIRS - 1)))
    alike = replace(recorded.record, valid=recorded.record.valid.with_labels(np.ones(len(recorded.record.valid))))
    for record in (few, alike):
        assert peak(recorded.objective, recorded.params, record, recorded.training_set) is None
        assert prepare(recorded.with_record(record)).record.peak is None


def test_the_top_is_that_of_the_parabola_and_stays_in_sight():
    places = np.array([-0.05, 0.0, 0.05, 0.1, 0.2])
    assert stopping._top(places, -np.square(places - 0.03)) == pytest.approx(0.03)
    assert stopping._top(places, places) == 0.2
    assert stopping._top(places, -places) == -0.05
    assert stopping._top(places, np.array([0.0, np.nan, 1.0, 0.5, np.nan])) in places
