import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ifru_jax.data import Interactions, Split, random_split, sample_negatives
from ifru_jax.errors import DataError

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=4, max_size=40, unique=True)


def split_of(pairs):
    users, items = zip(*pairs, strict=True)
    # By a permutation, so that train is never empty.
    return random_split(Interactions.from_arrays(users, items, timestamps=np.arange(len(pairs))), stable=False)


def rows(part, label):
    which = part.labels == label
    return list(zip(part.users[which].tolist(), part.items[which].tolist(), strict=True))


@given(PAIRS, st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_negatives(pairs, per_positive, seed, stable):
    split = split_of(pairs)
    observed = {row for part in split.parts for row in rows(part, 1)}
    per_user = {user: sum(row[0] == user for row in observed) for user, _ in observed}
    free = {user: split.train.num_items - count for user, count in per_user.items()}
    assume(min(free.values()) > 0)
    sampled = sample_negatives(split, per_positive=per_positive, seed=seed, stable=stable)
    negatives = [row for part in sampled.parts for row in rows(part, 0)]
    assert not observed & set(negatives)
    for user, count in per_user.items():
        mine = [row for row in negatives if row[0] == user]
        assert len(mine) == count * per_positive
        assert len(set(mine)) == min(len(mine), free[user])  # unique as long as there are items left
    seen_groups = set()
    for before, part in zip(split.parts, sampled.parts, strict=True):
        assert rows(part, 1) == rows(before, 1)
        groups = part.groups.reshape(-1, per_positive + 1)  # pyright: ignore
        assert (groups == groups[:, :1]).all()
        assert part.labels.reshape(groups.shape)[:, 0].all()
        assert (part.users.reshape(groups.shape) == part.users.reshape(groups.shape)[:, :1]).all()
        np.testing.assert_array_equal(part.timestamps, np.repeat(before.timestamps, per_positive + 1))  # pyright: ignore
        assert not seen_groups & set(groups[:, 0].tolist())
        seen_groups |= set(groups[:, 0].tolist())


@pytest.mark.parametrize("stable", [True, False])
def test_negatives_are_fixed_by_the_seed_and_uniform(stable):
    data = Interactions.from_arrays(np.arange(4000), np.zeros(4000, int))
    wide = Interactions(data.users, data.items, data.labels, num_users=4000, num_items=5)
    split = Split(wide, wide.select(slice(0)), wide.select(slice(0)))  # pyright: ignore
    first, again, other = (sample_negatives(split, seed=seed, stable=stable).train.items for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    counts = np.bincount(first, minlength=5)
    assert counts[0] == 4000  # the positives
    assert counts[1:].min() > 900  # expected 1,000 each, standard deviation 27


def test_errors():
    split = split_of([(0, 0), (0, 1), (1, 0), (2, 1), (2, 2), (3, 3)])
    with pytest.raises(DataError, match="per_positive = 0"):
        sample_negatives(split, per_positive=0)
    with pytest.raises(DataError, match="train has groups already"):
        sample_negatives(sample_negatives(split))
    with pytest.raises(DataError, match=r"4 of 4 labels of train are not positive, such as 0: .*keep the positives only"):
        sample_negatives(Split(*(part.with_labels(np.zeros(len(part))) for part in split.parts)))
    full = Interactions.from_arrays(["ann", "ann", "bob"], [0, 1, 0])
    with pytest.raises(DataError, match="user ann has interactions with all 2 items"):
        sample_negatives(Split(full, full.select(slice(0)), full.select(slice(0))))  # pyright: ignore


def observed_split(users, items, seed=0):
    data = Interactions.from_arrays([f"u{u}" for u in users], [f"i{i}" for i in items])
    return sample_negatives(random_split(data, seed=seed), per_positive=3, seed=seed)


def groups_of(split):
    """{(user, item) of a positive: its negatives}, by ids, over all parts."""
    found = {}
    for part in split.parts:
        users, items = part.user_ids[part.users], part.item_ids[part.items]
        for group in np.unique(part.groups):
            members = np.flatnonzero(part.groups == group)
            found[users[members[0]], items[members[0]]] = [str(name) for name in items[members[1:]]]
    return found


def test_negatives_stay_as_they_are_when_a_user_goes():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(60 * 300)[:900], 300)
    before, after = groups_of(observed_split(users, items)), groups_of(observed_split(users[users != 7], items[users != 7]))
    assert set(after) == {pair for pair in before if pair[0] != "u7"}
    # All of them, but where an item was drawn that went with the user; and others of its slot may have moved up.
    there = {item for _, item in after}
    kept = [pair for pair in after if there.issuperset(before[pair])]
    assert len(kept) > 700
    assert np.mean([after[pair] == before[pair] for pair in kept]) > 0.99
    # Drawn one after the other, hardly any stay.
    data = Interactions.from_arrays([f"u{u}" for u in users], [f"i{i}" for i in items])
    one, other = (
        groups_of(sample_negatives(random_split(part), per_positive=3, stable=False))
        for part in (data, data.select(data.users != data.user_index(["u7"])[0]))
    )
    assert np.mean([one[pair] == other[pair] for pair in other]) < 0.5
