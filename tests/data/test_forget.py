import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.data import ForgetRequest, Interactions, Split, sample_negatives
from ifru_jax.data.selection import rows_among
from ifru_jax.errors import DataError
from ifru_jax.host_arrays import FEW

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)
DATA = Interactions.from_arrays(["ann", "bob", "ann", "cy"], [7, 7, 9, 9])


def grouped(per_positive=1):
    """Three users, four items, negatives behind each of six positives."""
    data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 0, 3])
    return sample_negatives(Split(data, data.select(slice(0)), data.select(slice(0))), per_positive=per_positive).train  # pyright: ignore


@given(PAIRS, st.data())
def test_select_is_the_naive_one(rows, drawn):
    data = Interactions.from_arrays(*zip(*rows, strict=True), keep_duplicates=True)
    pairs = drawn.draw(st.lists(st.sampled_from(rows), max_size=3))
    users = drawn.draw(st.lists(st.sampled_from([user for user, _ in rows]), max_size=2))
    items = drawn.draw(st.lists(st.sampled_from([item for _, item in rows]), max_size=2))
    request = ForgetRequest.of(data, interactions=pairs, users=users, items=items)
    expected = [(user, item) in pairs or user in users or item in items for user, item in rows]
    if all(expected):
        with pytest.raises(DataError, match="train a new model"):
            request.select(data)
    else:
        assert request.select(data).tolist() == expected


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 40])
def test_few_and_many_rows_are_found_alike(count):
    rows = np.random.default_rng(count).integers(0, 50, 300)
    wanted = np.arange(count) + 5
    np.testing.assert_array_equal(rows_among(rows, wanted, 50), np.isin(rows, wanted))


def test_an_empty_request_selects_nothing():
    for request in (ForgetRequest(), ForgetRequest.of(DATA)):
        assert len(request) == 0
        assert not request.select(DATA).any()


def test_requests_are_sets_of_rows():
    request = ForgetRequest.of(DATA, interactions=[("cy", 9), ("ann", 7), ("cy", 9)], users=["bob", "bob"])
    assert request.pairs.tolist() == [[0, 0], [2, 1]]
    assert request.users.tolist() == [1]
    assert request.pairs.dtype == request.users.dtype == request.items.dtype == np.int32
    assert len(request) == 3
    assert ForgetRequest.of(DATA, interactions=np.array([["ann", "7"]])).pairs.tolist() == [[0, 0]]


def test_a_pair_or_a_user_takes_whole_groups():
    data = grouped()
    assert data.groups is not None
    for row in range(len(data)):
        pair = np.array([[data.users[row], data.items[row]]])
        np.testing.assert_array_equal(ForgetRequest(pairs=pair).select(data), data.groups == data.groups[row])
    np.testing.assert_array_equal(ForgetRequest(users=np.array([1])).select(data), data.users == 1)


@pytest.mark.parametrize("order", ["as sampled", "backwards", "by item"])
@pytest.mark.parametrize("flipped", [False, True])
def test_an_item_takes_its_negatives_but_no_other_positive(order, flipped):
    """The positive leads wherever it stands; label noise flips whole groups, and the odd one still leads."""
    data = grouped(per_positive=2)
    places = {"as sampled": np.arange(len(data)), "backwards": np.arange(len(data))[::-1], "by item": np.argsort(data.items)}
    data = data.select(places[order])
    assert data.groups is not None
    leading = data.labels == 1
    if flipped:
        data = data.with_labels(1 - data.labels)
    for item in range(4):
        hits = ForgetRequest(items=np.array([item])).select(data)
        positives = (data.items == item) & leading
        np.testing.assert_array_equal(hits, (data.items == item) | np.isin(data.groups, data.groups[positives]))
        assert (hits & leading).tolist() == positives.tolist()


def test_unknown_ids():
    with pytest.raises(DataError, match="user zoë is not in the data"):
        ForgetRequest.of(DATA, users=["zoë"])
    with pytest.raises(DataError, match="item 8 is not in the data"):
        ForgetRequest.of(DATA, interactions=[("ann", 8)])
    with pytest.raises(DataError, match=r"\('ann',\) is not a \(user, item\) pair"):
        ForgetRequest.of(DATA, interactions=[("ann",)])


