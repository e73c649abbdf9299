"""How differently two models order the same pairs, whatever the scale of their scores (Kendall 1938; by SciPy).

    τ = (concordant − discordant) / √((n₀ − ties_a)(n₀ − ties_b))         τ-b, of n₀ = n (n − 1) / 2 pairs of pairs

A model whose scores all shrank has no discordance; read it beside the gap, which sees that.

>>> round(discordance([1.0, 2.0, 3.0], [10.0, 30.0, 20.0]), 2)
0.33
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ifru_jax.evaluation.fidelity import same_pairs


def discordance(a: ArrayLike, b: ArrayLike) -> float | None:
    """(1 − τ) / 2 of scores [n] and [n]: without ties the share of pairs of pairs that the two models order differently.

    None where it has no answer: a constant, fewer than two pairs, a score that is not finite.
    """
    from scipy import stats  # takes a third of a second to import

    a, b = same_pairs(a, b)
    if len(a) < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    found: Any = stats.kendalltau(a, b)
    tau = float(found.statistic)
    return (1 - tau) / 2 if np.isfinite(tau) else None
