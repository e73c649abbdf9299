"""A change: the data after are those of the request applied, its edges those of two dense graphs."""

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ifru_jax.data import ForgetRequest, Interactions
from ifru_jax.data.groups import group_leaders
from ifru_jax.errors import DataError
from ifru_jax.graph import Change, build_training_set
from ifru_jax.graph.training_set import padded_size
from ifru_jax.ragged import Ragged
from tests.graph.changes import LABELS, changes, count_matrix, dense_weights

pytestmark = pytest.mark.usefixtures("float64")

USERS, ITEMS, CAPACITY = 5, 4, 16
NODE = st.integers(0, 9)  # taken modulo what is there
GROUPS = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=4), st.booleans()),
    min_size=1,
    max_size=4,
)
REQUESTS = st.fixed_dictionaries(
    {"pairs": st.lists(NODE, max_size=3), "users": st.lists(NODE, max_size=1), "items": st.lists(NODE, max_size=1)}
    | {"corrected": st.lists(st.tuples(NODE, st.sampled_from(LABELS)), max_size=5, unique_by=lambda c: c[0])}
)


def request_for(data, drawn):
    """A request that names what is there; no pair is both forgotten and corrected."""
    pairs = np.stack([data.users, data.items], axis=1)

    def named(places):
        return pairs[np.array(places, int) % len(data)]

    gone = {name: named(drawn[name]) for name in ("pairs", "users", "items")}
    forgotten = ForgetRequest(gone["pairs"], gone["users"][:, 0], gone["items"][:, 1])
    try:
        leaves = forgotten.select(data)
    except DataError:  # everything
        assume(False)
    new = {tuple(pairs[place % len(data)]): label for place, label in drawn["corrected"]}
    new = {pair: label for pair, label in new.items() if not leaves[(pairs == pair).all(1)].any()}
    return forgotten | ForgetRequest(corrected=np.array(list(new), int).reshape(-1, 2), labels=np.array(list(new.values()), float))


@st.composite
def plain(draw):
    """Interactions with duplicates, and times."""
    row = st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.sampled_from(LABELS), st.integers(0, 3))
    users, items, labels, times = np.array(draw(st.lists(row, min_size=1, max_size=CAPACITY))).T
    return Interactions(users.astype(int), items.astype(int), labels, USERS, ITEMS, timestamps=times)


@st.composite
def grouped(draw):
    """One positive and its negatives, or, turned, one negative among positives."""
    rows = []
    for number, (user, items, turned) in enumerate(draw(GROUPS)):
        rows += [(user, item, (k == 0) ^ turned, number) for k, item in enumerate(items)]
    users, items, labels, groups = np.array(draw(st.permutations(rows))).T
    return Interactions(users, items, labels, USERS, ITEMS, groups=groups)


def comparisons(leaders, labels, counted):
    """{(place, place)} of the pairs of both labels that a loss compares."""
    pairs = ((z, int(lead)) for z, lead in enumerate(leaders) if counted[z] and counted[lead])
    return {tuple(sorted(pair)) for pair in pairs if (labels[pair[0]] > 0.5) != (labels[pair[1]] > 0.5)}


def rivals(data):
    """The same from the groups."""
    positive = data.labels > 0.5
    both = (data.groups[:, None] == data.groups) & (positive[:, None] & ~positive)
    return {tuple(sorted(pair)) for pair in np.argwhere(both).tolist()}


def assert_same(got, expected):
    for column in ("users", "items", "labels", "timestamps", "groups"):
        np.testing.assert_array_equal(getattr(got.interactions, column), getattr(expected.interactions, column))
    assert got.capacities == expected.capacities
    parts = [(of.examples.pairs, of.examples.labels, of.examples.weights, of.graph, of.positives) for of in (got, expected)]
    jax.tree.map(np.testing.assert_array_equal, *parts)


@given(plain(), REQUESTS, st.sampled_from([4, CAPACITY]))
@settings(max_examples=60)
def test_the_data_after_are_those_of_the_request_applied(data, drawn, room):
    """Interactions, examples, graph, weights and histories, to the bit; only for more edges than there is room for is it made."""
    room = max(room, int((data.labels > 0.5).sum()))
    before = build_training_set(data, capacities=(CAPACITY, room), with_history=True)
    request = request_for(before.interactions, drawn)
    applied, change = request.applied(before.interactions), Change.of(before, request)
    edges = int((applied.labels > 0.5).sum())
    enough = room if edges <= room else padded_size(edges)
    assert_same(change.after, build_training_set(applied, capacities=(CAPACITY, enough), with_history=True))

    assert len(change) == request.touches(before.interactions).sum()
    np.testing.assert_array_equal(change.retained, ~request.select(before.interactions))
    np.testing.assert_array_equal(change.corrected, request.corrections(before.interactions)[0])
    for found, left in zip(change.degrees_after, (applied.user_degrees(), applied.item_degrees()), strict=True):
        np.testing.assert_array_equal(found, left)
    lost = [(x == 0) & (y > 0) for x, y in zip(change.degrees_after, before.degrees, strict=True)]
    for found, expected in zip(change.lost, lost, strict=True):
        np.testing.assert_array_equal(found, expected)