def test_what_is_not_there_is_named():
    with pytest.raises(DataError, match="user bob has no interaction with item 9"):
        ForgetRequest.of(DATA, interactions=[("bob", 9)]).select(DATA)
    rest = DATA.select(np.array([0, 2]))
    with pytest.raises(DataError, match="user cy has no interaction in the data"):
        ForgetRequest.of(DATA, users=["cy"]).select(rest)
    with pytest.raises(DataError, match="item 9 has no interaction in the data"):
        ForgetRequest.of(DATA, items=[9]).select(DATA.select(np.array([0, 1])))
    for request in (
        ForgetRequest(users=np.array([5])),
        ForgetRequest(items=np.array([-1])),
        ForgetRequest(pairs=np.array([[0, 5]])),
        ForgetRequest(pairs=np.array([[-1, 2]])),
    ):
        with pytest.raises(DataError, match=r"\(row (5|-1)\)"):
            request.select(DATA)


def test_bad_rows():
    for pairs in (np.zeros((2, 3), int), np.zeros(2, int), np.zeros((1, 2))):
        with pytest.raises(DataError, match="pairs of a request have shape"):
            ForgetRequest(pairs=pairs)
    with pytest.raises(DataError, match="users of a request"):
        ForgetRequest(users=np.array(["ann"]))


def test_everything():
    with pytest.raises(DataError, match="all 4 interactions: nothing is left, train a new model"):
        ForgetRequest.of(DATA, items=[7, 9]).select(DATA)


def test_any_iterable_names_them():
    ids = {"interactions": {("bob", 7)}, "users": {"cy"}, "items": {9: None}, "corrected": iter([("ann", "7", "0")])}
    found = ForgetRequest.of(DATA, **ids)
    expected = ForgetRequest.of(DATA, interactions=[("bob", 7)], users=["cy"], items=[9], corrected=[("ann", 7, 0)])
    for name in ("pairs", "users", "items", "corrected", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert len(found) == 4
    assert ForgetRequest.of(DATA, users="cy", items=9).users.tolist() == [2]


# Labels of 0 … 3 as ratings have them, and several copies of a pair.
TRIPLES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30)


@given(TRIPLES, st.data())
def test_what_is_left_is_the_naive_answer(rows, drawn):
    data = Interactions.from_arrays(*zip(*rows, strict=True), keep_duplicates=True)
    pairs = sorted({row[:2] for row in rows})
    chosen = drawn.draw(st.permutations(pairs))
    bounds = sorted(drawn.draw(st.tuples(*[st.integers(0, len(pairs))] * 2)))
    gone, new = set(chosen[: bounds[0]]), {pair: drawn.draw(st.integers(0, 3)) for pair in chosen[bounds[0] : bounds[1]]}
    if len(gone) == len(pairs):
        return
    request = ForgetRequest.of(data, interactions=gone, corrected=[(*pair, label) for pair, label in new.items()])
    left = [(user, item, new.get((user, item), label)) for user, item, label in rows if (user, item) not in gone]
    found = request.applied(data)
    assert (found.num_users, found.num_items) == (data.num_users, data.num_items)
    users, items = found.user_ids[found.users], found.item_ids[found.items]
    assert list(zip(users, items, found.labels, strict=True)) == left
    touched = [(user, item) in gone or new.get((user, item), label) != label for user, item, label in rows]
    assert request.touches(data).tolist() == touched
    places, labels = request.corrections(data)
    assert places.tolist() == np.flatnonzero(request.touches(data) & ~request.select(data)).tolist()
    assert labels.tolist() == [new[rows[place][:2]] for place in places]
    assert (places.dtype, labels.dtype) == (np.int64, np.float32)


@given(TRIPLES, st.data())
def test_correcting_back_gives_the_data_in_any_order_of_pairs(rows, drawn):
    rows = list({row[:2]: row for row in rows}.values())
    data = Interactions.from_arrays(*zip(*rows, strict=True))
    wrong = [(user, item, drawn.draw(st.integers(0, 3))) for user, item, _ in rows]
    there = ForgetRequest.of(data, corrected=wrong)
    again = ForgetRequest.of(data, corrected=drawn.draw(st.permutations(wrong + wrong[:2])))
    np.testing.assert_array_equal(there.corrected, again.corrected)
    np.testing.assert_array_equal(there.labels, again.labels)
    back = ForgetRequest.of(data, corrected=drawn.draw(st.permutations(rows))).applied(there.applied(data))
    for name in ("users", "items", "labels"):
        np.testing.assert_array_equal(getattr(back, name), getattr(data, name))
    assert back.user_ids is data.user_ids


