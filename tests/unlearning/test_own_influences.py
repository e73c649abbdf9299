"""Influences of a user's own ratings on a problem of the user's size, against the dense twin with the same rows held."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import IFRUConfig, Interactions, Trained, bce, bpr, lightgcn, mf
from ifru_jax.data import sample_negatives
from ifru_jax.data.splits import Split
from ifru_jax.influence.targets import Target
from ifru_jax.models import bias_mf
from ifru_jax.training.record import Record, Segment
from ifru_jax.unlearning import Prepared, prepare
from ifru_jax.unlearning.local import adjoint
from ifru_jax.unlearning.local.adjoint import own_influences, returning, tells_own
from ifru_jax.unlearning.prepare import Damping
from tests.unlearning.test_adjoint import EXACT, along, columns, recorded, score_at
from tests.unlearning.twin import ITEMS, SIZE, USERS, problem_of

# The last user rated the first two of the items, which are asked about, and neither of the others, which are held.
QUESTIONS = [(0, [1], [1.0]), (4, [2, 0], [1.0, -1.0]), (0, [0, 2, 1, 3], [0.3, -0.1, 0.5, -0.7])]


@pytest.fixture
def make(float64, dense_scores):
    return lambda seed: problem_of(seed, 0, dense_scores)


def held(problem, record, user, asked):
    """The record with no way to go for rows other than the user's, those asked about and those that the user rated."""
    data = problem.trained.interactions
    free = np.zeros((USERS + ITEMS, SIZE))
    free[user] = 1
    free[USERS + np.concatenate([asked, data.items[data.users == user]])] = 1
    inside = {"user_embedding": free[:USERS], "item_embedding": free[USERS:]}
    segments = [Segment(s.params, jax.tree.map(lambda p, f: p * f, dict(s.applied), inside), s.steps) for s in record.segments]
    return replace(record, segments=tuple(segments))


def expected(problem, record, question, retained=1.0):
    """By one dense course for every rating of the user."""
    user, items, coefficients = question
    data = problem.trained.interactions
    own = data.users == user
    each = along(
        problem, record, lambda theta: columns(problem.twin, theta, problem.before)[:, user, data.items[own]], retained=retained
    )
    slope = sum(
        c * jax.grad(score_at(problem.twin, (user, item), problem.before))(problem.theta, problem.before.present)
        for c, item in zip(coefficients, items, strict=True)
    )
    return -np.asarray(slope) @ each


@pytest.mark.parametrize(("seed", "question"), list(enumerate(QUESTIONS)), ids=["score", "difference", "list"])
def test_every_own_rating_is_a_dense_course_of_its_own_with_other_rows_held(make, seed, question):
    """With six users everybody's ratings are in the problem, so that nothing is estimated."""
    problem = make(seed)
    user, items, coefficients = question
    asked = np.array(items[:2])
    state = prepare(recorded(problem, seed), config=EXACT)
    found = own_influences(state, Target.of(user, items, coefficients), asked)
    np.testing.assert_allclose(found, expected(problem, held(problem, state.record, user, asked), question), atol=1e-9)


def test_where_ratings_go_in_part_the_curvature_is_that_of_what_is_left(make):
    problem = make(0)
    state, data = prepare(recorded(problem, 0), config=EXACT), problem.trained.interactions
    retained = np.random.default_rng(0).uniform(0.3, 1, (USERS, ITEMS))
    user, items, coefficients = QUESTIONS[0]
    left = retained[data.users, data.items]
    found = own_influences(state, Target.of(user, items, coefficients), np.array(items), retained=left)
    record = held(problem, state.record, user, items)
    np.testing.assert_allclose(found, expected(problem, record, QUESTIONS[0], retained), atol=1e-9)


def state_of(data, model=None, loss=bce):
    """A model with a record, prepared without a look at its spectrum, which own ratings don't ask for."""
    model = model or mf(embedding_size=3)
    params = model.init(jax.random.key(0), data.num_users, data.num_items)
    made = Trained.of(model, params, data, loss=loss)
    state = Prepared(made.objective, made.params, made.training_set, made.config, IFRUConfig(), Damping(1.0, 0.4))
    segment = Segment(params, jax.tree.map(lambda p: 0.1 + 0 * p, params), 10.0)
    return state.with_record(Record((segment,), 8, data.select(np.zeros(0, int))))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans())
