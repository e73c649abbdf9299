"""Where training would have stopped: the flow against its dense formula, the top of the metric, and when nothing is said."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import bpr, mf, random_split
from ifru_jax.data import ForgetRequest, sample_negatives
from ifru_jax.graph import Batch
from ifru_jax.training import Trained, train
from ifru_jax.training.validation import valid_metric
from ifru_jax.unlearning import IFRUConfig, forget, prepare, stopping
from ifru_jax.unlearning.stopping import FURTHER, SHARES, gone_on, peak, stages
from tests.unlearning.conftest import CONFIG, tastes


@pytest.fixture(scope="module")
def recorded(split):
    trained = train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), split, CONFIG)
    # The same pairs again and again: what they say is the same, and there are enough of them.
    many = split.valid.select(np.tile(np.arange(len(split.valid)), 8))
    return trained.with_record(replace(trained.record, valid=many))


@pytest.mark.parametrize("share", [0.1, -0.05, 0.0])
def test_the_flow_goes_where_its_dense_formula_says(recorded, monkeypatch, share):
    with jax.enable_x64(True):
        monkeypatch.setattr(stopping, "PRODUCTS", 400)
        jax.clear_caches()
        wide = Trained.of(recorded.model, recorded.params, recorded.interactions, config=recorded.config)
        # A copy, so that pairs in double precision don't stay with the other tests.
        record, (theta, unravel) = replace(recorded.record), ravel_pytree(wide.params)
        found = peak(wide.objective, wide.params, record, wide.training_set)
        scale = jnp.sqrt(record.steps * ravel_pytree(record.segments[-1].applied)[0].astype(jnp.float64))

        def value(x):
            return wide.objective(unravel(x), wide.batch)

        t, vectors = jnp.linalg.eigh(scale[:, None] * jax.jit(jax.hessian(value))(theta) * scale[None, :])
        size = abs(share)
        gains = -jnp.expm1(-jnp.abs(t) * size) / jnp.abs(t) * jnp.exp(jnp.clip(-t * size, 0, 1))
        expected = -np.sign(share) * scale * (vectors @ (gains * (vectors.T @ (scale * jax.jit(jax.grad(value))(theta)))))
        np.testing.assert_allclose(ravel_pytree(found.only.at(share))[0], expected, atol=1e-8)
    jax.clear_caches()


def test_where_nothing_changed_nothing_goes_on(recorded):
    state = prepare(recorded)
    assert -0.05 <= state.record.peak <= 0.4
    step, record = gone_on(state.objective, state.params, state.record, state.training_set)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(step))
    assert record.steps == state.record.steps


def test_training_goes_on_by_the_difference_of_the_peaks_and_the_record_is_longer(recorded):
    state = prepare(recorded)
    now = peak(state.objective, state.params, state.record, state.training_set)
    before = replace(state.record, peak=now.share - 0.15)
    step, record = gone_on(state.objective, state.params, before, state.training_set)
    share = 0.15 - len(before.valid) ** -0.5
    for name, leaf in now.only.at(share).items():
        np.testing.assert_allclose(step[name], leaf, rtol=1e-5, atol=1e-7)
    assert record.steps == pytest.approx((1 + share) * before.steps)


@pytest.fixture(scope="module")
def turning(recorded):
    """The same training, of a model whose rows are said to turn."""
    model = replace(recorded.model, turning=True)
    same = Trained.of(model, recorded.params, recorded.interactions, config=recorded.config)
    return same.with_record(recorded.record)


def way(trained, moved=None):
    params = trained.params if moved is None else jax.tree.map(jnp.add, trained.params, moved)
    return list(stages(trained.objective, params, trained.record, trained.training_set))


def test_a_model_whose_rows_turn_goes_on_in_stages_each_from_the_end_of_the_one_before(recorded, turning):
    assert len(way(recorded)) == 1
    found = way(turning)
    assert [stage.begins for stage in found] == pytest.approx([0.05 * k for k in range(8)])
    assert np.concatenate([stage.looks for stage in found]).tolist() == SHARES.tolist()
    there = jax.tree.map(jnp.zeros_like, turning.params)
    for stage in found:
        chex.assert_trees_all_close(stage.moved, there, rtol=1e-6)
        alone = next(iter(way(turning, there)))
        there = jax.tree.map(jnp.add, there, alone.at(0.05))
        chex.assert_trees_all_close(stage.at(stage.ends), there, rtol=1e-5, atol=1e-7)


def test_stages_are_nearer_to_the_flow_than_one_is(recorded, turning):
    """Against the flow along −S² ∇L in ten thousand small steps."""
    rate = jax.tree.map(lambda p: recorded.record.steps * p * 0.4 / 10_000, recorded.record.segments[-1].applied)

    @jax.jit
    def flown(objective, params, batch):
        def step(_, at):
            return jax.tree.map(lambda p, r, g: p - r * g, at, rate, objective.gradient(at, batch))

        return jax.lax.fori_loop(0, 10_000, step, params)

    end = flown(recorded.objective, recorded.params, recorded.batch)
    expected = jax.tree.map(jnp.subtract, end, recorded.params)
    off = [
        float(optax.tree.norm(jax.tree.map(jnp.subtract, way(of)[-1].at(0.4), expected))) / float(optax.tree.norm(expected))
        for of in (recorded, turning)
    ]
    assert off[1] < 0.5 * off[0], off


@pytest.mark.parametrize("share", [0.06, 0.27, 0.43])
def test_a_request_goes_on_within_the_stage_that_it_comes_to(turning, share):
    state = prepare(turning)
    now = peak(state.objective, state.params, state.record, state.training_set)
    before = replace(state.record, peak=now.share - share - len(state.record.valid) ** -0.5)
    step, record = gone_on(state.objective, state.params, before, state.training_set)
    stage = next(one for one in way(turning) if share <= one.ends or one.ends == 0.4)
    chex.assert_trees_all_close(step, stage.at(share), rtol=1e-5, atol=1e-7)
    assert record.steps == pytest.approx((1 + share) * before.steps)


def test_a_large_request_is_followed_further_in_stages(recorded, turning):
    for of, length in ((recorded, 0.2), (turning, 0.05)):
        found = list(stages(of.objective, of.params, of.record, of.training_set, FURTHER))
        assert [stage.begins for stage in found] == pytest.approx(np.arange(0, 1.2 - 1e-6, length))
        assert found[-1].ends == 1.2
        assert np.concatenate([stage.looks for stage in found]).tolist() == FURTHER.tolist()


@pytest.mark.parametrize(("pending", "last", "furthest"), [(0.06, True, 0.4), (0.061, True, 1.2), (0.1, False, 0.4)])
def test_how_far_a_request_is_followed_is_a_matter_of_its_size(recorded, monkeypatch, pending, last, furthest):
    """Up to the last look, where the metric is best further on; of a request that is cut, only with its last part."""
    monkeypatch.setattr(stopping, "_top", lambda places, _: float(places[-1]))
    before = replace(recorded.record, peak=0.0, pending=pending)
    step, record = gone_on(recorded.objective, recorded.params, before, recorded.training_set, last=last)
    share = furthest - len(before.valid) ** -0.5
    assert record.steps == pytest.approx((1 + share) * before.steps)
    assert record.pending == (0 if furthest > 0.4 else pending)
    looks = FURTHER if furthest > 0.4 else SHARES
    way = list(stages(recorded.objective, recorded.params, recorded.record, recorded.training_set, looks))
    chex.assert_trees_all_close(step, way[-1].at(share), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("most", "parts"), [(None, 1), (0.04, 4)])
def test_the_last_part_of_a_request_is_followed_as_far_as_all_of_it_says(recorded, monkeypatch, most, parts):
    pairs, said = pairs_of(recorded)[: len(recorded.interactions) // 10], told(monkeypatch)
    unlearned, _ = forget(prepare(recorded, config=IFRUConfig(max_share=most)), ForgetRequest(pairs=pairs))
    share = len(pairs) / len(recorded.interactions)
    assert [last for _, last in said] == [False] * (parts - 1) + [True]
    assert said[-1][0] == pytest.approx(share)
    assert np.all(np.diff([pending for pending, _ in said]) > 0)
    assert unlearned.record.pending == 0


@pytest.mark.parametrize("corrected", [False, True])
def test_requests_one_by_one_are_followed_further_once_they_add_up_to_a_large_one(recorded, monkeypatch, corrected):
    # Labels turned at random make the ranking worse, as they should.
    monkeypatch.setattr("ifru_jax.unlearning.whole.went_astray", lambda *_: False)
    monkeypatch.setattr("ifru_jax.unlearning.whole.ranks_worse", lambda *_: False)
    state, said, left, data = prepare(recorded), told(monkeypatch), [], recorded.interactions
    for some in np.random.default_rng(0).permutation(len(data))[: 4 * (len(data) // 40)].reshape(4, -1):
        pairs, others = pairs_of(recorded)[some], 1 - data.labels[some]
        state, _ = forget(state, ForgetRequest(corrected=pairs, labels=others) if corrected else ForgetRequest(pairs=pairs))
        left.append(state.record.pending)
    size, each = len(data), len(data) // 40
    # What is corrected stays, so that the next share is of as much.
    fraction = each / size
    shares = [fraction, 1 - (1 - fraction) ** 2, 1 - (1 - fraction) ** 3, fraction] if corrected else []
    shares = shares or [fraction, 2 * fraction, 3 * fraction, each / (size - 3 * each)]
    assert [pending for pending, _ in said] == pytest.approx(shares)
    assert left == pytest.approx([*shares[:2], 0, shares[3]])


def test_a_confined_request_is_pending_too(recorded):
    state = prepare(recorded, config=IFRUConfig(scope=(0.5,)))
    pairs = pairs_of(recorded)[:10]
    for some in np.split(pairs, 5):
        state, _ = forget(state, ForgetRequest(pairs=some))
    assert state.record.pending == pytest.approx(len(pairs) / len(recorded.interactions))


def pairs_of(trained):
    return np.stack([trained.interactions.users, trained.interactions.items], axis=1)


def told(monkeypatch):
    """What is pending with each request, and whether it is the last part, as they come."""
    said = []

    def spy(*arguments, last):
        said.append((arguments[2].pending, last))
        return gone_on(*arguments, last=last)

    monkeypatch.setattr("ifru_jax.unlearning.whole.gone_on", spy)
    return said


def test_the_metric_is_looked_at_along_the_stages(turning, monkeypatch):
    """From early parameters, which move far."""
    data, early, seen = turning.training_set, turning.record.segments[0].params, []
    monkeypatch.setattr(stopping, "_top", lambda places, values: seen.append((places, values)) or 0.3)
    assert peak(turning.objective, early, turning.record, data) == (0.3, None)
    expected = []
    for share in SHARES:
        stage = next(one for one in stages(turning.objective, early, turning.record, data) if share <= one.ends)
        moved = jax.tree.map(jnp.add, early, stage.at(share))
        expected.append(float(valid_metric(turning.objective, moved, Batch(turning.record.pairs, data.graph))))
    [(places, values)] = seen
    assert places.tolist() == SHARES.tolist()
    np.testing.assert_allclose(values, expected, atol=1e-4)
    assert np.ptp(values) > 0.01


@pytest.fixture(scope="module")
def compared():
    """A training by comparisons, whose validation metric is a share of pairs."""
    data = tastes()
    data = sample_negatives(random_split(data.select(data.labels > 0.5)))
    trained = train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), data, replace(CONFIG, epochs=8), loss=bpr)
    valid = trained.record.valid
    groups = np.concatenate([valid.groups + number * (1 + valid.groups.max()) for number in range(8)])
    many = replace(valid.select(np.tile(np.arange(len(valid)), 8)), groups=groups)
    return trained.with_record(replace(trained.record, valid=many))


def test_a_share_of_pairs_counts_as_far_as_it_is_told_from_what_it_was(compared, monkeypatch):
    """McNemar's standard error, of the pairs that turn over."""
    record, data, seen = compared.record, compared.training_set, []
    monkeypatch.setattr(stopping, "_top", lambda places, values: seen.append(values) or 0.0)
    found = peak(compared.objective, compared.params, record, data)
    valid = record.valid

    # By group, the negative first.
    pairs = np.lexsort((valid.labels, valid.groups)).reshape(-1, 2)
    assert np.all(valid.labels[pairs] == [0, 1])

    def in_order(share):
        params = {name: compared.params[name] + leaf for name, leaf in found.only.at(share).items()}
        rows = np.asarray(params["user_embedding"])[valid.users], np.asarray(params["item_embedding"])[valid.items]
        below, above = np.sum(rows[0] * rows[1], axis=1)[pairs].T
        return above > below

    before, expected = in_order(0.0), []
    for share in SHARES:
        turned = in_order(share).astype(int) - before
        gain, chance = turned.mean(), np.sqrt(np.sum(turned**2)) / len(turned)
        expected.append(before.mean() + np.sign(gain) * max(abs(gain) - chance, 0))
    np.testing.assert_allclose(seen[0], expected, atol=1e-6)
    assert np.ptp(expected) > 0


def test_few_pairs_and_pairs_of_one_label_say_nothing(recorded):
    few = replace(recorded.record, valid=recorded.record.valid.select(np.arange(stopping.LEAST_PAIRS - 1)))
    alike = replace(recorded.record, valid=recorded.record.valid.with_labels(np.ones(len(recorded.record.valid))))
    for record in (few, alike):
        assert peak(recorded.objective, recorded.params, record, recorded.training_set) is None
        assert prepare(recorded.with_record(record)).record.peak is None


def test_the_top_is_that_of_the_parabola_and_stays_in_sight():
    places = np.array([-0.05, 0.0, 0.05, 0.1, 0.2])
    assert stopping._top(places, -np.square(places - 0.03)) == pytest.approx(0.03)
    assert stopping._top(places, places) == 0.2
    assert stopping._top(places, -places) == -0.05
    assert stopping._top(places, np.array([0.5, 0.5, 0.5, 0.5, 0.4])) == 0.0
    assert stopping._top(places, np.array([0.0, np.nan, 1.0, 0.5, np.nan])) in places
