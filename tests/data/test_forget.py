import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.data import ForgetRequest, Interactions, Split, sample_negatives
from ifru_jax.data.deletion import FEW
from ifru_jax.data.forget import rows_among
from ifru_jax.errors import DataError

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)
DATA = Interactions.from_arrays(["ann", "bob", "ann", "cy"], [7, 7, 9, 9])


def grouped(per_positive=1):
    """Three users, four items, negatives behind each of six positives."""
    data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 0, 3])
    return sample_negatives(Split(data, data.select(slice(0)), data.select(slice(0))), per_positive=per_positive).train  # pyright: ignore


@given(PAIRS, st.data())
def test_select_is_the_naive_one(rows, drawn):
    data = Interactions.from_arrays(*zip(*rows, strict=True))
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