def test_what_is_sampled_stands_for_all_others(seed, sampled, duplicates):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 30, 200), rng.integers(0, 9, 200)
    data = Interactions.from_arrays(users, items, rng.random(200) < 0.5, keep_duplicates=True)
    data = data if duplicates else data.select(np.unique(data.users * data.num_items + data.items, return_index=True)[1])
    training_set = state_of(data).training_set
    data, user, asked = training_set.interactions, int(rng.integers(0, data.num_users)), rng.integers(0, data.num_items, 2)
    before, adjoint.SAMPLED = adjoint.SAMPLED, sampled
    try:
        places, counts = adjoint._looked_at(training_set, user, asked)
    finally:
        adjoint.SAMPLED = before
    assert len(np.unique(places)) == len(places)
    own, of_asked = data.users[places] == user, np.isin(data.items[places], asked)
    exact = (data.users == user) | np.isin(data.items, asked)
    np.testing.assert_array_equal(np.sort(places[own | of_asked]), np.flatnonzero(exact))
    assert np.all(counts[own | of_asked] == 1)
    rated = np.setdiff1d(data.items[data.users == user], asked)
    assert set(data.items[places[~(own | of_asked)]]) <= set(rated)
    for item in rated:
        others = (data.items == item) & (data.users != user)
        here = (data.items[places] == item) & ~own
        assert counts[here].sum() == pytest.approx(others.sum())
        assert here.sum() >= min(others.sum(), sampled)


def test_few_shapes_are_compiled():
    rng = np.random.default_rng(0)
    cells = rng.permutation(60 * 50)[:900]
    state = state_of(Interactions(cells // 50, cells % 50, rng.random(900) < 0.5, 60, 50))
    adjoint._back.clear_cache()
    for user in range(12):
        own_influences(state, Target.of(user, [user], [1.0]), np.array([user]))
    assert adjoint._back._cache_size() == 1


def test_it_takes_a_model_of_rows_with_a_record():
    data = Interactions(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([1.0, 0, 1]), 2, 3)
    asked = np.array([2])
    assert tells_own(state_of(data), 1, asked)
    assert not tells_own(state_of(data).with_record(None), 1, asked)
    assert not tells_own(state_of(data, lightgcn(embedding_size=3)), 1, asked)
    assert not tells_own(state_of(data, bias_mf(embedding_size=2)), 1, asked)
    ones = data.with_labels(np.ones(3))
    compared = sample_negatives(Split(ones, ones.select(slice(0)), ones.select(slice(0))), per_positive=1).train
    assert not tells_own(state_of(compared, loss=bpr), 1, asked)


def test_where_others_return_much_the_whole_problem_is_solved():
    """User 0 rated items 0 and 1, which nobody else and one other rated; two others, of three ratings each, rated item 2."""
    users, items = np.array([0, 0, 1, 1, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 3, 2, 3, 4])
    state = state_of(Interactions(users, items, np.ones(8), 3, 6))
    assert returning(state.training_set, 0, np.array([2])) == pytest.approx((1 + 1 / 2) / 3)
    assert not tells_own(state, 0, np.array([2]))
    assert returning(state.training_set, 0, np.array([5])) == 0
    assert returning(state.training_set, 0, np.array([0])) == 0


def test_an_item_and_a_user_without_ratings_are_no_trouble():
    data = Interactions(np.array([0, 0, 2]), np.array([0, 1, 1]), np.array([1.0, 0, 1]), 4, 3)
    state = state_of(data)
    unknown = own_influences(state, Target.of(0, [2], [1.0]), np.array([2]))
    assert unknown.shape == (2,)
    assert np.isfinite(unknown).all()
    assert own_influences(state, Target.of(3, [0], [1.0]), np.array([0])).shape == (0,)
