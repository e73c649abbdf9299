"""Requests along the training against a dense float64 twin: equations (42) to (46) of the mathematics page."""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import jax
import numpy as np
import pytest

from ifru_jax import IFRUConfig, Interactions
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import forget, prepare
from ifru_jax.unlearning.preconditioner import signs
from tests.unlearning.twin import COUNT, ITEMS, SIZE, USERS, filtered, flat, growing, in_krylov, problem_of, tables

pytestmark = pytest.mark.usefixtures("float64")

BATCH = 7
SHARES = np.array([-0.05, -0.025, 0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4])
FURTHER = np.array([*SHARES, 0.6, 0.8, 1.0, 1.2])
# Twenty parameters, so that twenty products are enough for any accuracy; four, before the last segment, are not.
EXACT = IFRUConfig(segment_steps=COUNT, early_steps=4, segment_tolerance=0.0, max_share=None)


@pytest.fixture(params=[(1, 11, 3), (0, 10, 1)], ids=["lightgcn-1", "mf"])
def seeded(request, dense_scores):
    """A seed and its problem: one whose training would have gone on, or one whose would not."""
    layers, going_on, staying = request.param

    def of(goes_on):
        seed = going_on if goes_on else staying
        return seed, problem_of(seed, layers, dense_scores)

    return of


class Course(NamedTuple):
    """Where (43) and (44) lead."""

    delta: np.ndarray
    segments: list[Segment]


