"""Dense answers in double precision."""

from collections.abc import Callable

import numpy as np
import pytest


def _filter(name: str, values: np.ndarray, damping: np.ndarray) -> np.ndarray:
    size = np.abs(values)
    if name == "absolute":
        return 1 / (size + damping)
    flow = np.where(size == 0, 1 / damping, -np.expm1(-size / damping) / np.where(size == 0, 1, size))
    return flow * np.exp(np.clip(-values / damping, 0, 1)) if name == "growing-flow" else flow


# max_t λ f(t).
MOST = {"gradient-flow": 1.0, "absolute": 1.0, "growing-flow": np.e - 1}


@pytest.fixture(scope="session")
def dense_filter() -> Callable[..., np.ndarray]:
    """f(t) by name, NumPy."""
    return _filter


@pytest.fixture(scope="session")
def dense_step() -> Callable[..., np.ndarray]:
    """f(H) b from the eigenvectors of H; H [..., p, p], b [..., p], λ [...]."""

    def step(name: str, matrix: np.ndarray, b: np.ndarray, damping: np.ndarray | float) -> np.ndarray:
        values, vectors = np.linalg.eigh(np.asarray(matrix, np.float64))
        gains = _filter(name, values, np.asarray(damping)[..., None])
        return np.einsum("...ij,...j,...kj,...k->...i", vectors, gains, vectors, np.asarray(b, np.float64))

    return step
