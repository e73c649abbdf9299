"""What every way to unlearn must keep to, IFRU and its rivals alike."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import ForgetRequest, ModelError, Status, TrainConfig, lightgcn, mf
from ifru_jax.baselines import (
    GIF,
    SCIF,
    SISA,
    BudgetConfig,
    Finetune,
    GIFConfig,
    Gradient,
    GradientAscent,
    IFRUAuthors,
    IFRUAuthorsConfig,
    RecEraser,
    Retrain,
    RetrainState,
    WarmRetrain,
)
from ifru_jax.errors import NotApplicable
from ifru_jax.training import train
from ifru_jax.unlearning import IFRU
from ifru_jax.unlearning.in_parts import forget_in_parts

pytestmark = pytest.mark.slow

MODEL, OTHER = lightgcn(num_layers=1, embedding_size=4, init_std=0.1), mf(embedding_size=3)
CONFIG = TrainConfig(learning_rate=1e-2, batch_size=128, reg=1e-4, epochs=4)
STEPS = BudgetConfig(seconds=None, num_steps=3)
KEY = jax.random.key(5)
METHODS = {
    "ifru": lambda valid: IFRU(MODEL, CONFIG),
    "retrain": lambda valid: Retrain(MODEL, CONFIG),
    "warm-retrain": lambda valid: WarmRetrain(MODEL, CONFIG),
    "sisa": lambda valid: SISA(MODEL, CONFIG, num_shards=3),
    "receraser": lambda valid: RecEraser(MODEL, CONFIG, num_shards=3),
    "scif": lambda valid: SCIF(MODEL, CONFIG),
    "gif": lambda valid: GIF(MODEL, CONFIG, GIFConfig(damping=None)),
    "gradient": lambda valid: Gradient(MODEL, CONFIG),
    "gradient-ascent": lambda valid: GradientAscent(MODEL, CONFIG, STEPS),
    "finetune": lambda valid: Finetune(MODEL, CONFIG, STEPS),
    "ifru-authors": lambda valid: IFRUAuthors(
        MODEL, CONFIG, valid=valid, config=IFRUAuthorsConfig(learning_rates=(1.0, 10.0), swap_graph=True)
    ),
}


@pytest.fixture(scope="module")
def whole(split):
    return train(KEY, MODEL, split, CONFIG)


@pytest.fixture(scope="module", params=METHODS)
def case(request, split, whole):
    """Name, method, and its state before any request: of a model that is there, where it can take one over."""
    method = METHODS[request.param](split.valid)
    state = method.prepare(whole, split, KEY) if hasattr(method, "prepare") else method.fit(KEY, split)
    return request.param, method, state


@pytest.fixture(scope="module")
def forgetting(split):
    """A whole user, and some interactions of others."""
    data = split.train
    others = np.flatnonzero(data.users != 7)[::80]
    return ForgetRequest(users=np.array([7]), pairs=np.stack([data.users[others], data.items[others]], axis=1))


def correcting(data):
    places = np.arange(5, len(data), 100)
    return ForgetRequest(corrected=np.stack([data.users[places], data.items[places]], axis=1), labels=1 - data.labels[places])


def as_json(report):
    return json.loads(json.dumps(report.as_dict(), allow_nan=False))


def data_of(name, state):
    if name in ("retrain", "warm-retrain"):
        return state.trained.interactions
    return {"sisa": lambda: state, "receraser": lambda: state.shards}.get(name, lambda: state)().interactions


def ordered(data):
    order = np.lexsort((data.items, data.users))
    return data.users[order], data.items[order], data.labels[order]


def test_an_empty_request_returns_the_very_same_state(case, split):
    _, method, state = case
    after, report = method.forget(state, ForgetRequest())
    assert after is state
    assert report.status is Status.NOTHING_TO_FORGET
    assert (report.forgotten, report.corrected, report.retained) == (0, 0, len(split.train))
    assert as_json(report)["status"] == "NOTHING_TO_FORGET"


def test_a_state_of_another_model_is_refused(case, split, whole, forgetting):
    _, method, state = case
    other = replace(method, model=OTHER)
    for request in (forgetting, ForgetRequest()):
        with pytest.raises(ModelError, match="build the method for that model"):
            other.forget(state, request)
    with pytest.raises(ModelError, match="build the method for that model"):
        other.served(state)
    if hasattr(method, "prepare"):
        with pytest.raises(ModelError, match="build the method for that model"):
            other.prepare(whole, split, KEY)


def test_what_is_served_scores_pairs_and_grids_alike(case, split):
    _, method, state = case
    served, users, items = method.served(state), np.array([0, 3, 11]), np.arange(split.train.num_items)
    grid = np.asarray(served.score_grid(users))
    assert grid.shape == (3, split.train.num_items)
    pairs = served.score_rows(np.repeat(users, len(items)), np.tile(items, 3))
    np.testing.assert_allclose(grid.ravel(), pairs, rtol=1e-5, atol=1e-6)
    assert np.ptp(grid) > 0


def test_reports_are_json_and_requests_follow_one_another(case, split, forgetting):
    name, method, state = case
    after, report = method.forget(state, forgetting)
    gone = forgetting.select(split.train)
    assert (report.forgotten, report.retained) == (gone.sum(), (~gone).sum())
    assert (report.cleared_users, report.corrected) == (1, 0)
    content = as_json(report)
    assert content["status"] in Status.__members__
    assert content["forgotten"] == gone.sum()
    assert content["seconds"]["total"] > 0
    for a, b in zip(ordered(data_of(name, after)), ordered(split.train.select(~gone)), strict=True):
        np.testing.assert_array_equal(a, b)
    again, report = method.forget(after, ForgetRequest(users=np.array([8])))
    assert report.cleared_users == 1
    as_json(report)
    assert np.isfinite(method.served(again).score_rows(np.arange(40), np.arange(40))).all()


def test_labels_are_corrected(case, split):
    name, method, state = case
    request = correcting(split.train)
    if name == "scif":
        with pytest.raises(NotApplicable, match="takes no corrections"):
            method.forget(state, request)
        return
    after, report = method.forget(state, request)
    assert (report.corrected, report.forgotten, report.retained) == (len(request.corrected), 0, len(split.train))
    assert as_json(report)["corrected"] == len(request.corrected)
    for a, b in zip(ordered(data_of(name, after)), ordered(request.applied(split.train)), strict=True):
        np.testing.assert_array_equal(a, b)
    users, items = request.corrected.T
    assert np.any(method.served(after).score_rows(users, items) != method.served(state).score_rows(users, items))


def test_retraining_in_parts(whole, split, forgetting):
    """Every part is a retraining; the report is of all."""
    method = Retrain(MODEL, CONFIG)

    def step(trained, part):
        state, report = method.forget(RetrainState(trained, split.valid, KEY), part)
        return state.trained, report

    after, report = forget_in_parts(whole, forgetting, 3, step)
    assert report.parts == 3
    assert report.status is Status.RETRAINED
    assert report.forgotten == forgetting.select(split.train).sum()
    assert report.retained == len(after.interactions)
    assert report.training.num_steps > 0
    assert as_json(report)["parts"] == 3


def test_every_status_says_what_it_means():
    messages = [status.message for status in Status]
    assert len(set(messages)) == len(messages) == 13
    assert all(message.endswith(".") for message in messages)
