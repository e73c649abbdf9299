"""Requests under the settings of JAX that find what is done in silence: transfers, NaN in lanes that don't count, mixed types."""

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax.data import Dataset, ForgetRequest, protocol_split
from ifru_jax.data.synthetic import synthetic
from ifru_jax.models import lightgcn, mf
from ifru_jax.training import TrainConfig, train
from ifru_jax.unlearning import IFRUConfig, forget, prepare, stopping

SPLIT = protocol_split(Dataset("made up", synthetic(150, 100, 3700), 0.5))
MODELS = {"mf": mf(embedding_size=4), "lightgcn": lightgcn(embedding_size=4, num_layers=1)}
CONFIGS = {"over the whole data": None, "confined": IFRUConfig(scope=())}


def trained(name):
    return train(jax.random.key(0), MODELS[name], SPLIT, TrainConfig(learning_rate=5e-3, batch_size=512, epochs=2, record=2))


def requests(data):
    pairs = np.stack([data.users[:40], data.items[:40]], axis=1)
    positive, negative = (np.flatnonzero(data.labels == label)[-1:] for label in (1, 0))
    corrected = np.stack([data.users[positive], data.items[positive]], axis=1)
    return [
        ForgetRequest(pairs=pairs),
        ForgetRequest(users=data.users[-1:], items=data.items[:1]),
        ForgetRequest(corrected=corrected, labels=np.zeros(1)),
        ForgetRequest(pairs=np.stack([data.users[negative], data.items[negative]], axis=1)),
    ]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", MODELS)
def test_a_warm_request_moves_nothing_unasked(monkeypatch, name, config):
    # So that requests look where training would have stopped.
    monkeypatch.setattr(stopping, "LEAST_PAIRS", 500)
    state = prepare(trained(name), config=CONFIGS[config])
    asked = requests(state.interactions)
    assert CONFIGS[config] or state.record.peak is not None
    expected = [forget(state, request)[0].params for request in asked]
    with jax.transfer_guard("disallow"):
        found = [forget(state, request)[0].params for request in asked]
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("setting", [lambda: jax.debug_nans(True), lambda: jax.numpy_dtype_promotion("strict")])
@pytest.mark.parametrize("name", MODELS)
def test_from_training_to_evaluation(name, setting):
    with setting():
        model = trained(name)
        figures = ifru_jax.evaluate(model, SPLIT.test)
        for config in CONFIGS.values():
            state = prepare(model, config=config)
            for request in requests(state.interactions)[:2]:
                unlearned, _ = forget(state, request)
                assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(unlearned.params))
    assert np.isfinite(figures["auc"])