@given(grouped(), REQUESTS)
@settings(max_examples=60)
def test_groups_are_those_of_the_request_applied(data, drawn):
    before = build_training_set(data, with_groups=True)
    data = before.interactions
    request = request_for(data, drawn)
    applied, change = request.applied(data), Change.of(before, request)
    if group_leaders(applied.groups, applied.labels)[1].any():
        with pytest.raises(DataError, match="pairwise loss compares one positive"):
            change.after  # noqa: B018
        return
    assert_same(change.after, build_training_set(applied, capacities=before.capacities, with_groups=True))
    everyone = np.ones(len(data), bool)
    assert comparisons(change.after.leaders, applied.labels, everyone) == rivals(applied)

    # Terms of whole groups, in any order of the data.
    touched = np.isin(data.groups, data.groups[change.places])
    places = np.flatnonzero(touched)
    terms = change.terms_at(places)
    kept = ~request.select(data)[places]
    np.testing.assert_array_equal(terms.retained, kept)
    assert comparisons(terms.leaders, terms.labels, everyone) == rivals(data.select(places))
    expected = data.select(places).with_labels(terms.new_labels).select(kept)
    np.testing.assert_array_equal(expected.labels, applied.select(np.isin(applied.groups, data.groups[change.places])).labels)
    number = np.flatnonzero(kept)
    assert comparisons(terms.new_leaders, terms.new_labels, kept) == {(number[a], number[b]) for a, b in rivals(expected)}


@given(changes(USERS, ITEMS, CAPACITY), st.data())
@settings(max_examples=60)
def test_edges_that_come_and_go_have_the_weights_of_dense_graphs(case, drawn):
    change = case.change()
    edges, counts = change.edges, (count_matrix(case.data), count_matrix(case.after))
    rows, cols = np.asarray(edges.pattern.rows)[: edges.count], np.asarray(edges.pattern.cols)[: edges.count]

    # The edges of both graphs, each once.
    found = np.zeros((3, USERS, ITEMS))
    for k, places in enumerate((np.arange(edges.count), edges.added, edges.removed)):
        np.add.at(found[k], (rows[places], cols[places]), 1)
    np.testing.assert_array_equal(found[0] - found[1], counts[0])
    np.testing.assert_array_equal(found[0] - found[2], counts[1])
    assert not len(np.intersect1d(edges.added, edges.removed))
    assert change.moves_edges == bool(len(edges.added) or len(edges.removed))

    each, data = change.alone.edges, case.data
    either = np.flatnonzero((data.labels > 0.5) | ((case.labels > 0.5) & ~case.gone))
    places = either[drawn.draw(st.lists(st.booleans(), min_size=len(either), max_size=len(either)))]
    for got, of, absent in zip(each.weights(Ragged.of([places])), counts, (each.added, each.removed), strict=True):
        expected = np.where(np.isin(places, absent.values), 0, dense_weights(of)[data.users[places], data.items[places]])
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    for nodes, axis in zip(edges.ends, (1, 0), strict=True):
        np.testing.assert_array_equal(nodes, (found[1] + found[2]).any(axis))


@given(changes(USERS, ITEMS, CAPACITY), st.data())
@settings(max_examples=30)
def test_terms_before_and_after(case, drawn):
    count = len(case.data)
    places = np.array(drawn.draw(st.permutations(range(count)))[: drawn.draw(st.integers(0, count))], int)
    terms = case.change().terms_at(places)
    np.testing.assert_array_equal(terms.labels, case.data.labels[places])
    np.testing.assert_array_equal(terms.new_labels, case.labels[places])
    np.testing.assert_array_equal(terms.retained, ~case.gone[places])
    assert (terms.leaders, terms.new_leaders) == (None, None)


def test_an_empty_request_changes_nothing():
    before = build_training_set(Interactions(np.array([0, 1]), np.array([0, 1]), np.array([1, 0]), USERS, ITEMS))
    for request in (ForgetRequest(), ForgetRequest(corrected=np.array([[1, 1]]), labels=np.array([0.0]))):
        change = Change.of(before, request)
        assert len(change) == 0
        assert change.after is before
        assert not change.moves_edges


def test_without_a_graph_no_edge_comes_or_goes():
    before = build_training_set(Interactions(np.array([0, 1]), np.array([0, 1]), np.array([1, 0]), USERS, ITEMS), with_graph=False)
    change = Change.of(before, ForgetRequest(corrected=np.array([[1, 1]]), labels=np.array([1.0])))
    assert not change.moves_edges
    assert change.after.interactions.labels.tolist() == [1, 1]
    assert not len(change.after.positives)
