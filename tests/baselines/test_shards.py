"""SISA and RecEraser: what is left after a request is what training without it gives, to the bit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import DataError, ForgetRequest, ModelError, Status, TrainConfig, Trained, bce, lightgcn, mf
from ifru_jax.baselines import SISA, RecEraser, ShardedModel
from ifru_jax.baselines.sharded.aggregation import Aggregation, aggregated, freeze
from ifru_jax.graph import IndexPairs, build_training_set
from ifru_jax.training import Objective, fit_params
from ifru_jax.training.validation import surviving

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(learning_rate=1e-2, batch_size=64, reg=1e-4, epochs=6)
MODELS = {"mf": mf(embedding_size=4, init_std=0.1), "lightgcn": lightgcn(num_layers=1, embedding_size=4, init_std=0.1)}
KEY = jax.random.key(5)


def shards_of(state) -> ShardedModel:
    return state if isinstance(state, ShardedModel) else state.shards


def parts(state):
    """Everything that is trained, of every shard and of the aggregation."""
    trained = [shard.params for shard in shards_of(state).models]
    return trained if isinstance(state, ShardedModel) else [*trained, state.aggregation, state.served.params]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.fixture(scope="module", params=["sisa-mf", "receraser-lightgcn"])
def fitted(request, split):
    name, model = request.param.split("-")
    method = {"sisa": SISA, "receraser": RecEraser}[name](MODELS[model], CONFIG, num_shards=3)
    return method, method.fit(KEY, split)


@pytest.fixture(scope="module")
def pairs_of_one_shard(fitted):
    """Interactions that all lie in shard 1."""
    _, state = fitted
    data, assignment = shards_of(state).interactions, shards_of(state).assignment
    chosen = np.flatnonzero(assignment == 1)[:9]
    return ForgetRequest(pairs=np.stack([data.users[chosen], data.items[chosen]], axis=1))


@pytest.fixture(scope="module")
def forgotten(fitted, pairs_of_one_shard):
    method, state = fitted
    return method.forget(state, pairs_of_one_shard)


def test_a_touched_shard_is_one_trained_from_scratch_and_the_others_are_the_same_objects(fitted, forgotten, split):
    method, state = fitted
    after, report = forgotten
    before, shards = shards_of(state), shards_of(after)
    assert (report.forgotten, report.retained, report.status) == (9, len(split.train) - 9, Status.RETRAINED)
    assert (report.shards.total, report.shards.retrained) == (3, 1)
    assert [a is b for a, b in zip(before.models, shards.models, strict=True)] == [True, False, True]
    # From the data and the partition alone, by the training that everybody uses.
    rows = split.train.select((before.assignment == 1) & ~_request_mask(before, shards))
    capacities = before.models[1].training_set.capacities
    scratch, _ = fit_params(
        jax.random.fold_in(KEY, 1),
        Objective(method.model, bce, float((before.assignment == 1).sum()), CONFIG.reg),
        build_training_set(rows, capacities=capacities, with_graph=method.model.num_hops > 0),
        surviving(split.valid, rows),
        CONFIG,
        valid_capacity=before.valid_capacity,
    )
    for name, side in method.model.tables.items():
        known = (rows.user_degrees() if side == "user" else rows.item_degrees()) > 0
        np.testing.assert_array_equal(shards.models[1].params[name][known], scratch[name][known])
        assert not np.any(shards.models[1].params[name][~known])
    assert not equal(before.models[1].params, shards.models[1].params)


def _request_mask(before: ShardedModel, after: ShardedModel) -> np.ndarray:
    kept = set(zip(after.interactions.users, after.interactions.items, strict=True))
    return np.array([pair not in kept for pair in zip(before.interactions.users, before.interactions.items, strict=True)])


def test_what_remains_keeps_its_shard(fitted, forgotten):
    before, after = shards_of(fitted[1]), shards_of(forgotten[0])
    for shard, model in enumerate(after.models):
        held = {(u, i) for u, i in zip(model.interactions.users, model.interactions.items, strict=True)}
        was = before.models[shard].interactions
        assert held <= {(u, i) for u, i in zip(was.users, was.items, strict=True)}
    assert sum(len(model.interactions) for model in after.models) == len(after.interactions)


def test_requests_one_by_one_are_requests_at_once_and_compile_nothing(fitted, forgotten, pairs_of_one_shard, compilations):
    method, state = fitted
    user = ForgetRequest(users=np.array([7]))
    both, _ = method.forget(state, pairs_of_one_shard | user)
    with compilations() as compiled:
        in_turn, report = method.forget(forgotten[0], user)
    assert not [name for name in compiled if "_steps" in name]
    assert all(equal(a, b) for a, b in zip(parts(both), parts(in_turn), strict=True))
    assert report.cleared_users == 1
    # Without a trace: rows, tables, ids of the data and of the validation data, in every shard.
    shards = shards_of(in_turn)
    assert not (shards.interactions.users == 7).any()
    assert not (shards.valid.users == 7).any()
    assert all(not np.any(model.params["user_embedding"][7]) for model in shards.models)
    assert not np.any(method.served(in_turn).score_rows(np.full(5, 7), np.arange(5)))
    assert "user-0007-secret" not in "".join(_texts(in_turn))
    assert "user-0008-secret" in "".join(_texts(in_turn))


def _texts(state) -> list[str]:
    """All strings in a state, however deep."""
    if isinstance(state, np.ndarray):
        return state.tolist() if state.dtype.kind == "U" else []
    if isinstance(state, dict | tuple | list):
        return [text for part in (state.values() if isinstance(state, dict) else state) for text in _texts(part)]
    if dataclasses.is_dataclass(state):
        return [text for field in dataclasses.fields(state) for text in _texts(getattr(state, field.name))]
    return []


def test_an_empty_request_changes_nothing(fitted):
    method, state = fitted
    after, report = method.forget(state, ForgetRequest())
    assert after is state
    assert (report.forgotten, report.shards, report.status) == (0, None, Status.NOTHING_TO_FORGET)


def test_fit_is_determined_by_the_key(fitted, split):
    method, state = fitted
    again = method.fit(KEY, split)
    np.testing.assert_array_equal(shards_of(state).assignment, shards_of(again).assignment)
    assert all(equal(a, b) for a, b in zip(parts(state), parts(again), strict=True))


def test_scores_and_full_ranking_agree(fitted):
    method, state = fitted
    users = np.array([0, 3, 11])
    grid = np.asarray(method.served(state).score_grid(users))
    flat = method.served(state).score_rows(np.repeat(users, 50), np.tile(np.arange(50), 3)).reshape(3, 50)
    np.testing.assert_allclose(grid, flat, rtol=1e-5, atol=1e-6)
    if isinstance(method, SISA):
        each = [shard.score_rows(np.repeat(users, 50), np.tile(np.arange(50), 3)) for shard in state.models]
        np.testing.assert_allclose(flat.ravel(), np.mean(each, axis=0), rtol=1e-5, atol=1e-7)


def test_a_shard_that_loses_everything_is_zero(fitted):
    method, state = fitted
    data, assignment = shards_of(state).interactions, shards_of(state).assignment
    gone = assignment == 2
    after, report = method.forget(state, ForgetRequest(pairs=np.stack([data.users[gone], data.items[gone]], axis=1)))
    empty = shards_of(after).models[2]
    assert report.shards.retrained == 1
    assert len(empty.interactions) == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(empty.params))
    assert np.isfinite(method.served(after).score_rows(np.arange(40), np.arange(40))).all()
    with pytest.raises(DataError, match="nothing is left"):
        method.forget(state, ForgetRequest(users=np.arange(40)))


def test_a_shard_that_cannot_be_stopped_early_is_refused(split):
    one_label = dataclasses.replace(split, valid=split.valid.select(split.valid.labels > 0.5))
    with pytest.raises(DataError, match="use fewer shards"):
        SISA(MODELS["mf"], CONFIG, num_shards=3).fit(KEY, one_label)


class NoItems:
    """A model that only knows users."""

    tables = {"user_embedding": "user"}  # noqa: RUF012
    num_hops = 0


def test_a_model_without_both_tables_cannot_be_partitioned():
    with pytest.raises(ModelError, match="declare a table of each"):
        RecEraser(NoItems(), CONFIG)


def test_served_parameters_are_the_aggregation_written_out(fitted):
    method, state = fitted
    if isinstance(method, SISA):
        pytest.skip("a mean of scores")
    theta = {name: np.asarray(leaf, np.float64) for name, leaf in state.aggregation.items()}
    for name, side in method.model.tables.items():
        known = state.shards.known(side)
        rows = []
        for row in range(known.shape[1]):
            moved = [
                np.asarray(shard.params[name], np.float64)[row] @ theta["transfer_4/weight"][k] + theta["transfer_4/bias"][k]
                for k, shard in enumerate(state.shards.models)
            ]
            scores = [
                np.exp(
                    np.maximum(m @ theta[f"{name}/attention_weight"] + theta[f"{name}/attention_bias"], 0)
                    @ theta[f"{name}/attention_vector"]
                )
                for m in moved
            ]
            weights = np.array(scores) * known[:, row]
            rows.append(sum(w * m for w, m in zip(weights / max(weights.sum(), 1e-300), moved, strict=True)))
        np.testing.assert_allclose(state.served.params[name], rows, rtol=1e-4, atol=1e-6)
    assert isinstance(state.served, Trained)


def test_a_batch_that_gathers_its_rows_scores_as_all_rows_do(split):
    """MF: batches below the number of rows take their own rows, larger ones take all; no training is needed to see it."""
    model = MODELS["mf"]
    shards = [model.init(jax.random.key(s), 40, 50) for s in range(3)]
    rng = np.random.default_rng(0)
    known = {"user": rng.random((3, 40)) < 0.6, "item": rng.random((3, 50)) < 0.6}
    known["user"][:, 3] = False
    frozen = freeze(model, shards, known, build_training_set(split.train, with_graph=False).graph)
    aggregation = Aggregation.of(model, 3, shards[0])
    theta = aggregation.initial(jax.random.key(9), shards)
    users, items = rng.integers(0, 40, 60).astype(np.int32), rng.integers(0, 50, 60).astype(np.int32)
    users[5] = 3
    served = model.score(aggregated(aggregation, theta, frozen), IndexPairs(users, items), frozen.graph)
    for size in (20, 60):
        batch = aggregation.score(theta, IndexPairs(jnp.asarray(users[:size]), jnp.asarray(items[:size])), frozen)
        np.testing.assert_allclose(batch, served[:size], rtol=1e-5, atol=1e-7)
    assert served[5] == 0, "nobody knows this user"
    assert np.ptp(served) > 0
