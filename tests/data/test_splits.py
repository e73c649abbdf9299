import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ifru_jax.data import Interactions, Split, given_split, leave_last_out, random_split, temporal_split
from ifru_jax.data.draws import uniform_draws
from ifru_jax.errors import DataError

PINNED = (0.701267344060172, 0.21484410093556516)
PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7)), min_size=4, max_size=70, unique=True)


def interactions(pairs, timestamps=None):
    users, items = zip(*pairs, strict=True)
    labels = [1 + (3 * user + item) % 5 for user, item in pairs]
    return Interactions.from_arrays(users, items, labels, timestamps=timestamps)


def named(data):
    return list(zip(data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist(), strict=True))


def check(split, data):
    """A split is a partition, less what train has never seen, and train fills its tables."""
    rows = [row for part in split.parts for row in named(part)]
    assert len(rows) == len(set(rows))
    train_users, train_items = {user for user, _ in named(split.train)}, {item for _, item in named(split.train)}
    for row in set(named(data)) - set(rows):
        assert row[0] not in train_users or row[1] not in train_items
    assert split.train.user_degrees().min() > 0
    assert split.train.item_degrees().min() > 0
    labels = dict(zip(named(data), data.labels.tolist(), strict=True))
    left = set(named(data)) - set(rows)
    assert sum(part.interactions for part in split.dropped) == len(left)
    users, items = ({row[side] for row in left} - known for side, known in ((0, train_users), (1, train_items)))
    assert (sum(part.users for part in split.dropped), sum(part.items for part in split.dropped)) == (len(users), len(items))
    for part in split.parts:
        assert part.user_ids.tolist() == sorted(train_users)
        assert part.item_ids.tolist() == sorted(train_items)
        assert [labels[row] for row in named(part)] == part.labels.tolist()


@given(PAIRS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_random_split(pairs, seed, random):
    data = interactions(pairs)
    fixed = random_split(data, seed=seed, stable=False)
    check(fixed, data)
    assert len(fixed.train) == round(0.6 * len(data))
    # So large a share of train that it is never empty.
    split = random_split(data, seed=seed, shares=(0.99, 0.005, 0.005))
    check(split, data)
    reordered = random_split(interactions(random.sample(pairs, len(pairs))), seed=seed, shares=(0.99, 0.005, 0.005))
    for part, again in zip(split.parts, reordered.parts, strict=True):
        assert named(part) == named(again)


def test_random_split_of_timed_duplicates_does_not_depend_on_the_order():
    users, items, labels, times = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), np.array([1, 1, 0, 1]), np.arange(4)
    data = Interactions.from_arrays(users, items, labels, timestamps=times, keep_duplicates=True)
    splits = [random_split(data.select(order), shares=(1, 0, 0)) for order in (np.arange(4), np.array([2, 0, 3, 1]))]
    np.testing.assert_array_equal(splits[0].train.timestamps, splits[1].train.timestamps)


def test_train_is_in_random_order():
    data = interactions([(user, item) for user in range(40) for item in range(40)])
    train = random_split(data).train
    assert np.corrcoef(train.users, np.arange(len(train)))[0, 1] < 0.1
    assert named(random_split(data, seed=1).train) != named(train)


@given(PAIRS, st.data())
def test_temporal_split(pairs, drawn):
    times = drawn.draw(st.lists(st.integers(0, 5), min_size=len(pairs), max_size=len(pairs)))
    data = interactions(pairs, times)
    split = temporal_split(data, shares=(0.5, 0.25, 0.25))
    check(split, data)
    ends = [(part.timestamps.min(), part.timestamps.max()) for part in split.parts if len(part)]  # pyright: ignore
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ends))


