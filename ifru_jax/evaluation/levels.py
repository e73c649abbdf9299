"""Scores of a model whose loss leaves the level of each user's scores free, made comparable across users.

A loss that compares items of one user (BPR, a softmax) stays the same when a number is added to all scores of a user,

    L(s + c_u) = L(s),   s′(u, i) = s(u, i) − (1 / |I|) Σ_{j ∈ I} s(u, j)        I: the items with an interaction in the data

so that two trainings may end at other levels and recommend the same. Whatever is pooled over users (AUC, gap, distances) is taken
of s′, which no such number changes; the lists of a user are those of s.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.models import Scorer

_BATCH = 256


@dataclass(frozen=True, eq=False)
class WithoutLevels:
    """s′ of a model, a `Scorer`.

    Attributes:
      model: what is seen without its levels.
      data: whose users and items with an interaction have a level and make one; the same for all models that are compared.
    """

    model: Scorer
    data: Interactions

    @property
    def interactions(self) -> Interactions:
        return self.model.interactions

    @cached_property
    def levels(self) -> np.ndarray:
        """float64 [num_users], the mean score of each user over the items that have data; 0 for users without."""
        users, items = np.flatnonzero(self.data.user_degrees()).astype(np.int32), self.data.item_degrees() > 0
        found = np.zeros(self.data.num_users)
        # Blocks of one size, so that a jitted one compiles once.
        batch = min(_BATCH, len(users))
        for start in range(0, len(users), batch):
            block = np.resize(users[start : start + batch], batch)
            found[block] = np.asarray(self.model.score_grid(block), np.float64)[:, items].mean(axis=1)
        return found

    def score_rows(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float64 [n] of n pairs of rows."""
        return np.asarray(self.model.score_rows(users, items), np.float64) - self.levels[users]

    def score_grid(self, users: np.ndarray) -> np.ndarray:
        """float64 [b, num_items] of b user rows with every item; −∞ where the model has it."""
        return np.asarray(self.model.score_grid(users), np.float64) - self.levels[users][:, None]


def comparable(model: Scorer, fixes_levels: bool, data: Interactions) -> Scorer:
    """The model itself, or without its levels where its loss doesn't fix them; `data` as in `WithoutLevels`."""
    return model if fixes_levels else WithoutLevels(model, data)
