"""A model that comes without a record is given one: its training gone through again, along the straight way to where it ended."""

from itertools import pairwise

import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, ModelError, TrainConfig
from ifru_jax.graph import build_training_set
from ifru_jax.interop import Replay, replayed
from ifru_jax.interop.negatives import with_negatives
from ifru_jax.interop.replay import SEGMENTS, STAY, replayed_if_it_can_be
from ifru_jax.models import bias_mf
from ifru_jax.training import Objective, Squares, bpr
from ifru_jax.training.record import EPSILON, Record, Segment
from ifru_jax.unlearning import prepare
from tests.interop.conftest import drawn

ADAM, SGD = Replay("adam", 0.01, 32), Replay("sgd", 0.5, 1)


@pytest.fixture(scope="module")
def model():
    """Factors of who has what, so that interactions pull towards them."""
    found = drawn(count=200)
    data = with_negatives(found.with_labels(np.ones(len(found))), per_positive=2, popular=False)
    dense = np.zeros((40, 25))
    dense[found.users, found.items] = 1
    u, s, v = np.linalg.svd(dense - dense.mean())
    params = {"user_embedding": u[:, :4] * np.sqrt(s[:4]), "item_embedding": v[:4].T * np.sqrt(s[:4])}
    return ifru_jax.Trained.of(ifru_jax.mf(embedding_size=4), params, data, loss=bpr, config=TrainConfig(reg=0.0))


def flow_along(model, learning_rate):
    """ds/dt of plain gradient descent at some s, from the equation."""

    def speed(s):
        params = {name: s * value for name, value in model.params.items()}
        slope = model.objective.gradient(params, model.batch)
        size = sum(float((value**2).sum()) for value in model.params.values())
        return -learning_rate * sum(float((slope[name] * value).sum()) for name, value in model.params.items()) / size

    return speed


def test_a_slow_part_of_the_way_takes_long(model):
    """By an integration of its own, in steps of a hundredth."""
    found = replayed(model, SGD).record
    speed, times = flow_along(model, 0.5), [0.0]
    way = np.arange(0.05, 1.005, 0.01)
    speeds = np.array([speed(s) for s in way])
    speeds = np.maximum(speeds, 0.05 * speeds.max())
    for a, b in pairwise(speeds):
        times.append(times[-1] + 0.01 * 2 / (a + b))
    steps = (1 + STAY) * times[-1]
    assert found.steps == pytest.approx(steps, rel=0.05)
    middles = (np.arange(SEGMENTS) + 0.5) / SEGMENTS * steps
    for place, segment in zip(np.interp(middles, times, way), found.segments, strict=True):
        for name, value in model.params.items():
            np.testing.assert_allclose(segment.params[name], place * value, rtol=0.1, atol=1e-6)
            np.testing.assert_allclose(segment.applied[name], 0.5)
    assert not found.adaptive


def test_adam_divides_by_what_it_saw(model):
    """In batches of everything by the size of the gradient itself; in small ones by the scatter of them, too, which is more."""
    whole, small = (replayed(model, Replay("adam", 0.01, batch)).record for batch in (200, 1))
    assert whole.batch_size == 600  # a positive with its negatives
    for segment in whole.segments:
        slope = model.objective.gradient(segment.params, model.batch)
        for name, value in slope.items():
            expected = np.where(value == 0, 0, 0.01 / (np.abs(value) + EPSILON))
            np.testing.assert_allclose(segment.applied[name], expected, rtol=1e-2)
    assert small.segments[0].applied["user_embedding"].max() < whole.segments[0].applied["user_embedding"].max()
    assert whole.adaptive


def test_a_slower_training_takes_more_steps_to_the_same_place(model):
    fast, slow = (replayed(model, Replay("sgd", rate, 1)).record for rate in (0.5, 0.05))
    assert slow.steps == pytest.approx(10 * fast.steps, rel=1e-5)
    answers = [ifru_jax.unlearn(prepare(model).with_record(of), users=[7])[0] for of in (fast, slow)]
    for name, value in answers[0].params.items():
        np.testing.assert_allclose(value, answers[1].params[name], rtol=1e-3, atol=1e-5)


