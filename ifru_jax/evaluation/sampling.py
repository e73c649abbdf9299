"""Quality of the lists of some users, drawn at random, as an estimate of that of all.

    mean ± 1.96 (s / √n) √(1 − n / N)

s is the standard deviation over n users drawn without repetition from the N that have a relevant item. Nineteen of twenty such
intervals hold the mean over all N, as long as n is some hundred; with n = N it is the mean itself. Source: Cochran, "Sampling
Techniques" (1977), eq. 2.24 and 2.26.
"""

import math
from typing import NamedTuple

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.evaluation.lists import ScoreBlock, top_lists
from ifru_jax.evaluation.ranking import METRICS, user_ranking, users_with_relevant

# Of the normal distribution, for 95 %.
_WIDTH = 1.96


class Estimate(NamedTuple):
    """A mean over users.

    Attributes:
      mean: over those that were drawn.
      low, high: of the 95 % confidence interval for the mean over all.
    """

    mean: float
    low: float
    high: float


def estimated_ranking(
    score_block: ScoreBlock, train: Interactions, test: Interactions, *, users: int, seed: int = 0, k: int = 20
) -> dict[str, Estimate | None]:
    """NDCG, Recall, hit rate, MRR and MAP at k of some users.

    Args:
      score_block, train, test, k: as for `ranking_metrics`.
      users: how many; all where there are fewer.
      seed: which.

    Returns:
      By the names of `ranking_metrics`; None when no user has a relevant item.

    Raises:
      DataError: as `ranking_metrics`, or fewer than 2 users to draw.
    """
    if users < 2:
        raise DataError(f"users is {users}: an interval takes two at least, and some hundred to be one.")
    having = users_with_relevant(train, test)
    if not len(having):
        return {f"{name}@{k}": None for name in METRICS}
    drawn = np.sort(np.random.default_rng(seed).choice(having, min(users, len(having)), replace=False))
    found = user_ranking(top_lists(score_block, train, drawn, k=k), drawn, train, test.select(np.isin(test.users, drawn)))
    return {f"{name}@{k}": _estimate(found.metrics[name], test, len(having)) for name in METRICS}


def _estimate(values: np.ndarray, data: Interactions, population: int) -> Estimate:
    """Of the values of the users in the share of this process."""
    count, total = data.added_up(np.array([len(values), values.sum()])).tolist()
    mean = total / count
    squares = float(data.added_up(np.array(np.square(values - mean).sum())))
    spread = math.sqrt(squares / (count - 1)) if count > 1 else 0.0
    half = _WIDTH * spread / math.sqrt(count) * math.sqrt(1 - count / population)
    return Estimate(mean, mean - half, mean + half)
