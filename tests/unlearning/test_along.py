"""The step along the training: against dense segments, against a training that is known exactly, and its record after requests."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ifru_jax import DataError, ForgetRequest, IFRUConfig, Status, TrainConfig, bpr, lightgcn, load, mf, random_split, save
from ifru_jax.array_files import write_arrays
from ifru_jax.data import sample_negatives
from ifru_jax.errors import NumericsError
from ifru_jax.graph import Change
from ifru_jax.models import multvae
from ifru_jax.training import Pointwise, Trained, train
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.along import Parting, SegmentSolve, along_training, part
from ifru_jax.unlearning.preconditioner import MeanSquares, age, slope_after, slope_before
from tests.unlearning.conftest import CONFIG, sides_of, some, tastes
from tests.unlearning.twin import filtered, growing, in_krylov


@pytest.fixture(scope="module", params=["mf", "lightgcn-1"])
def recorded(request, split):
    model = mf(embedding_size=4, init_std=0.1) if request.param == "mf" else lightgcn(embedding_size=4, init_std=0.1)
    return train(jax.random.key(0), model, split, replace(CONFIG, record=3))


def in_float64(params):
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), params)


def test_recording_changes_nothing_and_covers_the_training(recorded, split):
    plain = train(jax.random.key(0), recorded.model, split, replace(CONFIG, record=0))
    for name, value in plain.params.items():
        np.testing.assert_allclose(recorded.params[name], value, rtol=1e-4, atol=1e-6)
    assert plain.record is None
    assert len(recorded.record.segments) == 3
    steps_per_epoch = -(-len(split.train) // CONFIG.batch_size)
    assert recorded.record.steps % steps_per_epoch == 0
    for segment in recorded.record.segments:
        for name, applied in segment.applied.items():
            assert np.isfinite(applied).all()
            # Adam goes no further in a step than its rate, for a gradient like those it sees.
            assert (np.asarray(applied) >= 0).all(), name


def one_segment(trained, segment, change, **solve):
    record = Record((segment,), 128, trained.interactions)
    return along_training(trained.objective, record, change, solve=SegmentSolve(**solve))


def test_one_segment_is_the_dense_formula(recorded):
    with jax.enable_x64(True):
        wide = Trained.of(recorded.model, recorded.params, recorded.interactions, config=recorded.config)
        last = recorded.record.segments[-1]
        segment = Segment(in_float64(last.params), in_float64(last.applied), last.steps)
        change = Change.of(wide.training_set, some(wide, 8))
        theta, unravel = ravel_pytree(segment.params)
        delta = one_segment(wide, segment, change, num_steps=len(theta), tolerance=None).delta

        def value(of):
            return lambda x: wide.objective(unravel(x), of.batch)

        before, gradient = jax.grad(value(change.before))(theta), jax.jit(jax.grad(value(change.after)))
        sides, key, hessian = sides_of(change), jax.random.key(0), jax.jit(jax.hessian(value(change.after)))
        found, v = slope_before(wide.objective, segment.params, sides, key)
        np.testing.assert_allclose(ravel_pytree(found)[0], before, atol=1e-12)

        def at(delta):
            """∇L and v_r."""
            found, v_r = slope_after(wide.objective, unravel(theta + delta), sides, key)
            np.testing.assert_allclose(ravel_pytree(found)[0], gradient(theta + delta), atol=1e-12)
            return np.asarray(ravel_pytree(found)[0]), v_r

        def metric(v_r, delta):
            """ρ, S of a step and H in its metric."""
            rho = ravel_pytree(MeanSquares(v, v_r).root_ratio)[0]
            scale = np.sqrt(ravel_pytree(segment.applied)[0] / rho)
            return np.asarray(rho), scale, scale[:, None] * np.asarray(hessian(theta + delta)) * scale[None, :]

        steps = float(segment.steps)
        ahead, v_past = at(0.0)
        rho, scale, H = metric(v_past, 0.0)
        halfway = scale * in_krylov(steps / 2 * H, steps / 2 * scale * (rho * before - ahead), growing, 1)
        ahead, v_half = at(halfway)
        share = 1 - age(steps / 2) / (steps / 2)
        rho, scale, H = metric(jax.tree.map(lambda a, b: (1 - share) * a + share * b, v_past, v_half), halfway)
        force = rho * before - ahead + H @ (halfway / scale) / scale
        expected = scale * filtered(steps * H, steps * scale * np.asarray(force), growing)
        np.testing.assert_allclose(ravel_pytree(delta)[0], expected, atol=1e-8 * float(np.abs(expected).max()))


@dataclass(frozen=True)
class Squares(Pointwise):
    """½ (y − s)²."""

    def terms(self, logits, labels):
        return 0.5 * jnp.square(logits - labels)


class Biases:
    """s = b_u + c_i: squares of it are a quadratic objective."""

    num_hops, history_length, turning = 0, 0, False
    tables = {"user": "user", "item": "item"}  # noqa: RUF012

    def init(self, key, num_users, num_items):
        return {"user": jnp.zeros(num_users), "item": jnp.zeros(num_items)}

    def score(self, params, pairs, graph):
        return params["user"][pairs.users] + params["item"][pairs.items]


@jax.jit
def affine(objective, start, batch):
    """The Hessian and the gradient at `start` of a quadratic, flat."""
    zero, unravel = ravel_pytree(start)
    gradient = jax.grad(lambda x: objective(unravel(x), batch))
    return jax.jacobian(gradient)(zero), gradient(zero)


class Descent:
    """Gradient descent from zero on a quadratic: θ ← (I − ηH) θ + η c, as many steps as powers of one matrix."""

    def __init__(self, objective, start, batch, rate):
        zero, self.unravel = ravel_pytree(start)
        (hessian, gradient), size = affine(objective, start, batch), len(zero)
        self.step = np.zeros((size + 1, size + 1))
        self.step[:size, :size] = np.eye(size) - rate * np.asarray(hessian)
        self.step[:size, size] = -rate * np.asarray(gradient)
        self.step[size, size] = 1.0

    def after(self, steps):
        return np.linalg.matrix_power(self.step, steps)[:-1, -1]


# One model, so that all problems of a size share what is compiled.
BIASES = Biases()


@partial(jax.jit, static_argnums=0)
def parted(solve, objective, params, batch, parting):
    return part(solve, objective.hessian_product(params, batch), parting)[0]


def followed(split, request_of, segments, steps=400_000):
    """δ along the segments of a descent, and the true difference of the two trainings."""
    model, rate = BIASES, 2e-6
    data = split.train
    start = model.init(jax.random.key(0), data.num_users, data.num_items)
    trained = Trained.of(model, start, data, config=TrainConfig(reg=1e-3), loss=Squares())
    change = Change.of(trained.training_set, request_of(trained))
    objective = replace(trained.objective, total=5.0)  # A smaller share of the whole would hardly move it.
    with_all, without = (Descent(objective, start, of.batch, rate) for of in (change.before, change.after))
    delta, length = start, steps // segments
    for k in range(segments):
        middle = with_all.unravel(jnp.asarray(with_all.after(k * length + length // 2)))
        ahead = objective.gradient(jax.tree.map(jnp.add, middle, delta), change.after.batch)
        # Gradient descent divides by nothing: ρ = 1.
        force = jax.tree.map(jnp.subtract, objective.gradient(middle, change.before.batch), ahead)
        applied = jax.tree.map(lambda x: jnp.full_like(x, rate), start)
        # All products, without asking after each whether there are enough.
        solve = SegmentSolve(num_steps=data.num_users + data.num_items, tolerance=None)
        delta = parted(solve, objective, middle, change.after.batch, Parting(delta, force, applied, float(length)))
    return np.asarray(ravel_pytree(delta)[0]), without.after(steps) - with_all.after(steps)


def corrected(trained):
    data, rows = trained.interactions, slice(0, 15)
    pairs = np.stack([data.users[rows], data.items[rows]], axis=1)
    return ForgetRequest(corrected=pairs, labels=1 - data.labels[rows])


@pytest.mark.parametrize("segments", [1, 4])
def test_corrections_of_a_quadratic_that_descends_its_gradient_are_followed_exactly(split, segments):
    """The force of a correction is the same all along, so that nothing is left to the number of segments."""
    with jax.enable_x64(True):
        found, truth = followed(split, corrected, segments)
    assert np.linalg.norm(truth) > 0.05
    np.testing.assert_allclose(found, truth, atol=1e-6 * np.linalg.norm(truth))


def test_deletions_are_followed_the_better_the_more_segments(split):
    """Their force changes along the way; taking it in the middle of a segment leaves an error of second order."""
    with jax.enable_x64(True):
        errors = []
        for segments in (2, 8, 32):
            found, truth = followed(split, lambda trained: some(trained, 15), segments)
            errors.append(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    assert errors[2] < 1e-3
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


def test_a_request_follows_the_record_and_leaves_no_trace_in_it(recorded):
    state = prepare(recorded)
    user = int(recorded.interactions.users[0])
    after, report = forget(state, ForgetRequest(users=np.array([user])))
    assert 3 * (2 + 1) < report.solve.num_products <= EVERY_PRODUCT
    assert len(after.record.segments) == 3
    name = next(name for name, side in recorded.model.tables.items() if side == "user")
    for before, segment in zip(recorded.record.segments, after.record.segments, strict=True):
        assert np.any(before.params[name][user])
        assert not np.any(segment.params[name][user])
        assert not np.any(segment.applied[name][user])
    assert user in state.record.valid.users
    assert user not in after.record.valid.users
    again, _ = forget(after, some(after, 5))
    assert len(again.record.segments) == 3
    # Steps of others, and those with a budget, start from the end; the old record would still know the user.
    for config in (IFRUConfig(follow=False), IFRUConfig(filter="absolute"), IFRUConfig(scope=(), max_edges=50)):
        plain, report = forget(prepare(recorded, config=config), ForgetRequest(users=np.array([user])))
        assert plain.record is None
    assert replace(state, params=after.params, training_set=after.training_set).record is None


def test_the_pace_leads_to_the_middle_unless_rows_turn(split):
    """Then a product leads there in every segment: users are what their items add up to, or rows are divided by their length."""
    turning = replace(mf(embedding_size=4), turning=True)
    for model, more in ((mf(embedding_size=4), 1), (multvae(hidden_size=6, code_size=3), 3), (turning, 3)):
        trained = train(jax.random.key(0), model, split, replace(CONFIG, epochs=3, record=3))
        change = Change.of(trained.training_set, some(trained, 5))
        found = along_training(trained.objective, trained.record, change, solve=SegmentSolve(num_steps=2, tolerance=None))
        # Through each segment two lead, and one back from its middle.
        assert int(found.solution.num_steps) == 3 * (2 + 1) + more


@pytest.mark.parametrize("turning", [False, True])
def test_where_rows_turn_p_is_taken_as_it_was(split, turning):
    model = replace(mf(embedding_size=4), turning=turning)
    trained = train(jax.random.key(0), model, split, replace(CONFIG, epochs=3))
    after, _ = forget(prepare(trained), some(trained, 5))
    kept = after.interactions
    rows = {"user": np.unique(kept.users), "item": np.unique(kept.items)}
    for before, now in zip(trained.record.segments, after.record.segments, strict=True):
        for name, side in model.tables.items():
            same = [np.asarray(of.applied[name])[rows[side]] for of in (before, now)]
            assert np.array_equal(*same) == turning


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("part", ["params", "applied"])
@pytest.mark.parametrize("config", [IFRUConfig(), IFRUConfig(scope=())], ids=["whole", "confined"])
def test_a_segment_that_is_not_finite_is_no_step(recorded, place, part, config):
    segments = list(recorded.record.segments)
    broken = jax.tree.map(lambda x: x * jnp.nan, getattr(segments[place], part))
    segments[place] = replace(segments[place], **{part: broken})
    state = prepare(recorded, config=config).with_record(replace(recorded.record, segments=tuple(segments)))
    with pytest.raises(NumericsError, match="not finite"):
        forget(state, some(recorded, 5))


def lengthened(trained, place, factor):
    """A record with a segment that is so many times as long: it has curvatures that no few products see."""
    segments = list(trained.record.segments)
    segments[place] = replace(segments[place], steps=factor * segments[place].steps)
    return replace(trained.record, segments=tuple(segments))


# One back from the middle of each segment, and one to that of the first.
EVERY_PRODUCT = 2 * (8 + 1) + 16 + 1 + 1


def test_the_segments_before_the_last_get_few_products(recorded):
    """With a tolerance of nothing each takes all that it may."""
    _, report = forget(prepare(recorded), some(recorded, 5), config=IFRUConfig(segment_tolerance=0.0))
    assert report.solve.num_products == EVERY_PRODUCT
    assert report.status is Status.STEPS_SPENT
    _, report = forget(prepare(recorded), some(recorded, 5), config=IFRUConfig(segment_tolerance=0.0, segment_steps=5))
    assert report.solve.num_products == 3 * (5 + 1) + 1
    _, report = forget(prepare(recorded), some(recorded, 5), config=IFRUConfig(scope=(), segment_tolerance=0.0))
    assert report.solve.num_products == EVERY_PRODUCT


def test_a_last_segment_that_resolved_too_little_says_so(recorded):
    state = prepare(recorded).with_record(lengthened(recorded, 2, 24))
    _, report = forget(state, some(recorded, 5), config=IFRUConfig(segment_tolerance=0.0))
    assert report.solve.residual > 0.25
    assert report.status is (Status.UNRESOLVED if report.solve.residual > 0.5 else Status.STEPS_SPENT)


@pytest.mark.parametrize("recorded", ["mf"], indirect=True)
def test_an_early_segment_that_resolved_too_little_leads_astray(recorded):
    state, config = prepare(recorded).with_record(lengthened(recorded, 0, 1e6)), IFRUConfig(segment_tolerance=0.0)
    with pytest.warns(RuntimeWarning, match="went astray"):
        _, report = forget(state, some(recorded, 5), config=config)
    # A last coefficient that rounds to exactly 0 ends even those of no tolerance; those through all of the training at once and
    # those of the step that was taken come on top.
    assert EVERY_PRODUCT < report.solve.num_products - config.num_steps <= EVERY_PRODUCT + 16 + 2
    assert report.status is Status.UNRESOLVED


def test_segments_that_ended_by_their_error_have_converged(recorded):
    """Nobody is told to raise a number that was not used up; what is told is how the last segment ended."""
    state, request = prepare(recorded), some(recorded, 5)
    _, early = forget(state, request, config=IFRUConfig(segment_tolerance=0.9))
    assert early.status is Status.CONVERGED
    assert early.solve.num_products < 3 * (5 + 1) + 1
    state = state.with_record(lengthened(recorded, 2, 1e3))
    _, late = forget(state, request, config=IFRUConfig(segment_tolerance=0.1))
    assert late.status is max(Status.STEPS_SPENT, late.status)


def test_nothing_forgotten_and_the_record_stays(recorded):
    state = prepare(recorded)
    assert state.record.segments == recorded.record.segments
    assert forget(state, ForgetRequest())[0] is state


def test_requests_one_after_the_other_are_nearly_one(recorded):
    # Where training would have stopped is left out: a hundred validation pairs say that in jumps.
    state = prepare(recorded).with_record(replace(recorded.record, peak=None))
    first, second = some(recorded, 6, seed=1), some(recorded, 6, seed=2)
    at_once, _ = forget(state, first | second)
    step_by_step, _ = forget(forget(state, first)[0], second)
    whole = ravel_pytree(jax.tree.map(jnp.subtract, at_once.params, state.params))[0]
    apart = ravel_pytree(jax.tree.map(jnp.subtract, step_by_step.params, at_once.params))[0]
    # A training of fifty steps with a large rate is cut coarsely by three segments; four times as many bring this to .07.
    assert float(jnp.linalg.norm(apart)) < 0.3 * float(jnp.linalg.norm(whole))


def test_the_record_is_saved_and_left_out_for_serving(recorded, tmp_path):
    path = tmp_path / "model.npz"
    # Validation pairs are too few for a peak, so it is one that was set.
    state = prepare(recorded)
    save(state.with_record(replace(state.record, peak=0.07, pending=0.03)), path)
    found = load(path)
    jax.tree.map(np.testing.assert_array_equal, found.record.segments, recorded.record.segments)
    assert (found.record.peak, found.record.pending) == (0.07, 0.03)
    assert found.record.batch_size == CONFIG.batch_size
    for column in ("users", "items", "labels"):
        np.testing.assert_array_equal(getattr(found.record.valid, column), getattr(recorded.record.valid, column))
    request = some(recorded, 8)
    one, other = forget(found, request)[0], forget(prepare(recorded), request)[0]
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    broken = next(name for name in arrays if name.startswith("record/1/applied/"))
    for damaged in ({n: a for n, a in arrays.items() if n != broken}, arrays | {broken: arrays[broken][1:]}):
        write_arrays(tmp_path / "damaged.npz", damaged)
        with pytest.raises(DataError, match=r"lacks a part of a saved model .*the record of its training"):
            load(tmp_path / "damaged.npz")
    save(recorded, path, for_serving=True)
    assert load(path).record is None
    jax.tree.map(np.testing.assert_array_equal, load(path).params, recorded.params)


def test_losses_that_compare_are_followed_too():
    data = tastes()
    data = sample_negatives(random_split(data.select(data.labels > 0.5)))
    trained = train(jax.random.key(0), mf(embedding_size=4, init_std=0.1), data, replace(CONFIG, record=2), loss=bpr)
    after, report = forget(prepare(trained), ForgetRequest(users=trained.interactions.users[:1]))
    assert report.solve.num_products >= 2 * (2 + 1) + 1
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((after.params, after.record.segments)))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: TrainConfig(record=-1), "record is -1"),
    (lambda: IFRUConfig(segment_steps=0), "segment_steps is 0"),
    (lambda: IFRUConfig(early_steps=0), "early_steps is 0"),
    (lambda: TrainConfig(record=1.5), "record is 1.5: give a whole number"),
    (lambda: TrainConfig(epochs=2.0), "epochs is 2.0: give a whole number"),
    (lambda: IFRUConfig(num_steps=2.5), "num_steps is 2.5: give a whole number"),
    (lambda: IFRUConfig(scope=(), max_edges=9.5), "max_edges is 9.5: give a whole number"),
])  # fmt: skip
def test_what_is_out_of_range_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize("kind", ["deleted", "corrected"])
def test_never_further_from_retraining_than_doing_nothing(split, kind):
    """A hundred small problems in all, with one to sixty interactions of 550, cut into one to four segments."""
    with jax.enable_x64(True):
        for number in range(50):
            rng = np.random.default_rng(number)
            count = int(rng.integers(1, 60))

            def request(trained, rng=rng, count=count):
                data, places = trained.interactions, np.sort(rng.choice(len(trained.interactions), count, replace=False))
                pairs = np.stack([data.users[places], data.items[places]], axis=1)
                gone = ForgetRequest(pairs=pairs)
                return gone if kind == "deleted" else ForgetRequest(corrected=pairs, labels=1 - data.labels[places])

            found, truth = followed(split, request, int(rng.integers(1, 5)), steps=int(rng.integers(5, 400)) * 1000)
            assert np.linalg.norm(found - truth) < 0.5 * np.linalg.norm(truth)
