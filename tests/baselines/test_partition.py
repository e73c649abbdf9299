"""Partitions: of the data, balanced, determined by the key; the clustering against the double loop of the paper."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax import DataError, random_split
from ifru_jax.baselines.sharded.partition import assign_balanced, balanced_partition, random_partition
from ifru_jax.data import sample_negatives
from tests.unlearning.conftest import tastes


def greedy(distances, room):
    """All pairs in ascending order; a member joins the first shard that has room."""
    members, shards = distances.shape
    result, sizes = np.full(members, -1), np.zeros(shards, int)
    for place in np.argsort(distances, axis=None, kind="stable"):
        member, shard = divmod(place, shards)
        if result[member] < 0 and sizes[shard] < room:
            result[member], sizes[shard] = shard, sizes[shard] + 1
    return result


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 3), st.integers(0, 10**6))
def test_assignment_is_the_greedy_one(members, shards, extra, seed):
    # Few distinct values, so that ties are met.
    distances = np.random.default_rng(seed).integers(0, 12, (members, shards)).astype(float)
    room = -(-members // shards) + extra
    np.testing.assert_array_equal(assign_balanced(distances, room=room), greedy(distances, room))


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3)), rng.normal(size=(50, 4))


@pytest.mark.parametrize("by", ["interaction", "user", "item"])
def test_balanced_partitions(split, vectors, by):
    key, data = jax.random.key(3), split.train
    shards = balanced_partition(key, data, *vectors, 4, by=by)
    assert shards.shape == (len(data),)
    members = {"interaction": np.arange(len(data)), "user": data.users, "item": data.items}[by]
    placed = set(zip(members, shards, strict=True))
    count = len(np.unique(members))
    assert len(placed) == count, "a member lies in one shard"
    sizes = np.bincount([shard for _, shard in placed], minlength=4)
    assert sizes.max() <= np.ceil(1.2 * count / 4)
    np.testing.assert_array_equal(shards, balanced_partition(key, data, *vectors, 4, by=by))
    assert (shards != balanced_partition(jax.random.key(4), data, *vectors, 4, by=by)).any()


def test_clusters_that_are_there_are_found(split):
    """The users have two tastes; with vectors that say so, shards are the tastes."""
    taste = np.arange(40) % 2
    users = np.stack([taste, 1 - taste], axis=1) + np.random.default_rng(0).normal(size=(40, 2)) / 100
    shards = balanced_partition(jax.random.key(0), split.train, users, np.zeros((50, 1)), 2, by="user")
    assert len(set(zip(taste[split.train.users], shards, strict=True))) == 2


def test_random_partition(split):
    key, data = jax.random.key(0), split.train
    shards = random_partition(key, data, 7)
    sizes = np.bincount(shards, minlength=7)
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(shards, random_partition(key, data, 7))
    assert (shards != random_partition(jax.random.key(1), data, 7)).any()


def test_a_negative_lies_where_its_positive_lies(vectors):
    data = tastes()
    train = sample_negatives(random_split(data.select(data.labels > 0.5))).train
    for shards in (
        random_partition(jax.random.key(0), train, 3),
        *(balanced_partition(jax.random.key(0), train, *vectors, 3, by=by) for by in ("interaction", "user", "item")),
    ):
        assert len(set(zip(train.groups, shards, strict=True))) == len(np.unique(train.groups))


@pytest.mark.parametrize("shards", [0, 10**6])
def test_impossible_shards_are_refused(split, vectors, shards):
    with pytest.raises(DataError, match=f"num_shards is {shards}"):
        random_partition(jax.random.key(0), split.train, shards)
    with pytest.raises(DataError, match=f"num_shards is {shards}"):
        balanced_partition(jax.random.key(0), split.train, *vectors, shards, by="user")
    with pytest.raises(DataError, match="slack is -1"):
        balanced_partition(jax.random.key(0), split.train, *vectors, 2, slack=-1)
