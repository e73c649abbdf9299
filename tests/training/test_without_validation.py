"""Training on all data, for a number of epochs: what comes out can forget, is saved, and nothing goes on past its end."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, DataWarning, ForgetRequest, NumericsError, TrainConfig, bpr, lightgcn, mf, random_split
from ifru_jax.baselines import Retrain
from ifru_jax.data import Split, sample_negatives
from ifru_jax.graph import build_training_set
from ifru_jax.training import Objective, bce, fit_params
from tests.unlearning.conftest import tastes

CONFIG = TrainConfig(learning_rate=1e-2, batch_size=128, reg=1e-4, epochs=7)
MODEL = mf(embedding_size=6, init_std=0.1)


@pytest.fixture(scope="module")
def all_of_it():
    return random_split(tastes(), shares=(1, 0, 0))


@pytest.fixture(scope="module")
def trained(all_of_it):
    with pytest.warns(DataWarning, match="runs all 7 epochs, and its last parameters are taken"):
        return ifru_jax.fit(jax.random.key(0), MODEL, all_of_it, config=CONFIG, progress=False)


def fitted(data, valid, config=CONFIG, **options):
    train = build_training_set(data)
    return fit_params(jax.random.key(0), Objective(MODEL, bce, float(len(data)), config.reg), train, valid, config, **options)


def test_all_epochs_are_run_and_the_last_parameters_kept():
    """They are those that a training with validation data passes through, whose metric does not touch what is learned."""
    split, told = random_split(tastes(), stable=False), []
    none = split.valid.select(np.zeros(0, int))
    params, history = fitted(split.train, none, on_epoch=lambda epoch, metric: told.append((epoch, metric)))
    assert (history.valid_metric, history.best_epoch, len(history.seconds)) == ((), 6, 7)
    assert history.num_steps == 7 * -(-len(split.train) // 128)
    assert [epoch for epoch, _ in told] == list(range(7))
    assert all(np.isnan(metric) for _, metric in told)
    # Patience has no say, and where every epoch is the best so far both keep the same.
    impatient, _ = fitted(split.train, none, replace(CONFIG, patience=1))
    np.testing.assert_array_equal(params["user_embedding"], impatient["user_embedding"])
    seen, judged = fitted(split.train, split.valid)
    assert judged.best_epoch == 6, "the example has changed: it has to improve till the end"
    np.testing.assert_array_equal(params["user_embedding"], seen["user_embedding"])


def test_the_record_reaches_to_the_end(trained, all_of_it):
    record = trained.record
    assert len(record.segments) == 3
    assert record.steps == 7 * -(-len(all_of_it.train) // 128)
    assert not len(record.valid)
    assert record.peak is None


@pytest.mark.parametrize("data", [tastes(), replace(tastes(), user_ids=None, item_ids=None)], ids=["names", "rows"])
@pytest.mark.parametrize("parts", ["none", "empty"])
def test_none_stands_for_no_interactions(data, parts):
    empty = None if parts == "none" else data.select(np.zeros(0, int))
    split = Split(data, empty, empty)
    assert (len(split.valid), len(split.test)) == (0, 0)
    assert (split.valid.num_users, split.test.num_items) == (data.num_users, data.num_items)
    assert "valid=0" in repr(split)


def test_without_a_number_of_epochs_it_is_refused_before_anything_is_trained(all_of_it, trained):
    open_end = replace(CONFIG, epochs=None)
    request = ForgetRequest(users=np.array([3]))
    for call in (
        lambda: ifru_jax.fit(jax.random.key(0), MODEL, all_of_it, progress=False),
        lambda: ifru_jax.fit(jax.random.key(0), MODEL, all_of_it, config=open_end, progress=False),
        lambda: ifru_jax.retrain(jax.random.key(1), trained, request, config=open_end),
    ):
        with pytest.raises(DataError, match=r"no validation interaction .*TrainConfig\(epochs=…\)"):
            call()
    assert (TrainConfig().epochs, TrainConfig().most_epochs, CONFIG.most_epochs) == (None, 1000, 7)
    with pytest.raises(DataError, match="epochs is 0"):
        TrainConfig(epochs=0)
    with pytest.raises(DataError, match=r"one label only.*TrainConfig\(epochs=…\)"):
        fitted(all_of_it.train, all_of_it.train.select(all_of_it.train.labels > 0.5))


def test_divergence_is_found(all_of_it):
    with pytest.raises(NumericsError, match=r"parameters are not finite .*lower the learning rate"):
        fitted(all_of_it.train, all_of_it.valid, replace(CONFIG, learning_rate=1e38))


def test_a_request_follows_the_training_to_its_end_and_no_further(trained, monkeypatch):
    assert trained.follows
    monkeypatch.setattr("ifru_jax.unlearning.stopping.peak", None)  # nothing may be asked where validation can't tell
    unlearned, report = ifru_jax.unlearn(trained, users=["user-0007-secret"])
    assert report.forgotten > 0
    assert unlearned.record.steps == pytest.approx(trained.record.steps)
    assert report.norm_step > 0
    again, _ = ifru_jax.unlearn(unlearned, users=["user-0008-secret"])
    assert again.record.steps == pytest.approx(trained.record.steps)


@pytest.mark.parametrize("model", [MODEL, lightgcn(num_layers=1, embedding_size=6, init_std=0.1)], ids=["mf", "lightgcn-1"])
def test_the_step_comes_nearer_to_retraining_for_as_many_epochs(all_of_it, model):
    config = replace(CONFIG, epochs=30)
    with pytest.warns(DataWarning):
        trained = ifru_jax.fit(jax.random.key(0), model, all_of_it, config=config, progress=False)
    data = trained.interactions
    request = ForgetRequest(pairs=np.stack([data.users, data.items], axis=1)[::25])
    # With the same key, so that they differ by the request alone.
    params, _ = fit_params(
        jax.random.key(0), trained.objective, trained.resolved(request).after, data.select(np.zeros(0, int)), config
    )
    unlearned, _ = ifru_jax.unlearn(trained, request)

    def distance(of):
        return sum(float(np.sum((np.asarray(of[name]) - np.asarray(params[name])) ** 2)) for name in params) ** 0.5

    assert distance(unlearned.params) < distance(trained.params)


def test_it_is_saved_and_goes_on_elsewhere_as_here(trained, tmp_path):
    ifru_jax.save(trained, tmp_path / "model.npz")
    there = ifru_jax.load(tmp_path / "model.npz")
    assert there.config == trained.config
    assert (there.record.steps, there.record.peak, len(there.record.valid)) == (trained.record.steps, None, 0)
    one, two = (ifru_jax.unlearn(model, users=["user-0007-secret"])[0] for model in (trained, there))
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)
    ifru_jax.save(two, tmp_path / "model.npz")
    assert len(ifru_jax.load(tmp_path / "model.npz").record.segments) == 3


def test_the_rest_of_the_library_takes_it(trained, all_of_it):
    """Retraining for as many epochs, lists, figures without test pairs, and the contract of methods."""
    request = ForgetRequest.of(trained.interactions, users=["user-0007-secret"])
    retrained = ifru_jax.retrain(jax.random.key(1), trained, request, seeds=2)
    assert [len(one.interactions) for one in retrained] == [len(all_of_it.train) - int(request.touches(all_of_it.train).sum())] * 2
    assert len(ifru_jax.recommend(trained, users=["user-0007-secret"], k=3)["user-0007-secret"]) == 3
    assert set(ifru_jax.evaluate(trained, all_of_it.test).values()) == {None}
    with pytest.warns(DataWarning):
        state = Retrain(MODEL, CONFIG).fit(jax.random.key(2), all_of_it)
    _, report = Retrain(MODEL, CONFIG).forget(state, request)
    assert report.training.valid_metric is None
    assert report.training.num_steps > 0


def test_losses_that_compare_too():
    data = tastes()
    positives = data.select(data.labels > 0.5)
    whole = sample_negatives(random_split(positives, shares=(1, 0, 0)), per_positive=2)
    with pytest.warns(DataWarning):
        trained = ifru_jax.fit(jax.random.key(0), MODEL, whole, config=CONFIG, loss=bpr, progress=False)
    unlearned, report = ifru_jax.unlearn(trained, users=["user-0007-secret"])
    assert report.forgotten > 0
    assert unlearned.record.steps == pytest.approx(trained.record.steps)