def with_record(problem, seed):
    """Three segments that no training went along, and validation pairs of everyone."""
    rng = np.random.default_rng(seed)
    segments = tuple(
        Segment(tables(problem.theta + 0.3 * rng.normal(size=COUNT)), tables(0.1 * np.exp(rng.normal(size=COUNT))), float(steps))
        for steps in (150, 400, 250)
    )
    places = np.tile(np.arange(USERS * ITEMS), 60)
    cells = rng.permutation(USERS * ITEMS)
    valid = Interactions(cells[places] // ITEMS, cells[places] % ITEMS, rng.integers(0, 2, len(cells))[places], USERS, ITEMS)
    record = Record(segments, BATCH, valid)
    return prepare(problem.trained.with_record(record), config=EXACT)


def of_rows(values):
    """Means over the columns of each row."""
    return np.repeat(values.reshape(-1, SIZE).mean(1), SIZE)


def signed_squares(twin, theta, data, edges, signs):
    """(Σ_z ε_z ∂ℓ_z)², as a mean over the draws of signs and over the columns of a row."""
    each = np.asarray(twin.of_each(theta, data.labels, edges))
    sums = np.stack([np.tensordot(data.present * draw, each, 2) for draw in signs])
    return of_rows(np.square(sums).mean(0))


def mean_square(twin, energy, gradient, data):
    """v of (45)."""
    size = data.present.sum()
    batch = size / np.ceil(size / BATCH)
    phi = (batch - 1) / (size - 1)
    c = (1 - phi) / batch
    squares = np.square(twin.total / size * gradient)
    return c * energy / size + (1 - c) * (phi * squares + (1 - phi) * of_rows(squares))


def draws(key, examples):
    """The signs that the examples get, as matrices; that they are the same on both sides is what matters."""
    pairs, size = examples.pairs.edges, int(examples.weights.sum())
    rows, cols = np.asarray(pairs.rows)[:size], np.asarray(pairs.cols)[:size]
    found = np.zeros((2, USERS, ITEMS))
    for number, one in enumerate(jax.random.split(key, 2)):
        found[number, rows, cols] = np.where(signs(one, size), 1, -1)
    return found


def dense_course(problem, record):
    twin, before, after = problem.twin, problem.before, problem.after
    change = problem.trained.resolved(problem.request)
    touched = (before.present != after.present) | (before.labels != after.labels)
    gone, new = before._replace(present=touched * before.present), after._replace(present=touched * after.present)
    old_terms, _ = change.touched_examples
    delta, pace, v, v_r, segments = np.zeros(COUNT), None, 0.0, 0.0, []
    for number, segment in enumerate(record.segments):
        theta, steps, key = flat(segment.params), segment.steps, jax.random.key(number)
        of_retained, of_touched = draws(key, change.after.examples), draws(key, old_terms)
        g = twin.at(theta, before)[0]
        # (45). E of D is that of D_r, with what was touched in place of what it became.
        here = signed_squares(twin, theta, after, after.edges, of_retained)
        here += np.maximum(
            signed_squares(twin, theta, gone, before.edges, of_touched) - signed_squares(twin, theta, new, after.edges, of_touched),
            -0.95 * here,
        )

        def at(delta, theta=theta, signs=of_retained):
            """∇L, H and v_r."""
            ahead, H = twin.at(theta + delta, after)
            return ahead, H, mean_square(twin, signed_squares(twin, theta + delta, after, after.edges, signs), ahead, after)

        def middle(seen, seen_r, past=(v, v_r), half=steps / 2, recorded=segment.applied):
            """ρ in the middle of the segment, and S of one step."""
            kept = 0.999**half
            v, v_r = (kept * old + (1 - kept) * new for old, new in zip(past, (seen, seen_r), strict=True))
            rho = np.sqrt(np.clip(v_r / v, 0.05, 20))
            return rho, np.sqrt(flat(recorded) / rho)

        # (43) and (44): to the middle, at the pace of the segment before, or by a product; then all of the segment.
        past, seen = delta, mean_square(twin, here, g, before)
        if pace is None or before.present.sum() <= BATCH:
            ahead, H, seen_past = at(past)
            rho, S = middle(seen, seen_past)
            halfway = past + S * in_krylov(steps / 2 * S[:, None] * H * S, steps / 2 * S * (rho * g - ahead), growing, 1)
            ahead, H, seen_half = at(halfway)
            # How long ago the squares were seen that Adam remembers, on average, by a sum over the steps.
            ago = (np.arange(1000 * steps / 2) + 0.5) / 1000
            age = np.average(ago, weights=0.999**ago)
            rho, S = middle(seen, seen_past + (1 - age / (steps / 2)) * (seen_half - seen_past))
        else:
            halfway = past + steps / 2 * pace
            ahead, H, seen_half = at(halfway)
            rho, S = middle(seen, seen_half)
        force = rho * g - ahead + H @ (halfway - past)
        scaled = steps * S[:, None] * H * S, steps * S * force, growing
        delta = past + S * (filtered(*scaled) if number == len(record.segments) - 1 else in_krylov(*scaled, 4))
        pace = (delta - past) / steps
        v, v_r = (0.999**steps * old + (1 - 0.999**steps) * new for old, new in zip((v, v_r), (seen, seen_half), strict=True))
        applied = flat(segment.applied) / rho
        middle = theta + (past + delta) / 2
        segments.append(Segment(*(tables(np.where(problem.lost, 0, part)) for part in (middle, applied)), steps))
    return Course(delta, segments)


def dense_peak(twin, theta, data, record, valid, looks=SHARES, length=0.4):
    """τ* of (46), and the flow to any τ, in stages of a length."""
    S = np.sqrt(sum(segment.steps for segment in record.segments) * flat(record.segments[-1].applied))

    def after(share):
        # Where the last look was comes no stage after.
        inner = [end for end in np.arange(length, looks[-1] - 1e-9, length) if end < share]
        moved = np.zeros(COUNT)
        for begins, ends in pairwise([0, *inner, share]):
            gradient, H = twin.at(theta + moved, data)
            values, vectors = np.linalg.eigh(S[:, None] * H * S)
            size = abs(ends - begins)
            moved = moved - np.sign(share) * S * (vectors @ (size * growing(size * values) * (vectors.T @ (S * gradient))))
        return moved

    def auc(share):
        scores = np.asarray(twin.scores(theta + (after(share) if share else 0), data.edges))[valid.users, valid.items]
        above = scores[valid.labels > 0.5][:, None] - scores[valid.labels < 0.5]
        return np.mean((above > 1e-12) + 0.5 * (np.abs(above) <= 1e-12))

    metric = np.array([auc(share) for share in looks])
    best = int(metric.argmax())
    if best in (0, len(looks) - 1):
        return looks[best], after
    x, y = looks[best - 1 : best + 2], metric[best - 1 : best + 2]
    curvature, incline, _ = np.polyfit(x, y, 2)
    return (-incline / (2 * curvature) if curvature < 0 else x[1]), after


def test_batches_of_all_the_data_seek_the_middle_of_every_segment(seeded, monkeypatch):
    """Over all the data; other tests hold confined requests against that."""
    monkeypatch.setattr(f"{__name__}.BATCH", USERS * ITEMS)
    # What is compiled with it is kept for the tests below.
    monkeypatch.setattr("ifru_jax.unlearning.stopping.PRODUCTS", COUNT)
    monkeypatch.setattr("ifru_jax.unlearning.astray.LEAST_FALL", 1.0)
    seed, problem = seeded(False)
    state = with_record(problem, seed)
    course = dense_course(problem, state.record)
    unlearned, _ = forget(state.with_record(replace(state.record, peak=None)), problem.request)
    np.testing.assert_allclose(flat(unlearned.params), np.where(problem.lost, 0, problem.theta + course.delta), atol=1e-8)


@pytest.mark.parametrize(("goes_on", "large"), [(True, False), (False, False), (True, True)])
def test_along_the_training_and_on(seeded, goes_on, large, monkeypatch):
    """As the small request that it isn't, with so few interactions, and as a large one."""
    monkeypatch.setattr("ifru_jax.unlearning.stopping.PRODUCTS", COUNT)
    if not large:
        monkeypatch.setattr("ifru_jax.unlearning.stopping.LARGE", 1.0)
    # Labels that were drawn rank as they like.
    monkeypatch.setattr("ifru_jax.unlearning.astray.LEAST_FALL", 1.0)
    seed, problem = seeded(goes_on)
    twin, state = problem.twin, with_record(problem, seed)
    course = dense_course(problem, state.record)
    theta = np.where(problem.lost, 0, problem.theta + course.delta)
    valid, known = state.record.valid, ~problem.lost[::SIZE]
    # What is asked for goes from them as well, and has its new label.
    named, labels = np.zeros((USERS, ITEMS), bool), valid.labels.copy()
    named[tuple(problem.request.pairs.T)] = True
    for (user, item), label in zip(problem.request.corrected, problem.request.labels, strict=True):
        labels[(valid.users == user) & (valid.items == item)] = label
    left = valid.with_labels(labels).select(known[valid.users] & known[USERS + valid.items] & ~named[valid.users, valid.items])
    assert len(left) < len(valid)
    record = replace(state.record, segments=tuple(course.segments), valid=left)
    before, _ = dense_peak(twin, problem.theta, problem.before, state.record, valid)
    peak, after = dense_peak(twin, theta, problem.after, record, left, *((FURTHER, 0.2) if large else ()))
    share = peak - before - len(left) ** -0.5
    assert (share > 0) == goes_on
    unlearned, _ = forget(state, problem.request)
    assert state.record.peak == pytest.approx(before, abs=1e-9)
    if share > 0:
        theta = np.where(problem.lost, 0, problem.theta + course.delta + after(share))
        *others, last = course.segments
        course = course._replace(segments=[*others, replace(last, steps=last.steps + share * 800)])
    np.testing.assert_allclose(flat(unlearned.params), theta, atol=1e-8)
    for found, expected in zip(unlearned.record.segments, course.segments, strict=True):
        for part in ("params", "applied"):
            np.testing.assert_allclose(flat(getattr(found, part)), flat(getattr(expected, part)), atol=1e-8)
        assert float(found.steps) == pytest.approx(expected.steps)
    np.testing.assert_array_equal(unlearned.record.valid.users, left.users)
    np.testing.assert_array_equal(unlearned.record.valid.items, left.items)
    np.testing.assert_array_equal(unlearned.record.valid.labels, left.labels)
