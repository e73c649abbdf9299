"""Lists of several lengths, against loops over lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.ragged import Ragged, distinct_below, order_of, places_in, ranges, tally

LISTS = st.lists(st.lists(st.integers(0, 30), max_size=8, unique=True), min_size=1, max_size=5)
KEYS = st.lists(st.integers(0, 40), max_size=60)


def as_ints(values):
    return np.array(values, np.int64)


def ragged(lists):
    return Ragged.of([as_ints(sorted(of)) for of in lists])


def lists_of(found):
    return [found[number].tolist() for number in range(len(found))]


@given(LISTS, LISTS)
def test_lists_are_told_apart(first, second):
    count = min(len(first), len(second))
    a, b = ragged(first[:count]), ragged(second[:count])
    assert lists_of(a) == [sorted(of) for of in first[:count]]
    assert lists_of(a | b) == [sorted({*x, *y}) for x, y in zip(first[:count], second[:count], strict=True)]
    assert lists_of(Ragged.joined([a, b])) == lists_of(a) + lists_of(b)
    assert lists_of(Ragged.from_keys(a.keys(31), 31, count)) == lists_of(a)
    assert lists_of(a.kept(a.values % 2 == 0)) == [[x for x in of if x % 2 == 0] for of in lists_of(a)]
    numbers = as_ints([count - 1, 0])
    assert lists_of(a.taken(numbers)) == [lists_of(a)[number] for number in numbers]
    assert a.ranks.tolist() == [rank for of in lists_of(a) for rank in range(len(of))]
    assert a.owners.tolist() == [owner for owner, of in enumerate(lists_of(a)) for _ in of]


@given(KEYS, st.sampled_from([41, 4000, 1 << 61]))
def test_keys_in_order(keys, bound):
    """Whether they are sorted or marked, and whether their places fit beside them or not."""
    given_keys = as_ints(keys)
    np.testing.assert_array_equal(order_of(given_keys, bound), np.argsort(given_keys, kind="stable"))
    if bound <= 4000:
        np.testing.assert_array_equal(distinct_below(given_keys, bound), np.unique(given_keys))
        np.testing.assert_array_equal(tally(given_keys, bound), np.bincount(given_keys, minlength=bound))


@given(KEYS, KEYS)
def test_places_of_keys(ordered, keys):
    known, asked = np.unique(as_ints(ordered)), as_ints(keys)
    found, there = places_in(known, asked)
    np.testing.assert_array_equal(there, np.isin(asked, known))
    np.testing.assert_array_equal(known[found[there]], asked[there])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=6))
def test_ranges(pairs):
    starts, lengths = (as_ints(of) for of in (zip(*pairs, strict=True) if pairs else ([], [])))
    assert ranges(starts, lengths).tolist() == [a + k for a, length in pairs for k in range(length)]
