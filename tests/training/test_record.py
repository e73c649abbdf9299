"""The record of a training that is known step by step: minibatches of all data are the data, so NumPy can take Adam's steps too."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import TrainConfig, mf, random_split
from ifru_jax.training import train
from tests.unlearning.conftest import tastes

pytestmark = pytest.mark.usefixtures("float64")

SIZE, RATE, REG = 4, 0.02, 1e-3
MODEL = mf(embedding_size=SIZE, init_std=0.3)
CONFIG = TrainConfig(learning_rate=RATE, batch_size=10_000, reg=REG, patience=12)


def adam(start, data, steps):
    """(42): [(θ, Σ ā η / (√v̂ + ε), Σ |g|)] after 0, 1, … steps over all of the data, by name of the table."""
    theta = {name: np.asarray(value, np.float64) for name, value in start.items()}
    m, v, a, applied, size = ({name: np.zeros_like(value) for name, value in theta.items()} for _ in range(5))
    found = [(theta, applied, size)]
    for count in range(1, steps + 1):
        users, items = theta["user_embedding"][data.users], theta["item_embedding"][data.items]
        error = ((1 / (1 + np.exp(-np.sum(users * items, axis=1))) - data.labels) / len(data))[:, None]
        gradient = {name: REG * value for name, value in theta.items()}
        np.add.at(gradient["user_embedding"], data.users, error * items)
        np.add.at(gradient["item_embedding"], data.items, error * users)
        m = {name: 0.9 * m[name] + 0.1 * g for name, g in gradient.items()}
        v = {name: 0.999 * v[name] + 0.001 * g**2 for name, g in gradient.items()}
        rate = {name: RATE / (np.sqrt(one / (1 - 0.999**count)) + 1e-8) for name, one in v.items()}
        theta = {name: value - rate[name] * m[name] / (1 - 0.9**count) for name, value in theta.items()}
        a = {name: 0.9 * a[name] + 0.1 * np.abs(g) for name, g in gradient.items()}
        applied = {name: value + a[name] / (1 - 0.9**count) * rate[name] for name, value in applied.items()}
        size = {name: value + np.abs(gradient[name]) for name, value in size.items()}
        found.append((theta, applied, size))
    return found


def best_epoch(path, valid):
    """How many epochs of one step lead to the best AUC, of those that were run."""

    def auc(theta):
        scores = np.sum(theta["user_embedding"][valid.users] * theta["item_embedding"][valid.items], axis=1)
        return np.mean(scores[valid.labels > 0.5][:, None] > scores[valid.labels < 0.5])

    best, metric = 0, -1.0
    for epoch, (theta, _, _) in enumerate(path[1:], 1):
        if auc(theta) > metric:
            best, metric = epoch, auc(theta)
        if epoch - best >= CONFIG.patience:
            return best
    raise AssertionError("it goes on")


@pytest.mark.parametrize("sparse", [False, True])
def test_segments_are_those_of_the_training_up_to_its_best_epoch(sparse):
    split = random_split(tastes(58), stable=False)
    start = MODEL.init(jax.random.split(jax.random.key(0))[0], split.train.num_users, split.train.num_items)
    path = adam(start, split.train, 60)
    assert best_epoch(path, split.valid) == 48  # of sixty
    # Every batch has every row, so that both are one.
    trained = train(jax.random.key(0), MODEL, split, replace(CONFIG, sparse=sparse))
    np.testing.assert_allclose(trained.params["item_embedding"], path[48][0]["item_embedding"], atol=1e-9)
    assert trained.record.batch_size == CONFIG.batch_size
    assert len(trained.record.segments) == 3

    def at(step, part, name):
        """Between boundaries, of which there is one after every second step, it goes evenly."""
        low = 2 * int(step / 2)
        return path[low][part][name] + (step - low) / 2 * (path[low + 2][part][name] - path[low][part][name])

    ends = [0, 9.6, 28.8, 48]  # the first is half as long as the others
    for segment, low, high in zip(trained.record.segments, ends, ends[1:], strict=False):
        assert float(segment.steps) == pytest.approx(high - low)
        for name in start:
            np.testing.assert_allclose(segment.params[name], at((low + high) / 2, 0, name), atol=1e-9)
            gained = [at(high, part, name) - at(low, part, name) for part in (1, 2)]
            np.testing.assert_allclose(segment.applied[name], gained[0] / gained[1], rtol=1e-6)