def test_equal_timestamps_keep_their_order():
    pairs = [(index % 10, index // 10) for index in np.random.default_rng(0).permutation(100).tolist()]
    split = temporal_split(interactions(pairs, [5, 3] * 50), shares=(0.8, 0.1, 0.1))
    in_order = pairs[1::2] + pairs[::2]
    assert [row for part in split.parts for row in named(part)] == in_order


@given(PAIRS, st.data())
def test_leave_last_out(pairs, drawn):
    times = drawn.draw(st.lists(st.integers(0, 5), min_size=len(pairs), max_size=len(pairs)))
    data = interactions(pairs, times)
    split = leave_last_out(data)
    check(split, data)
    in_train = set(named(split.train))
    order = sorted(range(len(pairs)), key=lambda index: times[index])  # stable
    for user in {user for user, _ in pairs}:
        own = [pairs[index] for index in order if pairs[index][0] == user]
        held_out = own[-2:] if len(own) >= 3 else []
        assert {row for row in own if row in in_train} == set(own) - set(held_out)
        assert set(named(split.valid)) & set(own) <= set(held_out[:1])
        assert set(named(split.test)) & set(own) <= set(held_out[1:])


@given(PAIRS, st.integers(1, 3))
def test_given_split(pairs, size):
    train, test = interactions(pairs[size:]), interactions(pairs[:size])
    split = given_split(train, test, valid_share=0.25, seed=3, stable=False)
    check(split, interactions(pairs))
    assert len(split.train) == len(train) - round(0.25 * len(train))
    assert set(named(split.valid)) <= set(named(train))
    assert set(named(split.test)) <= set(named(test))


def test_given_split_without_ids_or_with_mixed_ones():
    plain = Interactions(np.array([0, 1]), np.array([0, 1]), np.ones(2), num_users=2, num_items=2)
    named_test = Interactions.from_arrays(["1"], ["0"])
    split = given_split(plain, named_test, valid_share=0)
    assert named(split.test) == [(1, 0)]


def test_given_split_of_ids_that_look_missing():
    train = Interactions.from_arrays(["NA", "NA", "none"], ["a", "b", "a"], missing=())
    test = Interactions.from_arrays(["none"], ["b"], missing=())
    assert named(given_split(train, test, valid_share=0).test) == [("none", "b")]


def test_errors():
    data = interactions([(0, 0), (0, 1), (1, 0)])
    for shares in ((0.5, 0.2, 0.2), (1.2, -0.1, -0.1), (0, 0.5, 0.5)):
        with pytest.raises(DataError, match="sum to 1"):
            random_split(data, shares=shares)
    with pytest.raises(DataError, match="left for train"):
        random_split(data, shares=(0.01, 0.5, 0.49))
    with pytest.raises(DataError, match="no timestamps"):
        temporal_split(data)
    with pytest.raises(DataError, match="no timestamps"):
        leave_last_out(data)
    with pytest.raises(DataError, match="user 0 with item 1 is in train and in test"):
        given_split(data, interactions([(0, 1), (1, 1)]))
    with pytest.raises(DataError, match="sum to 1"):
        given_split(data, interactions([(1, 1)]), valid_share=1.0)
    with pytest.raises(DataError, match="tables"):
        Split(data, data, interactions([(0, 0)]))


@given(PAIRS, st.integers(0, 5), st.data())
def test_an_interaction_stays_where_it_is_when_others_go(pairs, seed, drawn):
    """Unless train has nothing of its user or its item any more."""
    data = interactions(pairs)
    keep = np.array(drawn.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs))))
    try:
        before, after = random_split(data, seed=seed), random_split(data.select(keep), seed=seed)
    except DataError as error:
        assert "left for train" in str(error)  # noqa: PT017
        return
    left = set(named(data.select(keep)))
    for part, again in zip(before.parts, after.parts, strict=True):
        train_users, train_items = (set(column) for column in zip(*named(after.train), strict=True))
        expected = [(u, i) for u, i in named(part) if (u, i) in left and u in train_users and i in train_items]
        # In the same order, too.
        assert named(again) == expected


def test_a_split_without_a_user_has_the_same_test_pairs():
    data = interactions([(user, item) for user in range(40) for item in range(30) if (user * item) % 7])
    before = random_split(data, seed=2)
    gone = data.user_index([13])[0]
    after = random_split(data.select(data.users != gone), seed=2)
    assert named(after.test) == [pair for pair in named(before.test) if pair[0] != 13]
    # A permutation of all is another one without a user.
    fixed, again = (random_split(part, seed=2, stable=False) for part in (data, data.select(data.users != gone)))
    assert set(named(again.test)) != {pair for pair in named(fixed.test) if pair[0] != 13}


def test_the_shares_are_those_asked_for_and_ids_may_be_text():
    pairs = [(user, item) for user in range(100) for item in range(80)]
    data = interactions(pairs)
    text = Interactions.from_arrays(*([str(name) for name in column] for column in zip(*pairs, strict=True)))
    for seed in range(3):
        split = random_split(data, shares=(0.7, 0.1, 0.2), seed=seed)
        sizes = [len(part) / len(data) for part in split.parts]
        np.testing.assert_allclose(sizes, (0.7, 0.1, 0.2), atol=0.02)
        as_text = random_split(text, shares=(0.7, 0.1, 0.2), seed=seed)
        # Text of whole numbers is read as these numbers.
        assert set(named(as_text.test)) == set(named(split.test))
        # Neither users nor items have more of their own in one part than chance gives them.
        test_share = split.test.user_degrees() / 80
        assert test_share.std() == pytest.approx(np.sqrt(0.2 * 0.8 / 80), rel=0.25)


def test_the_draw_is_uniform_and_the_same_everywhere():
    draws = uniform_draws(interactions([(user, item) for user in range(200) for item in range(100)]), seed=0)
    assert stats.kstest(draws, "uniform").pvalue > 1e-3
    # Pinned: a split of today is the split of tomorrow.
    data = Interactions.from_arrays(["ann", "bob"], [7, 9])
    np.testing.assert_allclose(uniform_draws(data, seed=1), PINNED, rtol=1e-12)


def test_published_parts_keep_their_validation_pairs():
    pairs = [(user, item) for user in range(20) for item in range(20)]
    test, train = interactions(pairs[:20]), interactions(pairs[20:])
    before = given_split(train, test, valid_share=0.25)
    after = given_split(train.select(train.users != 4), test, valid_share=0.25)
    gone = train.user_ids[4]
    assert named(after.valid) == [pair for pair in named(before.valid) if pair[0] != gone]
