import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.data import Dropped, Interactions, drop_duplicates, k_core
from ifru_jax.data.filters import compact, restrict
from ifru_jax.errors import DataError

ROWS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=60)


def interactions(rows):
    users, items, ratings = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, ratings, timestamps=np.arange(len(rows)), keep_duplicates=True)


def as_set(data):
    return set(zip(data.user_ids[data.users], data.item_ids[data.items], data.labels, data.timestamps, strict=True))


def naive_k_core(rows, k):
    while True:
        users, items = [row[0] for row in rows], [row[1] for row in rows]
        kept = [row for row in rows if users.count(row[0]) >= k and items.count(row[1]) >= k]
        if kept == rows:
            return rows
        rows = kept


@given(ROWS, st.integers(0, 4), st.randoms(use_true_random=False))
def test_k_core_is_the_naive_one_in_any_order(rows, k, random):
    rows = [(*row, time) for time, row in enumerate(rows)]
    expected = naive_k_core(rows, k)
    shuffled = random.sample(rows, len(rows))
    users, items, ratings, times = zip(*shuffled, strict=True)
    data = Interactions.from_arrays(users, items, ratings, timestamps=times, keep_duplicates=True)
    if not expected:
        with pytest.raises(DataError, match="no interaction is left in the"):
            k_core(data, k)
        return
    core = k_core(data, k)
    assert as_set(core) == set(expected)
    assert core.user_degrees().min() >= max(k, 1)
    assert core.item_degrees().min() >= max(k, 1)
    assert as_set(k_core(core, k)) == as_set(core)


@given(ROWS, st.integers(0, 3))
def test_what_a_k_core_drops_is_counted(rows, k):
    data = interactions(rows)
    expected = naive_k_core([tuple(row) for row in rows], k)
    if not expected:
        return
    lost = [len({row[side] for row in rows}) - len({row[side] for row in expected}) for side in (0, 1)]
    found = Dropped.between(data, k_core(data, k), "in the core")
    gone = len(rows) - len(expected)
    assert found == ((Dropped("not in the core", gone, *lost),) if gone else ())
    assert [str(part).split()[0] for part in found] == [str(gone)] * bool(gone)


def test_k_core_refuses_negative_k():
    with pytest.raises(DataError, match="k = -1 is negative"):
        k_core(interactions([(0, 0, 1)]), k=-1)


@given(ROWS, st.sets(st.integers(0, 59)))
def test_compact_drops_empty_rows_and_keeps_names(rows, dropped):
    kept = np.array([index not in dropped for index in range(len(rows))])
    part = interactions(rows).select(kept)
    small = compact(part)
    assert as_set(small) == as_set(part)
    assert small.num_users == len(np.unique(part.users))
    assert small.num_items == len(np.unique(part.items))


def test_compact_names_rows_by_their_old_number():
    data = Interactions(np.array([1, 3]), np.array([2, 2]), np.ones(2), num_users=5, num_items=4)
    small = compact(data)
    assert small.user_ids is not None
    assert small.user_ids.tolist() == [1, 3]
    assert small.users.tolist() == [0, 1]
    assert small.items.tolist() == [0, 0]


def test_restrict_keeps_rows_without_interactions():
    data = interactions([(0, 0, 1), (1, 1, 2), (2, 1, 3)])
    part = restrict(data, np.array([False, True, True]), np.array([True, True]))
    assert (len(part), part.num_users, part.num_items) == (2, 2, 2)


@given(ROWS)
def test_the_last_duplicate_wins(rows):
    last = {(user, item): rating for user, item, rating in rows}
    unique = drop_duplicates(interactions(rows))
    found = {(user, item): rating for user, item, rating, _ in as_set(unique)}
    assert found == last
    assert len(unique) == len(last)
    assert unique.timestamps is not None
    assert (np.diff(unique.timestamps) > 0).all()  # in their places


def test_five_core_of_movielens(shared_data):
    from ifru_jax.data import read_interactions

    core = k_core(read_interactions(shared_data / "ml-100k.csv.gz"), k=5)
    assert (len(core), core.num_users, core.num_items) == (99_287, 943, 1_349)
