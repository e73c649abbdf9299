import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.data.pair_keys import contains, distinct, pair_keys

KEYS = st.lists(st.integers(0, 30), max_size=30).map(lambda keys: np.array(keys, np.int64))


@given(KEYS, KEYS)
def test_sets_are_those_of_numpy(some, others):
    np.testing.assert_array_equal(distinct(some), np.unique(some))
    np.testing.assert_array_equal(contains(distinct(some), others), np.isin(others, some))


def test_keys_of_large_tables_do_not_overflow():
    largest = np.array([2**31 - 1], np.int32)
    assert pair_keys(largest, largest, num_items=2**31).tolist() == [(2**31 - 1) * 2**31 + 2**31 - 1]