def test_requests_with_corrections_are_joined_and_thinned():
    request = ForgetRequest.of(DATA, users=["bob"]) | ForgetRequest.of(DATA, corrected=[("cy", 9, 0), ("ann", 7, 2)])
    assert repr(request) == "ForgetRequest(0 interactions, 1 users, 0 items, 2 corrected)"
    assert len(request) == 3
    assert (request | request).labels.tolist() == [2.0, 0.0]
    left = request.still_in(DATA.select(np.array([1, 2, 3])))
    assert (left.users.tolist(), left.corrected.tolist(), left.labels.tolist()) == ([1], [[2, 1]], [0.0])
    with pytest.raises(DataError, match=r"user \(row 0\) with item \(row 0\) is to be corrected to 2 and to 0"):
        request | ForgetRequest.of(DATA, corrected=[("ann", 7, 0)])


def test_a_correction_changes_its_member_of_a_group_alone():
    data = grouped(per_positive=2)
    place = int(np.flatnonzero(data.labels == 1)[2])
    request = ForgetRequest(corrected=np.array([[data.users[place], data.items[place]]]), labels=np.zeros(1))
    assert np.flatnonzero(request.touches(data)).tolist() == [place]
    assert not request.select(data).any()


@pytest.mark.parametrize("by", [{"interactions": [("ann", 9)]}, {"users": ["ann"]}, {"items": [9]}])
def test_a_pair_is_forgotten_or_corrected(by):
    request = ForgetRequest.of(DATA, corrected=[("ann", 9, 0)], **by)
    for ask in (request.corrections, request.touches, request.applied):
        with pytest.raises(DataError, match="user ann with item 9 is to be forgotten and to be corrected: ask for one"):
            ask(DATA)


def test_a_group_is_forgotten_or_corrected():
    data = grouped()
    request = ForgetRequest(
        pairs=np.array([[data.users[0], data.items[0]]]),
        corrected=np.array([[data.users[1], data.items[1]]]),
        labels=np.ones(1),
    )
    with pytest.raises(DataError, match="is to be forgotten and to be corrected"):
        request.applied(data)


def test_bad_corrections():
    for corrected, message in {
        (("ann", 7),): r"\('ann', 7\) is not a \(user, item, label\) triple: give user, item and label",
        ("ann",): r"'ann' is not a \(user, item, label\) triple",
        (("ann", 7, "good"),): "the new label of user ann with item 7 is 'good': give a number",
        (("ann", 7, None),): "is None: give a number",
        (("ann", 7, float("nan")),): "the new label of user ann with item 7 is nan",
        (("ann", 7, 1e60),): "the new label of user ann with item 7 is inf",
        (("cy", 9, 0), ("ann", 7, 0), ("ann", 7, 1)): "user ann with item 7 is to be corrected to 0 and to 1",
        (("zoë", 7, 1),): "user zoë is not in the data",
    }.items():
        with pytest.raises(DataError, match=message):
            ForgetRequest.of(DATA, corrected=corrected)
    with pytest.raises(DataError, match="user bob has no interaction with item 9"):
        ForgetRequest.of(DATA, corrected=[("bob", 9, 0)]).corrections(DATA)
    for labels in (np.zeros(2), np.array(["a"]), np.zeros((1, 1))):
        with pytest.raises(DataError, match="1 corrected pairs but labels"):
            ForgetRequest(corrected=np.zeros((1, 2), int), labels=labels)
    with pytest.raises(DataError, match="corrected of a request have shape"):
        ForgetRequest(corrected=np.zeros((2, 3), int), labels=np.zeros(2))


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_frame_is_not_taken_for_rows(library):
    """Two rows of two columns would be two pairs either way."""
    frame = pytest.importorskip(library).DataFrame({"user": [0, 1], "item": [2, 0]})
    data = Interactions.from_arrays([0, 1, 0, 2], [2, 0, 1, 0], [1, 0, 1, 1])
    with pytest.raises(DataError, match=r"a DataFrame has columns.*list\(zip\(frame\['user'\], frame\['item'\]\)\)"):
        ForgetRequest.of(data, interactions=frame)
    found = ForgetRequest.of(data, interactions=list(zip(frame["user"], frame["item"], strict=True)))
    np.testing.assert_array_equal(found.pairs, [[0, 2], [1, 0]])
    with pytest.raises(DataError, match="a dict has columns"):
        ForgetRequest.of(data, corrected={"user": [0], "item": [2], "label": [1.0]})
