"""Planted cheats are caught, a retrained model passes, and so does IFRU where it is near retraining. On real data: 40 users of
MovieLens-small had half of their labels flipped, and these are forgotten."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, NumericsError, TrainConfig, load_dataset, mf, protocol_split, verify
from ifru_jax.baselines import Retrain, RetrainState
from ifru_jax.evaluation import VerifyConfig, train_shadows
from ifru_jax.training import train
from ifru_jax.unlearning import forget, prepare

pytestmark = pytest.mark.slow

MODEL = mf(embedding_size=16)
CONFIG = TrainConfig(learning_rate=1e-2, batch_size=2048, reg=3e-5, epochs=40, patience=3)


@pytest.fixture(scope="module")
def case():
    """(split, request, original, five retrained models, shadows)."""
    split = protocol_split(load_dataset("movielens-small"))
    rng, data = np.random.default_rng(0), split.train
    users = rng.choice(np.flatnonzero(data.user_degrees() >= 20), 40, replace=False)
    flipped = np.isin(data.users, users) & (rng.random(len(data)) < 0.5)
    split = replace(split, train=data.with_labels(np.where(flipped, 1 - data.labels, data.labels)))
    request = ForgetRequest(pairs=np.stack([data.users[flipped], data.items[flipped]], axis=1))
    original = prepare(train(jax.random.key(0), MODEL, split, CONFIG))
    retrained = [retrain(original, split, request, seed) for seed in range(5)]
    shadows = train_shadows(jax.random.key(7), MODEL, split, request, CONFIG, num_shadows=8)
    return split, request, original, retrained, shadows


def retrain(original, split, request, seed):
    return Retrain(MODEL, CONFIG).forget(RetrainState(original, split.valid, jax.random.key(100 + seed)), request)[0].trained


def check(case, unlearned, *, membership=True):
    split, request, original, retrained, shadows = case
    return verify(original, unlearned, retrained, split, request, shadows=shadows, config=VerifyConfig(membership=membership))


def failed_groups(found):
    return {found.measures[name].group for name in found.failed}


def test_a_retrained_model_passes_all(case):
    found = check(case, retrain(case[2], case[0], case[1], 5))
    assert found.passed, found.failed
    judged = [name for name, measure in found.measures.items() if measure.verdict == "pass"]
    assert len(judged) >= 15


def test_ifru_passes_where_it_is_near_retraining(case):
    found = check(case, forget(case[2], case[1])[0])
    assert found.passed, found.failed


def unchanged(original, request):
    return original


def noise_on_the_embeddings(original, request):
    def noisy(name):
        table = original.params[name]
        return table + 0.3 * table.std() * jax.random.normal(jax.random.key(1), table.shape)

    return original.with_params({name: noisy(name) for name in original.params})


def rows_of_touched_users_zeroed(original, request):
    users = np.unique(request.pairs[:, 0])
    return original.with_params(original.params | {"user_embedding": original.params["user_embedding"].at[users].set(0)})


def gradient_ascent_on_the_forgotten(original, request):
    data = original.interactions
    data = data.select(request.select(data))

    @jax.jit
    def loss(params):
        scores = (params["user_embedding"][data.users] * params["item_embedding"][data.items]).sum(1)
        return jnp.mean(original.loss(scores, jnp.asarray(data.labels)))

    params = original.params
    for _ in range(20):
        params = jax.tree.map(lambda p, g: p + 30.0 * g, params, jax.grad(loss)(params))
    return original.with_params(params)


@pytest.mark.parametrize(
    "cheat", [unchanged, noise_on_the_embeddings, rows_of_touched_users_zeroed, gradient_ascent_on_the_forgotten]
)
def test_cheats_are_caught_by_two_measures_at_least(case, cheat):
    found = check(case, cheat(case[2], case[1]))
    assert not found.passed
    assert len(found.failed) >= 2
    assert failed_groups(found) & {"forgetting", "membership"}


def test_too_much_is_told_from_too_little(case):
    loss = check(case, gradient_ascent_on_the_forgotten(case[2], case[1]), membership=False).measures["forget_loss"]
    assert loss.z > 0
    assert loss.value > loss.high
    loss = check(case, case[2], membership=False).measures["forget_loss"]
    assert loss.z < 0
    assert loss.value < loss.low


def test_the_answer_is_json_and_names_nobody(case):
    found = replace(check(case, case[2]), linearity={"ratio": 0.98})
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert content["linearity"] == {"ratio": 0.98}
    assert set(content["attacks"]) == {"original", "unlearned", "retrained"}

    def arrays(value):
        if isinstance(value, dict):
            return [found for entry in value.values() for found in arrays(entry)]
        if isinstance(value, list):
            return ([value] if len(value) > 5 and not isinstance(value[0], str | dict) else []) + [
                found for entry in value for found in arrays(entry)
            ]
        return []

    assert arrays(content) == []


def test_measures_say_whether_the_original_fails_them(case):
    measures = check(case, case[3][0], membership=False).measures
    assert measures["forget_gap"].informative
    assert measures["forget_loss"].informative
    assert measures["recall@20"].verdict == "not judged"


def test_bad_input_is_refused(case):
    split, request, original, retrained, _ = case
    with pytest.raises(DataError, match="at least two"):
        verify(original, original, retrained[:1], split, request)
    with pytest.raises(DataError, match="forgets nothing"):
        verify(original, original, retrained, split, ForgetRequest())
    diverged = original.with_params(jax.tree.map(lambda p: p * jnp.nan, original.params))
    with pytest.raises(NumericsError, match="diverged"):
        verify(original, diverged, retrained, split, request)
    with pytest.raises(DataError, match="even number"):
        train_shadows(jax.random.key(0), MODEL, split, request, CONFIG, num_shadows=5)