def test_requests_follow_it_and_leave_no_trace_in_it(model, tmp_path):
    ready = replayed(model, SGD)
    unlearned, report = ifru_jax.unlearn(ready, users=[7])
    assert report.cleared_users == 1
    assert report.norm_step != ifru_jax.unlearn(prepare(model), users=[7])[1].norm_step
    assert not any(np.asarray(segment.params["user_embedding"])[7].any() for segment in unlearned.record.segments)
    ifru_jax.save(unlearned, tmp_path / "model.npz")
    again = ifru_jax.load(tmp_path / "model.npz")
    assert not again.record.adaptive
    after = [ifru_jax.unlearn(one, users=[8])[0].params["item_embedding"] for one in (unlearned, again)]
    np.testing.assert_array_equal(*after)


def test_what_gradient_descent_applies_does_not_follow_what_it_sees():
    """Along the way that it really took, the step is what descending without the interactions comes to."""
    data, rng = drawn(), np.random.default_rng(0)
    data = data.with_labels(np.ones(len(data), np.float32))
    model = ifru_jax.mf(embedding_size=3)
    start = {"user_embedding": rng.normal(size=(40, 3)) * 0.3, "item_embedding": rng.normal(size=(25, 3)) * 0.3}
    start = {name: value.astype(np.float32) for name, value in start.items()}
    objective, rate, steps, parts = Objective(model, Squares(), float(len(data)), 0.0), 2.0, 60, 6

    def descended(of):
        batch, params, middles = build_training_set(of).batch, dict(start), []
        for step in range(steps):
            if step % (steps // parts) == steps // parts // 2:
                middles.append(params)
            slope = objective.gradient(params, batch)
            params = {name: value - rate * slope[name] for name, value in params.items()}
        return params, middles

    gone = np.isin(np.arange(len(data)), np.arange(0, 200, 25))
    whole, middles = descended(data)
    rest, _ = descended(data.select(~gone))
    trained = ifru_jax.Trained.of(model, whole, data, loss=Squares(), config=TrainConfig(reg=0.0))
    applied = {name: np.full_like(value, rate) for name, value in start.items()}
    segments = tuple(Segment(params, applied, steps / parts) for params in middles)
    errors = []
    for adaptive in (False, True):
        record = Record(segments, 1, data.select(slice(0)), adaptive=adaptive)
        asked = np.stack([data.users[gone], data.items[gone]], axis=1)
        unlearned, _ = ifru_jax.unlearn(prepare(trained).with_record(record), ifru_jax.ForgetRequest(asked))
        apart = [np.linalg.norm(unlearned.params[name] - rest[name]) / np.linalg.norm(whole[name] - rest[name]) for name in rest]
        errors.append(max(apart))
    assert errors[0] < 0.03
    assert errors[1] > 5 * errors[0]


def test_where_there_is_no_way_there_is_no_record(model):
    """Networks are nothing on the way; and rows that interactions push apart are not where a training on them led."""
    network = bias_mf(embedding_size=2)
    params = {"user_embedding": np.ones((40, 2)), "item_embedding": np.ones((25, 2)), "global_bias": np.zeros(())}
    params |= {"user_bias": np.zeros(40), "item_bias": np.zeros(25)}
    beside = ifru_jax.Trained.of(network, params, model.interactions, loss=bpr)
    turned = model.with_params({name: (1 if name[0] == "u" else -1) * value for name, value in model.params.items()})
    for wrong, words in ((beside, "beside its tables .global_bias"), (turned, "pull the model nowhere")):
        with pytest.raises(ModelError, match=words):
            replayed(wrong, ADAM)
        assert replayed_if_it_can_be(wrong, ADAM).record is None
    assert replayed_if_it_can_be(model, None).record is None
    for wrong in ("x", None):
        with pytest.raises(DataError, match="exact models need no record"):
            replayed(wrong, ADAM)
        with pytest.raises(DataError, match="say how its source trained"):
            replayed(model, wrong)


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "optimiser"])
def test_numbers_without_meaning_are_refused(name):
    plain = {"optimiser": "adam", "learning_rate": 0.01, "batch_size": 32}
    for value in (0, -1, None, "x", np.nan, *(() if name == "learning_rate" else (1.5,))):
        with pytest.raises(DataError, match=name):
            Replay(**(plain | {name: value}))
