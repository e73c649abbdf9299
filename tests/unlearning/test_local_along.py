"""Confined requests along the record of the training, against the whole step on a record in which no other row can move."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ifru_jax import ForgetRequest, IFRUConfig, Split, Status, lightgcn, mf
from ifru_jax.data.negatives import sample_negatives
from ifru_jax.graph import Change
from ifru_jax.training import bce, bpr, train, training_set_for
from ifru_jax.unlearning import astray, forget, independent_steps, preconditioner, prepare
from ifru_jax.unlearning.along import SegmentSolve, along_training
from ifru_jax.unlearning.local.step import apply_steps, row_numbers
from tests.unlearning.conftest import CONFIG, some

ENDPOINTS = IFRUConfig(scope=())
MODELS = {
    "mf": mf(embedding_size=4, init_std=0.1),
    "lightgcn-1": lightgcn(num_layers=1, embedding_size=4, init_std=0.1),
    "lightgcn-2": lightgcn(num_layers=2, embedding_size=4, init_std=0.1),
}


def fitted(split, name, *, batch_size, loss=bce):
    if loss.grouped:
        split = sample_negatives(Split(*(part.select(part.labels > 0.5) for part in (split.train, split.valid, split.test))))
    return train(jax.random.key(0), MODELS[name], split, replace(CONFIG, batch_size=batch_size, epochs=12), loss=loss)


def in_float64(trained):
    def wide(tree):
        return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), tree)

    training_set = training_set_for(trained.model, trained.loss, trained.interactions)
    record = replace(trained.record, segments=wide(trained.record.segments))
    return replace(trained, params=wide(trained.params), training_set=training_set).with_record(record)


def asked(data, kind):
    place = 7 + int(np.argmax(data.labels[7:]))
    pair = np.array([[data.users[place], data.items[place]]])
    return {
        "one": ForgetRequest(pairs=pair),
        "user": ForgetRequest(users=np.array([3])),
        "item": ForgetRequest(items=data.items[:1]),
        "correction": ForgetRequest(corrected=pair, labels=1 - data.labels[place : place + 1]),
    }[kind]


def scope_of(change):
    """bool per table, the rows of the touched interactions that have data left."""
    touched, (users, items) = change.touched, change.without_data
    sides = {"user": np.isin(np.arange(len(users)), touched.users) & ~users}
    sides["item"] = np.isin(np.arange(len(items)), touched.items) & ~items
    return lambda name: sides[name.split("_")[0]]


def masked(record, inside):
    """The record of a training in which Adam let only some rows go."""
    segments = [
        replace(segment, applied={name: jnp.where(inside(name)[:, None], value, 0) for name, value in segment.applied.items()})
        for segment in record.segments
    ]
    return replace(record, segments=tuple(segments))


def whole_step(state, change):
    """δ and the segments of the whole step, other rows held."""
    inside = scope_of(change)
    config = state.step
    solve = SegmentSolve.of(config, adaptive=state.record.adaptive)
    found = along_training(state.objective, masked(state.record, inside), change, solve=solve)
    return found, inside


LOSSES = {"bce": bce, "bpr": bpr}
HELD = [
    *((name, kind, "bce") for name in MODELS for kind in ("one", "user", "item", "correction")),
    *((name, kind, "bpr") for name in ("mf", "lightgcn-2") for kind in ("one", "user", "item")),
]


@pytest.mark.parametrize(("name", "kind", "loss"), HELD)
def test_it_is_the_whole_step_with_all_other_rows_held(split, name, kind, loss):
    # Batches of everything: what random signs estimate does not count then, and both have the same P_r.
    trained = fitted(split, name, batch_size=10_000, loss=LOSSES[loss])
    with jax.enable_x64(True):
        state = prepare(in_float64(trained), config=ENDPOINTS)
        assert state.follows
        change = state.resolved(asked(state.interactions, kind))
        expected, inside = whole_step(state, change)
        found, report = forget(state, asked(state.interactions, kind))
        lost = dict(zip(("user", "item"), change.without_data, strict=True))
        for table, before in state.params.items():
            kept = ~lost[state.model.tables[table]]
            moved = np.where(kept[:, None], np.asarray(before + expected.delta[table]), 0)
            largest = float(np.abs(expected.delta[table]).max())
            np.testing.assert_allclose(found.params[table], moved, rtol=0, atol=1e-8 * max(largest, 1e-12))
        for k, segment in enumerate(expected.segments):
            here = found.record.segments[k]
            assert float(here.steps) == float(segment.steps)
            for table, value in segment.params.items():
                np.testing.assert_allclose(here.params[table], value, rtol=0, atol=1e-9)
                rows = inside(table)
                np.testing.assert_allclose(here.applied[table][rows], segment.applied[table][rows], rtol=1e-8)
                others = ~inside(table) & ~lost[state.model.tables[table]]
                np.testing.assert_array_equal(here.applied[table][others], state.record.segments[k].applied[table][others])
        assert report.solve.num_products == int(expected.solution.num_steps)
        assert report.influence.norm_rhs == pytest.approx(norm_inside(state, change, inside), rel=1e-8)


def norm_inside(state, change, inside):
    """‖b_1‖ on the rows in scope that have data left."""
    before = state.objective.gradient(state.record.segments[0].params, change.before.batch)
    after = state.objective.gradient(state.record.segments[0].params, change.after.batch)
    parts = [np.asarray(before[table] - after[table])[inside(table)] for table in state.model.tables]
    return float(np.sqrt(sum(np.sum(part**2) for part in parts)))


@pytest.fixture
def exact_energy(monkeypatch):
    """E summed over the interactions one by one, in place of its estimate by random signs, which differ between problems."""

    def energy(objective, back, batch, key):
        weights, leaders = batch.examples.weights, batch.examples.leaders

        def squares(place):
            kept = jnp.arange(len(weights)) == place
            if leaders is not None:  # a pair counts by the product of two weights
                kept |= jnp.arange(len(weights)) == leaders[place]
            return jax.tree.map(jnp.square, back(jnp.where(kept, weights, 0)))

        total = jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.lax.map(squares, jnp.arange(len(weights))))
        return preconditioner.row_means(objective.model.tables, total)

    monkeypatch.setattr(preconditioner, "_energy", energy)
    jax.clear_caches()
    yield
    monkeypatch.undo()
    jax.clear_caches()


@pytest.mark.usefixtures("exact_energy")
@pytest.mark.parametrize(
    ("name", "kind", "loss"),
    [
        *((name, kind, "bce") for name in ("mf", "lightgcn-1") for kind in ("user", "correction")),
        # It goes as a negative of groups whose positives stay.
        ("mf", "item", "bpr"),
    ],
)
def test_what_adam_saw_is_that_of_all_the_data(split, name, kind, loss):
    trained = fitted(split, name, batch_size=200, loss=LOSSES[loss])
    with jax.enable_x64(True):
        state = prepare(in_float64(trained), config=ENDPOINTS)
        request = asked(state.interactions, kind)
        expected, inside = whole_step(state, state.resolved(request))
        found, _ = forget(state, request)
        for k, segment in enumerate(expected.segments):
            for table, value in segment.applied.items():
                rows = inside(table)
                assert not rows.any() or np.abs(value[rows] / state.record.segments[k].applied[table][rows] - 1).max() > 0.01
                np.testing.assert_allclose(found.record.segments[k].applied[table][rows], value[rows], rtol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_the_record_goes_on_and_holds_no_trace(split, name):
    state = prepare(fitted(split, name, batch_size=128), config=ENDPOINTS)
    user = ForgetRequest(users=np.array([3]))
    for request in [some(state, 3), some(state, 1, seed=1), user]:
        state, report = forget(state, request)
        assert report.status is not Status.UNRESOLVED
        assert state.follows
        assert len(state.record.segments) == len(state.on_the_way)
        fresh = prepare(state.with_record(state.record))
        assert fresh.on_the_way is not state.on_the_way
        for kept, found in zip(jax.tree.leaves(state.on_the_way), jax.tree.leaves(fresh.on_the_way), strict=True):
            np.testing.assert_allclose(kept, found, atol=1e-6)
    for segment in state.record.segments:
        assert not np.any(segment.params["user_embedding"][3])
        assert not np.any(segment.applied["user_embedding"][3])
    assert not np.any(state.record.valid.users == 3)
    whole, _ = forget(state, some(state, 3, seed=2), config=IFRUConfig())
    assert whole.record is not None


def test_a_budget_and_other_ablations_start_from_the_end(split):
    trained = fitted(split, "mf", batch_size=128)
    for config in (replace(ENDPOINTS, max_edges=50), replace(ENDPOINTS, follow=False), replace(ENDPOINTS, spillover="none")):
        state = prepare(trained, config=config)
        assert state.confined
        assert not state.follows
        assert not state.on_the_way
        found, _ = forget(state, some(state, 2))
        assert found.record is None
    assert prepare(trained, config=replace(ENDPOINTS, max_nodes=3)).follows


@pytest.mark.parametrize("name", ["mf", "lightgcn-1"])
def test_a_batch_is_the_requests_one_by_one(split, name):
    state = prepare(fitted(split, name, batch_size=10_000), config=ENDPOINTS)
    requests = [some(state, 1, seed=seed) for seed in range(3)] + [ForgetRequest(users=np.array([3]))]
    steps = independent_steps(state, requests)
    for number, request in enumerate(requests):
        alone, _ = forget(state, request)
        one = jax.tree.map(lambda leaf, k=number: leaf[k : k + 1], steps)
        change = Change.of(state.training_set, request)
        together = apply_steps(state.model, state.params, one, row_numbers(change.without_data))
        for table, value in alone.params.items():
            change_of = float(np.abs(value - state.params[table]).max())
            np.testing.assert_allclose(together[table], value, rtol=0, atol=2e-3 * change_of)


def test_a_step_that_went_astray_is_not_taken(split, monkeypatch):
    state = prepare(fitted(split, "lightgcn-1", batch_size=128), config=ENDPOINTS)
    request = some(state, 4)
    expected, _ = forget(state, request, config=replace(ENDPOINTS, follow=False))
    followed, before = forget(state, request)
    for name in ("SLACK", "LEAST"):
        monkeypatch.setattr(astray, name, -1e6)
    jax.clear_caches()
    try:
        with pytest.warns(RuntimeWarning, match="went astray"):
            found, report = forget(state, request)
        with pytest.warns(RuntimeWarning, match="went astray"):
            batch = independent_steps(state, [request, some(state, 1, seed=3)])
    finally:
        monkeypatch.undo()
        jax.clear_caches()
    assert np.all(batch.solution.status == Status.UNRESOLVED)
    from_end = independent_steps(state, [request, some(state, 1, seed=3)], config=replace(ENDPOINTS, follow=False))
    for name, value in from_end.rows.items():
        np.testing.assert_allclose(batch.rows[name], value, rtol=0, atol=1e-6)
    assert report.status is Status.UNRESOLVED
    assert found.record is None
    assert not found.on_the_way
    assert report.solve.num_products > before.solve.num_products
    for name, value in expected.params.items():
        np.testing.assert_allclose(found.params[name], value, rtol=0, atol=1e-6)
        assert np.any(value != followed.params[name])
    # The next request starts from the end, without a record.
    forget(found, some(found, 1, seed=3))


@pytest.mark.parametrize("name", ["mf", "lightgcn-1"])
def test_nothing_is_promoted_in_silence_in_float64(split, name):
    trained = fitted(split, name, batch_size=128)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        state = prepare(in_float64(trained), config=ENDPOINTS)
        found, _ = forget(state, asked(state.interactions, "user"))
    assert {leaf.dtype for leaf in jax.tree.leaves((found.params, found.record.segments))} == {np.dtype(np.float64)}
