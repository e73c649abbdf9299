"""Scores of a model whose loss leaves the level of each user's scores free, made comparable across users.

A loss that compares items of one user (BPR, a softmax) stays the same when a number is added to all scores of a user,

    L(s + c_u) = L(s),   s′(u, i) = s(u, i) − (1 / |I|) Σ_j s(u, j)

so that two trainings may end at other levels and recommend the same. Whatever is pooled over users (AUC, gap, distances) is taken
of s′, which no such number changes; the lists of a user are those of s.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifru_jax.models import Scorer

_BATCH = 256


@dataclass(frozen=True, eq=False)
class WithoutLevels:
    """s′ of a model, a `Scorer`.

    Attributes:
      model: what is seen without its levels.
      num_users, num_items: of its tables.
    """

    model: Scorer
    num_users: int
    num_items: int

    @cached_property
    def levels(self) -> np.ndarray:
        """float64 [num_users], the mean score of each user over all items."""
        users = np.arange(self.num_users, dtype=np.int32)
        # Blocks of one size, so that a jitted one compiles once.
        batch = min(_BATCH, self.num_users)
        blocks = (np.resize(users[start : start + batch], batch) for start in users[::batch])
        means = [np.asarray(self.model.score_grid(block), np.float64).mean(axis=1) for block in blocks]
        return np.concatenate(means)[: self.num_users]

    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float64 [n] of n pairs of rows."""
        return np.asarray(self.model.score(users, items), np.float64) - self.levels[users]

    def score_grid(self, users: np.ndarray) -> np.ndarray:
        """float64 [b, num_items] of b user rows with every item."""
        return np.asarray(self.model.score_grid(users), np.float64) - self.levels[users][:, None]


def comparable(model: Scorer, fixes_levels: bool, num_users: int, num_items: int) -> Scorer:
    """The model itself, or without its levels where its loss doesn't fix them."""
    return model if fixes_levels else WithoutLevels(model, num_users, num_items)
