"""How far minibatches scatter: against batches that are drawn, with a memory as Adam's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifru_jax.unlearning.minibatches import Minibatches

ROWS, DECAY = 100, 0.999


def divided_by(count, size, degree, steps):
    """The v by which Adam divides on average, of one over its root, after so many steps; interactions of a row pull by ±1 each."""
    rng = np.random.default_rng(0)
    sizes = np.array([min(size, count - begun) for begun in range(0, count, size)])
    ends, square, done = np.cumsum(sizes), np.zeros(ROWS), 0
    while True:
        places = np.argsort(rng.random((ROWS, count)), axis=1)[:, :degree]
        numbers, pulls = np.searchsorted(ends, places, side="right"), rng.choice([-1.0, 1.0], (ROWS, degree))
        gradients = np.zeros((ROWS, len(sizes)))
        np.add.at(gradients, (np.arange(ROWS)[:, None], numbers), pulls)
        for gradient in (gradients / sizes).T:
            square, done = DECAY * square + (1 - DECAY) * gradient**2, done + 1
            if done == steps:
                return np.mean((square / (1 - DECAY**steps))[square > 0] ** -0.5) ** -2


@pytest.mark.parametrize("degree", [3, 12, 40])
@pytest.mark.parametrize(("count", "size"), [(579, 32), (590, 32), (1003, 100), (1020, 100), (1001, 100)])
def test_the_last_batch_counts_as_often_as_a_row_meets_it(count, size, degree):
    steps = 500
    seen = divided_by(count, size, degree, steps) * count / degree
    # What Adam has seen in the middle of a training.
    found = float(Minibatches(float(size), 2.0 * steps).scatter(float(count), float(degree)))
    assert found == pytest.approx(seen, rel=0.25)
    # Without regard to the last batch, or with it in every row's v, some are far off.
    if (count, size) == (1003, 100):
        usual = float(Minibatches(float(size), 0.0).scatter(float(count), float(degree)))
        assert found > 1.5 * usual


@given(st.integers(1, 4000), st.integers(1, 600), st.integers(0, 300), st.floats(0, 1e5))
def test_it_lies_between_batches_of_one_size_and_the_mean_over_an_epoch(count, size, degree, steps):
    found = float(Minibatches(float(size), steps).scatter(float(count), float(degree)))
    sizes = np.array([min(size, count - begun) for begun in range(0, count, size)])
    each = (1 - (sizes - 1) / max(count - 1, 1)) / sizes / len(sizes)
    least = each[sizes == size].sum()
    assert least * (1 - 1e-5) - 1e-9 <= found <= each.sum() * (1 + 1e-5) + 1e-9


@pytest.mark.parametrize(("count", "size"), [(600, 100), (50, 100), (100, 100)])
def test_batches_of_one_size_scatter_alike_for_all_rows(count, size):
    size_of_one = min(size, count)
    expected = (1 - (size_of_one - 1) / (count - 1)) / size_of_one
    for degree in (0.0, 1.0, 50.0):
        assert float(Minibatches(float(size), 400.0).scatter(float(count), degree)) == pytest.approx(expected, abs=1e-9)
