"""Training: deterministic, stops when it should, learns, and treats D_r by the objective of D."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, NumericsError, TrainConfig, bce, evaluate, fit, lightgcn, mf, random_split
from ifru_jax.evaluation import train_shadows
from ifru_jax.graph import build_training_set
from ifru_jax.training import Objective, fit_params, train
from tests.unlearning.conftest import tastes

CONFIG = TrainConfig(learning_rate=1e-2, batch_size=128, reg=1e-4, epochs=30)


@pytest.fixture(scope="module")
def split():
    return random_split(tastes())


MODEL = mf(embedding_size=6, init_std=0.1)


def run(split, key=0, config=CONFIG, *, total=None, **options):
    objective = Objective(MODEL, bce, float(total or len(split.train)), config.reg)
    return fit_params(jax.random.key(key), objective, build_training_set(split.train), split.valid, config, **options)


def test_a_key_decides_everything(split):
    (first, history), (second, again), (other, _) = (run(split, key) for key in (0, 0, 1))
    np.testing.assert_array_equal(first["user_embedding"], second["user_embedding"])
    assert history.valid_metric == again.valid_metric
    assert np.any(first["user_embedding"] != other["user_embedding"])


def test_order_and_capacity_of_the_data_change_nothing_but_the_batches(split):
    shuffled = split.train.select(np.random.default_rng(0).permutation(len(split.train)))
    (a, _), (b, _) = run(split), run(replace(split, train=shuffled))
    np.testing.assert_array_equal(a["item_embedding"], b["item_embedding"])


@pytest.mark.parametrize("model", [MODEL, lightgcn(embedding_size=6, init_std=0.1)])
def test_it_learns_the_tastes(split, model):
    trained = fit(jax.random.key(0), model, split, config=CONFIG, progress=False)
    found = evaluate(trained, split.test)
    assert found["auc"] > 0.8
    assert found["ndcg@20"] > 0.2


def test_it_stops_early_and_keeps_the_best(split):
    seen = []
    params, history = run(split, config=replace(CONFIG, epochs=200, patience=3), on_epoch=lambda *a: seen.append(a))
    assert len(history.valid_metric) == history.best_epoch + 4
    assert max(history.valid_metric) == history.valid_metric[history.best_epoch]
    assert [epoch for epoch, _ in seen] == list(range(len(history.valid_metric)))
    stopped, _ = run(split, config=replace(CONFIG, epochs=history.best_epoch + 1))
    np.testing.assert_array_equal(params["user_embedding"], stopped["user_embedding"])


def test_the_regulariser_keeps_its_weight_when_data_is_removed(split):
    """λ₂ N / |D_r| beside the mean over D_r."""
    half = split.train.select(np.arange(len(split.train) // 2))
    config = replace(CONFIG, epochs=3)
    a, _ = run(replace(split, train=half), config=config, total=len(split.train))
    b, _ = run(replace(split, train=half), config=replace(config, reg=config.reg * len(split.train) / len(half)))
    np.testing.assert_allclose(a["user_embedding"], b["user_embedding"], rtol=1e-5, atol=1e-7)


def test_training_and_retraining_share_one_compilation(split):
    from ifru_jax.training.fit import _steps

    whole = build_training_set(split.train)
    objective = Objective(MODEL, bce, float(len(whole)), CONFIG.reg)
    fit_params(jax.random.key(0), objective, whole, split.valid, replace(CONFIG, epochs=1))
    before = _steps._cache_size()
    rest = whole.without(np.arange(50))
    fit_params(jax.random.key(1), objective, rest, split.valid, replace(CONFIG, epochs=1, learning_rate=1e-3))
    assert _steps._cache_size() == before


def test_bad_data_and_divergence(split):
    with pytest.raises(DataError, match="one label only"):
        run(replace(split, valid=split.valid.with_labels(np.ones(len(split.valid)))))
    with pytest.raises(DataError, match="no interaction to train on"):
        run(replace(split, train=split.train.select(np.zeros(len(split.train), bool))))
    with pytest.raises(DataError, match=r"labels go from 1 to 5.*binarize"):
        run(replace(split, train=split.train.with_labels(1 + 4 * split.train.labels)))
    for options in ({"batch_size": 0}, {"patience": 0}, {"learning_rate": -1.0}, {"reg": float("nan")}):
        with pytest.raises(DataError, match=f"{next(iter(options))} is"):
            TrainConfig(**options)
    with pytest.raises(NumericsError, match="lower the learning rate"):
        run(split, config=replace(CONFIG, learning_rate=1e30))


def test_a_user_that_train_has_nothing_of_does_not_steer_when_training_stops(split):
    """Labels of a forgotten user in valid, turned round, change neither a training nor a shadow of it."""
    gone = 5
    left = split.train.select(split.train.users != gone)
    turned = split.valid.with_labels(np.where(split.valid.users == gone, 1 - split.valid.labels, split.valid.labels))
    assert (turned.labels != split.valid.labels).sum() > 2

    def trained(data, valid):
        found = train(jax.random.key(0), MODEL, replace(split, train=data, valid=valid), CONFIG)
        return np.asarray(found.params["user_embedding"])

    np.testing.assert_array_equal(trained(left, turned), trained(left, split.valid))
    assert np.any(trained(split.train, turned) != trained(split.train, split.valid))
    request = ForgetRequest(users=np.array([gone]), pairs=np.stack([left.users[:40], left.items[:40]], axis=1))
    kinds = (replace(split, valid=valid) for valid in (turned, split.valid))
    shadows = [train_shadows(jax.random.key(1), MODEL, kind, request, CONFIG, num_shadows=4) for kind in kinds]
    np.testing.assert_array_equal(shadows[0].confidences, shadows[1].confidences)
