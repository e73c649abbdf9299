"""The step along the training: against dense segments, against a training that is known exactly, and its record after requests."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import DataError, ForgetRequest, IFRUConfig, TrainConfig, bpr, lightgcn, load, mf, save
from ifru_jax.graph import Change
from ifru_jax.training import Objective, Pointwise, Trained, train
from ifru_jax.training.record import Boundary, Recorder, Segment
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.along import along_training, forgotten_share
from tests.unlearning.conftest import CONFIG


@pytest.fixture(scope="module", params=["mf", "lightgcn-1"])
def recorded(request, split):
    model = mf(embedding_size=4, init_std=0.1) if request.param == "mf" else lightgcn(embedding_size=4, init_std=0.1)
    return train(jax.random.key(0), model, split, replace(CONFIG, record=3))


def some(trained, count, seed=0):
    data = trained.interactions
    places = np.random.default_rng(seed).choice(len(data), count, replace=False)
    return ForgetRequest(pairs=np.stack([data.users[places], data.items[places]], axis=1))


def test_recording_changes_nothing_and_covers_the_training(recorded, split):
    plain = train(jax.random.key(0), recorded.model, split, CONFIG)
    for name, value in plain.params.items():
        np.testing.assert_allclose(recorded.params[name], value, rtol=1e-4, atol=1e-6)
    assert plain.record == ()
    assert len(recorded.record) == 3
    steps_per_epoch = -(-len(split.train) // CONFIG.batch_size)
    assert sum(float(segment.steps) for segment in recorded.record) % steps_per_epoch == 0
    for segment in recorded.record:
        for name, applied in segment.applied.items():
            assert np.isfinite(applied).all()
            # Adam goes no further in a step than its rate, for a gradient like those it sees.
            assert (np.asarray(applied) >= 0).all(), name


def test_boundaries_are_few_however_long_a_training_is():
    recorder, nothing = Recorder(2), {"a": jnp.zeros(1)}
    for epoch in range(100):
        grown = {"a": jnp.full(1, float(epoch))}
        recorder.add(Boundary(epoch, grown, grown, {"a": jnp.full(1, 2.0 * epoch)}))
        assert len(recorder.kept) <= 9
    first, second = recorder.record(Boundary(90, nothing, {"a": jnp.full(1, 90.0)}, {"a": jnp.full(1, 180.0)}), 10)
    assert float(first.steps) + float(second.steps) == 900
    assert abs(float(first.params["a"][0]) - 22.5) < 16
    np.testing.assert_allclose([first.applied["a"], second.applied["a"]], 0.5)


def test_one_segment_is_the_dense_formula(recorded):
    with jax.enable_x64(True):
        wide = Trained.of(recorded.model, recorded.params, recorded.interactions, config=recorded.config)
        segment = recorded.record[-1]
        segment = Segment(*(jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), part) for part in (segment.params, segment.applied)), segment.steps)  # fmt: skip  # noqa: E501
        change = Change.of(wide.training_set, some(wide, 8))
        objective, flat_params = wide.objective, ravel_pytree(segment.params)
        theta, unravel = flat_params
        delta, _, _ = along_training(objective, (segment,), change, num_steps=len(theta))

        def value(of):
            return lambda x: objective(unravel(x), of.batch)

        b = jax.grad(value(change.before))(theta) - jax.grad(value(change.after))(theta)
        share = forgotten_share(objective, segment.params, *touched(change), jax.random.key(0))
        applied = jax.tree.map(lambda p, s: p / jnp.sqrt(1 - s), segment.applied, share)
        scale = jnp.sqrt(float(segment.steps) * ravel_pytree(applied)[0])
        values, vectors = jnp.linalg.eigh(scale[:, None] * jax.hessian(value(change.after))(theta) * scale[None, :])
        gains = jnp.where(jnp.abs(values) < 1e-12, 1.0, -jnp.expm1(-jnp.abs(values)) / jnp.abs(values))
        expected = scale * (vectors @ (gains * (vectors.T @ (scale * b))))
        np.testing.assert_allclose(ravel_pytree(delta)[0], expected, atol=1e-8 * float(jnp.abs(expected).max()))


def touched(change):
    from ifru_jax.graph import Batch
    from ifru_jax.influence import touched_terms

    return Batch(touched_terms(change)[0], change.before.graph), change.before.batch


@dataclass(frozen=True)
class Linear(Pointwise):
    """−y s: its gradient in a table that only shifts the scores is constant."""

    def terms(self, logits, labels):
        return 0.5 * jnp.square(logits - labels)


class Biases:
    """s = b_u + c_i: squares of it are a quadratic objective."""

    num_hops, history_length = 0, 0
    tables = {"user": "user", "item": "item"}  # noqa: RUF012

    def init(self, key, num_users, num_items):
        return {"user": jnp.zeros(num_users), "item": jnp.zeros(num_items)}

    def score(self, params, pairs, graph):
        return params["user"][pairs.users] + params["item"][pairs.items]


def test_a_quadratic_that_descends_its_gradient_is_followed_exactly(split):
    """Small steps are a flow, and of a flow on a quadratic the filter is the whole truth."""
    with jax.enable_x64(True):
        model, rate, steps = Biases(), 2e-4, 4000
        data = split.train
        start = model.init(jax.random.key(0), data.num_users, data.num_items)
        trained = Trained.of(model, start, data, config=TrainConfig(reg=1e-3), loss=Linear())
        change = Change.of(trained.training_set, some(trained, 15))
        objective = replace(trained.objective, total=5.0)  # so that it goes somewhere

        @jax.jit
        def descended(batch):
            move = lambda _, p: jax.tree.map(lambda x, g: x - rate * g, p, objective.gradient(p, batch))  # noqa: E731
            return jax.lax.fori_loop(0, steps, move, start)

        with_all, without = (descended(of.batch) for of in (change.before, change.after))
        middle = with_all
        segment = Segment(middle, jax.tree.map(lambda x: jnp.full_like(x, rate), start), float(steps))
        # No preconditioner learned from the gradients: φ is none of its business.
        delta = plain_step(objective, segment, change)
        truth = jax.tree.map(jnp.subtract, without, with_all)
        size = float(jnp.linalg.norm(ravel_pytree(truth)[0]))
        assert size > 0.05
        # b is taken at the end, where the two forces differ by what they do along the way: one half of a percent here.
        assert float(jnp.linalg.norm(ravel_pytree(jax.tree.map(jnp.subtract, delta, truth))[0])) < 0.35 * size


def plain_step(objective, segment, change):
    from ifru_jax.influence import right_hand_side
    from ifru_jax.unlearning.along import _segment_step

    rhs, _ = right_hand_side(objective, segment.params, change)
    zero = jax.tree.map(jnp.zeros_like, segment.params)
    return _segment_step(len(ravel_pytree(zero)[0]), objective, segment, rhs, zero, change.after.batch)[0]
