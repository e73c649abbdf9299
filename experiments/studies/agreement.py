"""How well predicted changes agree with those of retraining, with intervals.

    LDS = mean over targets of the rank correlation, over subsets F_m, of  −Σ_{z ∈ F_m} influence_z  and  s of a model without F_m

Source: Park et al., "TRAK: attributing model behavior at scale" (ICML 2023), §2.2. Intervals are from drawing targets and subsets
anew (bootstrap, 95 %); methods are compared on the same draws.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

DRAWS = 1000


class Agreement(NamedTuple):
    """A mean rank correlation and its interval."""

    value: float
    low: float
    high: float


def rank_correlations(predicted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float [t]: Spearman's of each row [t, m]; 0 where one side is constant."""
    a, b = (rank - rank.mean(1, keepdims=True) for rank in (rankdata(values, axis=1) for values in (predicted, found)))
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.where(size > 0, (a * b).sum(1) / np.where(size > 0, size, 1), 0.0)


def agreements(predicted: dict[str, np.ndarray], found: np.ndarray) -> dict[str, dict[str, Agreement]]:
    """Of every method its agreement, and by how much the first method's is above it.

    Args:
      predicted: [t, m] of every method, for t targets and m subsets.
      found: [t, m], of the models that were retrained without the subsets.

    Returns:
      {"agreement": {method: …}, "ahead": {method: …}}, the latter without the first.
    """
    rng = np.random.default_rng(0)
    targets, subsets = found.shape
    draws = [(rng.integers(0, targets, targets), rng.integers(0, subsets, subsets)) for _ in range(DRAWS)]
    drawn = {
        name: np.array([rank_correlations(of[t][:, m], found[t][:, m]).mean() for t, m in draws]) for name, of in predicted.items()
    }
    whole = {name: float(rank_correlations(of, found).mean()) for name, of in predicted.items()}
    first, *others = predicted
    return {
        "agreement": {name: _interval(whole[name], drawn[name]) for name in predicted},
        "ahead": {name: _interval(whole[first] - whole[name], drawn[first] - drawn[name]) for name in others},
    }


def mean_interval(values: np.ndarray) -> Agreement:
    """A mean over the first axis, of whatever is averaged over the others, with its interval."""
    values = values.reshape(len(values), -1).mean(1)
    rng = np.random.default_rng(0)
    drawn = np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)])
    return _interval(float(values.mean()), drawn)


def _interval(value: float, drawn: np.ndarray) -> Agreement:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Agreement(value, float(low), float(high))
