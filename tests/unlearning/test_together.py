"""Requests that are prepared together, against each prepared alone and against definitions by hand."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, ForgetRequest, IFRUConfig, Interactions, Trained, bpr, lightgcn, mf
from ifru_jax.graph import Change
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.inflow import Propagations
from ifru_jax.graph.medians import median_degrees
from ifru_jax.unlearning import Prepared, prepare
from ifru_jax.unlearning.local import request as local_request
from ifru_jax.unlearning.local.problem import Sizes, pack
from ifru_jax.unlearning.local.request import local_requests
from ifru_jax.unlearning.prepare import Damping

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, MOST = 6, 6, 16
MODELS = {
    "mf": mf(embedding_size=2),
    "lightgcn-1": lightgcn(num_layers=1, embedding_size=2),
    "lightgcn-2": lightgcn(num_layers=2, embedding_size=2),
}
WAYS = {
    "ends": IFRUConfig(scope=()),
    "a hop": IFRUConfig(scope=(0.5,)),
    "few nodes": IFRUConfig(scope=(1.0,), max_nodes=4),
    "few edges": IFRUConfig(scope=(), max_edges=3),
}


@st.composite
def interactions(draw, *, grouped=False):
    """Sorted, with duplicates and isolated nodes; in groups of a positive and its negatives if asked for."""
    pair = st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1))
    if grouped:
        of_user = st.tuples(st.integers(0, USERS - 1), st.lists(st.integers(0, ITEMS - 1), min_size=2, max_size=4))
        groups = draw(st.lists(of_user, min_size=2, max_size=4))
        rows = [(user, item, float(k == 0), number) for number, (user, items) in enumerate(groups) for k, item in enumerate(items)]
    else:
        labelled = st.tuples(pair, st.sampled_from([0.0, 1.0]))
        rows = [(*ends, label, 0) for ends, label in draw(st.lists(labelled, min_size=3, max_size=MOST))]
    users, items, labels, numbers = (np.array(column) for column in zip(*sorted(rows), strict=True))
    return Interactions(users, items, labels, USERS, ITEMS, groups=numbers if grouped else None)


def state_of(model, data, config, *, is_open=True, **options):
    """Prepared without a spectrum; closed as if the model could not be opened."""
    params = model.init(jax.random.key(0), USERS, ITEMS)
    trained = Trained.of(model, params, data, capacities=(MOST, MOST), **options)
    known = Prepared(
        trained.objective, trained.params, trained.training_set, trained.config, config, Damping(1.0, config.metric_exponent)
    )
    found = prepare(known)
    return found if is_open else found.with_propagations(Propagations())


@st.composite
def requests(draw, data):
    """Of several sizes: pairs, whole users and items, corrections; each of which changes something and leaves something."""
    found = []
    pairs = np.stack([data.users, data.items], axis=1)
    for kind in draw(st.lists(st.sampled_from(["pairs", "user", "item", "corrected"]), min_size=1, max_size=4)):
        places = draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=3))
        one = pairs[places[:1]]
        found.append({
            "pairs": ForgetRequest(pairs=pairs[places]),
            "user": ForgetRequest(users=one[:, 0]),
            "item": ForgetRequest(items=one[:, 1]),
            "corrected": ForgetRequest(corrected=one, labels=1 - data.labels[places[:1]]),
        }[kind])  # fmt: skip
        try:
            assume(found[-1].touches(data).any())
        except DataError:  # everything
            assume(False)
    return found


def assert_same(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("is_open", [True, False])
@given(st.data())
@settings(max_examples=12)
def test_together_they_are_what_each_is_alone(model, way, is_open, drawn):
    """To the bit: whatever is solved then is the same."""
    data = drawn.draw(interactions())
    state = state_of(MODELS[model], data, WAYS[way], is_open=is_open)
    check_together(state, drawn.draw(requests(state.interactions)))


@given(st.data())
@settings(max_examples=30)
def test_groups_stay_together(drawn):
    """Also where a correction gives one of them another leader."""
    state = state_of(MODELS["mf"], drawn.draw(interactions(grouped=True)), WAYS["ends"], loss=bpr)
    asked = drawn.draw(requests(state.interactions))
    try:
        found = check_together(state, asked)
    except DataError as error:  # a group with several of both
        assert "a pairwise loss compares one positive" in str(error)  # noqa: PT017
        return
    groups = state.interactions.groups
    for number in range(len(asked)):
        chosen = found.parts.chosen[number]
        np.testing.assert_array_equal(np.flatnonzero(np.isin(groups, groups[chosen])), chosen)


def check_together(state, asked):
    changes = state.resolved_each(asked)
    together = local_requests(state, changes)
    rung, *_ = sorted(Sizes.of(state).rungs_for(together), key=lambda of: -of.bucket.pairs)
    problems = pack(together, rung, size=len(asked) + 1)
    for number, one in enumerate(asked):
        change = state.resolved(one)
        assert_same((changes.places[number], changes.taken(np.array([number])).gone), (change.places, change.gone))
        alone = local_requests(state, change.alone)
        assert together.left_out_edges(number) == alone.left_out_edges(0)
        for of in (alone, together.taken(np.array([number]))):
            assert_same(
                jax.tree.map(lambda leaf, at=number: leaf[at], problems), jax.tree.map(lambda leaf: leaf[0], pack(of, rung))
            )
    nothing = jax.tree.map(lambda leaf: leaf[-1], problems)
    assert not np.any(nothing.part.weights) and not np.any(nothing.core_users) and not np.any(nothing.core_items)  # noqa: PT018
    return together


@given(st.data())
@settings(max_examples=40)
def test_what_a_problem_holds(drawn):
    """All interactions at the ends of what is touched, and no others; degrees and their median once it is gone."""
    state = state_of(MODELS["mf"], drawn.draw(interactions()), WAYS["ends"])
    data, asked = state.interactions, drawn.draw(requests(state.interactions))
    changes = state.resolved_each(asked)
    found, medians = local_requests(state, changes), median_degrees(changes)
    for number, one in enumerate(asked):
        touched, left = one.touches(data), one.applied(data)
        users, items = np.unique(data.users[touched]), np.unique(data.items[touched])
        chosen = np.flatnonzero(np.isin(data.users, users) | np.isin(data.items, items))
        np.testing.assert_array_equal(found.parts.chosen[number], chosen)
        kept = left.user_degrees(), left.item_degrees()
        assert medians[number] == np.median(np.concatenate(kept))
        sides = zip((found.parts.users, found.parts.items), (users, items), (data.users, data.items), kept, strict=True)
        for side, (rows, ends, column, degrees) in enumerate(sides):
            core = ends[degrees[ends] > 0]
            assert found.num_core[number, side] == len(core)
            np.testing.assert_array_equal(rows[number], [*core, *np.setdiff1d(column[chosen], core)])


@given(st.data())
@settings(max_examples=20)
def test_many_are_looked_up_in_blocks(drawn):
    state = state_of(MODELS["lightgcn-1"], drawn.draw(interactions()), WAYS["ends"])
    changes = state.resolved_each(drawn.draw(requests(state.interactions)))
    whole = local_requests(state, changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_request, "TOGETHER", 2)
        blocks = local_requests(state, changes)
    for part in ("chosen", "edges", "users", "items"):
        got, expected = getattr(blocks.parts, part), getattr(whole.parts, part)
        assert_same((got.values, got.lengths), (expected.values, expected.lengths))
    assert_same(blocks.num_core, whole.num_core)


def test_of_several_the_first_that_is_wrong_is_named():
    data = Interactions(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([1, 0, 1]), USERS, ITEMS)
    state = state_of(MODELS["mf"], data, WAYS["ends"])
    fine = ForgetRequest(pairs=np.array([[0, 0]]))
    absent = ForgetRequest(pairs=np.array([[1, 0], [0, 0], [2, 0]]))
    with pytest.raises(DataError, match=r"user \(row 1\) has no interaction with item \(row 0\) in the data \(2 such pairs\)"):
        state.resolved_each([fine, absent, absent])
    with pytest.raises(DataError, match=r"item \(row 4\) has no interaction in the data \(1 such items\)"):
        state.resolved_each([fine, ForgetRequest(items=np.array([4]))])
    with pytest.raises(DataError, match="asks for all 3 interactions"):
        state.resolved_each([fine, ForgetRequest(users=np.array([0, 1, 2]))])
    both = ForgetRequest(pairs=np.array([[1, 1]]), corrected=np.array([[1, 1]]), labels=np.array([1.0]))
    with pytest.raises(DataError, match=r"user \(row 1\) with item \(row 1\) is to be forgotten and to be corrected"):
        state.resolved_each([fine, both])
    wrong = ForgetRequest(corrected=np.array([[1, 1]]), labels=np.array([7.0]))
    with pytest.raises(DataError, match="labels go from 7 to 7"):
        state.resolved_each([fine, wrong])


def test_changes_of_one_data_set_are_joined():
    data = Interactions(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([1, 0, 1]), USERS, ITEMS)
    state = state_of(MODELS["mf"], data, WAYS["ends"])
    asked = [ForgetRequest(pairs=np.array([[z, z]])) for z in (2, 0)]
    joined = Changes.joined([Change.of(state.training_set, one).alone for one in asked])
    found = replace(state.resolved_each(asked))
    assert_same((joined.places.values, joined.gone, joined.labels), (found.places.values, found.gone, found.labels))
