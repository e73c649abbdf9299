"""Whether two models order the same pairs alike, whatever the scale of their scores (Kendall 1938; Spearman 1904; by SciPy).

    τ = (concordant − discordant) / √((n₀ − ties_a)(n₀ − ties_b))         τ-b, of n₀ = n (n − 1) / 2 pairs of pairs
    ρ = Pearson correlation of the ranks

A model whose scores all shrank keeps τ = ρ = 1; read them beside the gap, which sees that.

>>> round(kendall([1.0, 2.0, 3.0], [10.0, 30.0, 20.0]), 2)
0.33
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ifru_jax.errors import DataError


def kendall(a: ArrayLike, b: ArrayLike) -> float | None:
    """τ-b of scores [n] and [n]; None where it has no answer (a constant, fewer than two pairs, a score that is not finite)."""
    return _correlation(stats.kendalltau, a, b)


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """ρ of scores [n] and [n]; None as for `kendall`."""
    return _correlation(stats.spearmanr, a, b)


def discordance(a: ArrayLike, b: ArrayLike) -> float | None:
    """(1 − τ) / 2: without ties the share of pairs of pairs that the two models order differently."""
    tau = kendall(a, b)
    return None if tau is None else (1 - tau) / 2


def _correlation(measure, a: ArrayLike, b: ArrayLike) -> float | None:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise DataError(f"scores of the same pairs must have one shape [n], got {a.shape} and {b.shape}.")
    if len(a) < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    value = float(measure(a, b).statistic)
    return value if np.isfinite(value) else None
