"""Kernels are asked for by several threads at once, by wrong names, and where their code can't be kept."""

import os
import subprocess
import sys
import textwrap

import pytest

from ifru_jax import DataError
from ifru_jax.sparse import kernels


def test_first_requests_of_four_threads_get_along():
    """In a process of its own, where no kernel is known yet."""
    code = """
        import threading
        import jax, jax.numpy as jnp, numpy as np
        from ifru_jax.sparse import build_edges
        from ifru_jax.sparse.primitives import propagate

        rng, failed, found = np.random.default_rng(0), [], []
        edges, _ = build_edges(rng.integers(0, 9, 40), rng.integers(0, 7, 40), num_rows=9, num_cols=7, capacity=64)
        start = threading.Barrier(4)

        def first(width):
            try:
                start.wait()
                found.append(np.asarray(jax.jit(propagate)(jnp.ones(64), jnp.ones((7, width)), edges)))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=first, args=(width,)) for width in range(3, 7)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert not failed, failed
        assert len(found) == 4
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=300)


def test_kernels_by_an_unknown_name_are_refused():
    with pytest.raises(DataError, match="kernels are 'numba': choose among auto, csr, portable, sorted, pallas"), kernels("numba"):
        pass


@pytest.mark.slow
def test_where_compiled_code_cannot_be_kept_it_is_compiled_all_the_same():
    """Numba finds neither its folder of the user nor one beside the module."""
    code = """
        from numba.core import caching
        (caching.CacheImpl if hasattr(caching, "CacheImpl") else caching._CacheImpl)._locator_classes = []
        import jax.numpy as jnp, numpy as np
        from ifru_jax.sparse import build_edges, cpu_kernels
        from ifru_jax.sparse.primitives import propagate

        assert cpu_kernels.available() and not cpu_kernels._kernels().KEEP
        edges, _ = build_edges(np.array([0, 1]), np.array([1, 0]), num_rows=2, num_cols=2, capacity=4)
        np.testing.assert_array_equal(propagate(jnp.arange(1.0, 5.0), jnp.array([[1.0], [10.0]]), edges), [[10.0], [2.0]])
    """
    subprocess.run([sys.executable, "-W", "error:Numba", "-c", textwrap.dedent(code)], check=True, timeout=300)


@pytest.mark.slow
def test_on_a_full_disk_kernels_are_compiled_all_the_same(tmp_path):
    """There is a folder, and nothing can be written to it: told once, with the right sums."""
    code = """
        import errno, os, warnings
        from numba.core import caching

        def full(self, key, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        caching.IndexDataCacheFile.save = full
        import jax.numpy as jnp, numpy as np
        from ifru_jax.sparse import build_edges
        from ifru_jax.sparse.primitives import propagate

        edges, _ = build_edges(np.array([0, 1]), np.array([1, 0]), num_rows=2, num_cols=2, capacity=4)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            sums = propagate(jnp.arange(1.0, 5.0), jnp.array([[1.0], [10.0]]), edges)
        np.testing.assert_array_equal(sums, [[10.0], [2.0]])
        told = [str(one.message) for one in told if issubclass(one.category, RuntimeWarning)]
        assert len(told) == 1 and "No space left on device" in told[0], told
    """
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=300, env=environment)
