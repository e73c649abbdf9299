"""Labels that are corrected: the data after, the way there and back, confined requests, several at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import DataError, ForgetRequest, IFRUConfig, bce, bpr, lightgcn, mf, random_split, retrain, unlearn
from ifru_jax.baselines import Gradient
from ifru_jax.data import sample_negatives
from ifru_jax.graph import Change
from ifru_jax.training import train, training_set_for
from ifru_jax.unlearning import forget, independent_steps, prepare
from ifru_jax.unlearning.local.step import apply_steps, row_numbers
from tests.unlearning.conftest import CONFIG, tastes
from tests.unlearning.test_local_step import in_float64, local_step, whole_step

SMALL = {"embedding_size": 6, "init_std": 0.1}
CASES = {
    "mf": (mf(**SMALL), bce),
    "lightgcn-2": (lightgcn(num_layers=2, **SMALL), bce),
    "bpr": (lightgcn(num_layers=1, **SMALL), bpr),
}
CONFINED = IFRUConfig(scope=(), num_steps=6)


def grouped():
    data = tastes()
    return sample_negatives(random_split(data.select(data.labels > 0.5)))


@pytest.fixture(scope="module", params=CASES)
def state(request, split):
    model, loss = CASES[request.param]
    return prepare(train(jax.random.key(0), model, grouped() if loss.grouped else split, CONFIG, loss=loss))


def flipped(data, places):
    """The request that turns the labels at these places around."""
    pairs = np.stack([data.users[places], data.items[places]], axis=1)
    return ForgetRequest(corrected=pairs, labels=1 - data.labels[places])


def back(data, request):
    """The request that undoes it."""
    return ForgetRequest(corrected=request.corrected, labels=1 - request.labels)


def members(data, number):
    """The positive and the negative of a group."""
    places = np.flatnonzero(data.groups == np.unique(data.groups)[number])
    return places[np.argsort(-data.labels[places])]


def three(data):
    """Edges come and go; in data with groups one changes its leader and one compares nothing any more."""
    if data.groups is not None:
        return np.sort([*members(data, 5), members(data, 40)[1]])
    positive, negative = np.flatnonzero(data.labels > 0.5), np.flatnonzero(data.labels < 0.5)
    return np.sort([positive[10], positive[50], negative[20]])


def kinds(data):
    """Places to flip: an edge that comes, one that goes, several of both."""
    if data.groups is not None:
        pairs = [members(data, number) for number in (3, 17, 30, 60)]
        return {"comes": pairs[0][1:], "goes": pairs[1][:1], "swap": pairs[2], "many": np.sort([*three(data), *pairs[3]])}
    positive, negative = np.flatnonzero(data.labels > 0.5), np.flatnonzero(data.labels < 0.5)
    return {"comes": negative[[7]], "goes": positive[[7]], "many": np.sort([*positive[::90], *negative[::90]])}


def length(a, b):
    return float(np.linalg.norm(ravel_pytree(a.params)[0] - ravel_pytree(b.params)[0]))


def test_the_data_after_are_the_corrected_ones(state):
    data = state.interactions
    request = flipped(data, three(data))
    after, report = forget(state, request)
    assert (report.corrected, report.forgotten, report.retained) == (3, 0, len(data))
    assert report.norm_step > 0
    right = request.applied(data)
    np.testing.assert_array_equal(right.labels != data.labels, np.isin(np.arange(len(data)), three(data)))
    np.testing.assert_array_equal(after.interactions.labels, right.labels)
    fresh = training_set_for(state.model, state.loss, right, capacities=state.training_set.capacities)
    np.testing.assert_array_equal(fresh.positives, after.training_set.positives)
    for a, b in zip(jax.tree.leaves(fresh.batch), jax.tree.leaves(after.batch), strict=True):
        np.testing.assert_array_equal(a, b)
    # What is right already changes nothing.
    same, report = forget(after, request)
    assert same is after
    assert report.corrected == 0


def test_by_original_ids(state):
    data, request = state.interactions, flipped(state.interactions, three(state.interactions))
    named = [
        (str(data.user_ids[user]), str(data.item_ids[item]), label)
        for (user, item), label in zip(request.corrected, request.labels, strict=True)
    ]
    expected, _ = forget(state, request)
    found, report = unlearn(state, corrected=named)
    assert report.corrected == 3
    assert length(found, expected) == 0


def test_there_and_back_is_of_second_order(state):
    """What is left of the step shrinks with the step: under λ of training three labels are no small request of so few data."""
    shares = []
    with jax.enable_x64(True):
        start = in_float64(state)
        request = flipped(start.interactions, three(start.interactions))
        for times in (20, 200):
            config = IFRUConfig(num_steps=20, damping=times * start.floor)
            there, _ = forget(start, request, config=config)
            again, report = forget(there, back(start.interactions, request), config=config)
            assert report.corrected == 3
            np.testing.assert_array_equal(again.interactions.labels, start.interactions.labels)
            shares.append(length(again, start) / length(there, start))
    assert shares[0] < 0.1
    assert shares[1] < 0.15 * shares[0]


def test_a_confined_correction_is_the_whole_one_confined_to_scope(state):
    with jax.enable_x64(True):
        exact = in_float64(state)
        data = exact.interactions
        requests = {name: flipped(data, places) for name, places in kinds(data).items()}
        rest = np.flatnonzero(~np.isin(data.users, data.users[kinds(data)["many"]]))
        forgotten = ForgetRequest(pairs=np.stack([data.users[rest[:2]], data.items[rest[:2]]], axis=1))
        requests["with a deletion"] = requests["many"] | forgotten
        for request in requests.values():
            change = Change.of(exact.training_set, request)
            expected, solution = whole_step(exact, change, CONFINED, 0.4 * state.damping.scale)
            found, steps = local_step(exact, change, CONFINED, 0.4 * state.damping.scale)
            for name, value in expected.items():
                largest = float(np.abs(value - exact.params[name]).max())
                assert largest > 0
                np.testing.assert_allclose(found[name], value, atol=1e-8 * largest, rtol=0)
            np.testing.assert_allclose(steps.solution.predicted_decrease[0], solution.predicted_decrease, rtol=1e-7)


def test_the_record_is_that_of_the_model_after_corrections(state):
    after = prepare(state, config=CONFINED)
    for places in kinds(state.interactions).values():
        after, report = forget(after, flipped(after.interactions, places))
        assert report.corrected == len(places)
        fresh = prepare(after.with_propagations(None))
        assert fresh.propagations.any == (state.model.num_hops > 0)
        for a, b in zip(jax.tree.leaves(after.propagations), jax.tree.leaves(fresh.propagations), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_several_corrections_at_once_are_each_alone(state):
    """Each size of a request compiles anew, so only one is asked for alone; `test_a_confined_correction…` solves each alone."""
    requests = [flipped(state.interactions, places) for places in kinds(state.interactions).values()]
    together = independent_steps(state, requests, config=CONFINED)
    lost = row_numbers(state.training_set.without_data)
    alone = independent_steps(state, requests[:1], config=CONFINED)
    for name, rows in alone.rows.items():
        scale = float(jnp.abs(rows).max())
        assert scale > 0
        np.testing.assert_allclose(together.rows[name][0][: rows.shape[1]], rows[0], atol=1e-3 * scale)
    for number, request in enumerate(requests):
        steps = jax.tree.map(lambda values, at=number: values[at : at + 1], together)
        applied, (expected, _) = apply_steps(state.model, state.params, steps, lost), forget(state, request, config=CONFINED)
        for name, value in expected.params.items():
            scale = float(jnp.abs(value - state.params[name]).max())
            assert scale > 0
            np.testing.assert_allclose(applied[name], value, atol=1e-3 * scale)


def test_labels_that_the_loss_cannot_take_are_refused(split):
    """As training refuses them: cross-entropy on a label of 7 has no minimum."""
    trained = prepare(train(jax.random.key(0), mf(**SMALL), split, CONFIG))
    pair = np.stack([trained.interactions.users[:1], trained.interactions.items[:1]], axis=1)
    request = ForgetRequest(corrected=pair, labels=np.array([7.0]))
    for refuse in (
        lambda: forget(trained, request),
        lambda: independent_steps(trained, [request], config=CONFINED),
        lambda: Gradient(trained.model, CONFIG).forget(trained, request),
        lambda: retrain(jax.random.key(1), trained, request, split.valid),
    ):
        with pytest.raises(DataError, match="labels go from 7 to 7, but cross-entropy needs 0 … 1"):
            refuse()
