"""Memory that a CPU device takes over."""

import jax
import numpy as np
import pytest

from ifru_jax.host_arrays import ALIGNMENT, aligned_empty, leading
from ifru_jax.sparse.placement import on_device


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64, bool])
def test_arrays_start_where_xla_wants_them(dtype):
    # Kept alive together, so that not all get the same place.
    arrays = [aligned_empty(size, dtype) for size in range(1, 40)]
    assert all(array.ctypes.data % ALIGNMENT == 0 for array in arrays)
    assert [len(array) for array in arrays] == list(range(1, 40))
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def test_leading_places():
    assert leading(2, 5, np.float32).tolist() == [1, 1, 0, 0, 0]
    assert leading(0, 3, bool).tolist() == [False] * 3


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices have memory of their own")
def test_the_device_does_not_copy():
    array = aligned_empty(100_000, np.int32)
    array[:] = 7
    assert on_device(array).unsafe_buffer_pointer() == array.ctypes.data
