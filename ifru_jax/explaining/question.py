"""What is asked: of which user, about which items, and what number stands for it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ifru_jax.data import Interactions
from ifru_jax.data.groups import leads_group
from ifru_jax.errors import DataError
from ifru_jax.influence.targets import Target, smooth_ndcg_gradient
from ifru_jax.training import Trained

Kind = Literal["score", "difference", "NDCG"]


@dataclass(frozen=True)
class Question:
    """About a user row.

    Attributes:
      kind: the score of an item, how far it is above another's, or how good the list is if some items were the right ones.
      user: row.
      items: rows; the item, the item and the other, or those that are right.
    """

    kind: Kind
    user: int
    items: tuple[int, ...]

    def value(self, trained: Trained) -> float:
        """The number that stands for it."""
        if self.kind == "NDCG":
            return self._list(trained)[0]
        scores = trained.score_rows([self.user] * len(self.items), self.items)
        return float(scores[0] if self.kind == "score" else scores[0] - scores[1])

    def target(self, trained: Trained) -> Target:
        """The same as a sum of scores; of NDCG to the first order."""
        if self.kind == "NDCG":
            value, items, slopes = self._list(trained)
            if not value:
                raise DataError("none of the items can be in the list: they were seen, or nothing is known of them. Give others.")
            return Target.of(self.user, items, slopes)
        return Target.of(self.user, self.items, [1.0] if self.kind == "score" else [1.0, -1.0])

    def _list(self, trained: Trained) -> tuple[float, np.ndarray, np.ndarray]:
        """NDCG, the items that compete for the list, and its slope by their scores; all items have a place, so that shapes stay."""
        grid = np.asarray(trained.score_grid(np.array([self.user], np.int32)))[0]
        seen = observed(trained.interactions)
        open_ = np.isfinite(grid)
        open_[seen.items[seen.users == self.user]] = False
        relevant = np.zeros(len(grid), bool)
        relevant[list(self.items)] = True
        if not np.any(relevant & open_):
            return 0.0, np.arange(len(grid)), np.zeros(len(grid))
        # Far below all others: not in the way of anything.
        scores = np.where(open_, grid, grid[open_].min() - 100 * max(float(grid[open_].std()), 1e-6))
        value, slopes = smooth_ndcg_gradient(scores, relevant & open_)
        return float(value), np.arange(len(grid)), np.where(open_, np.asarray(slopes), 0)


def observed(data: Interactions) -> Interactions:
    """Without sampled negatives, which nobody saw."""
    return data if data.groups is None else data.select(leads_group(data))
