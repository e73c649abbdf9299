"""The best retained interactions at the rows that a request reaches, where it may look at so many only (`max_edges`)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifru_jax.data.pair_keys import contains
from ifru_jax.graph import Nodes, TrainingSet
from ifru_jax.graph.nodes import incident, places_at


@dataclass(frozen=True, eq=False)
class Budget:
    """The choice of the best retained interactions at the rows that a request reaches.

    Those at the scope come first, then those of the most important end. Nodes are opened in the order of their importance, and no
    more of them than can hold what is wanted: of a hundred thousand interactions a few thousand are looked at.
    """

    data: TrainingSet
    touched: np.ndarray
    scope: Nodes
    reached: Nodes
    importance: tuple[np.ndarray, np.ndarray]

    def best(self, budget: int) -> np.ndarray:
        """Their places, int64, in any order."""
        pattern, count = self.data.lists[0], len(self.data)
        near = incident(pattern, self.scope, count)
        near = near[~contains(self.touched, near)]
        held = self._most_important(near, budget)
        if len(held) < budget:
            far = self._beyond_scope(2 * (budget + len(self.touched)))
            far = far[~(contains(near, far) | contains(self.touched, far))]
            held = np.concatenate([held, self._most_important(far, budget - len(held))])
        return held

    @cached_property
    def _scores(self) -> tuple[np.ndarray, np.ndarray]:
        # A request comes to an interaction by an end that it reaches; in single precision equals are equal whatever the order of
        # their sums was.
        of_users, of_items = self.importance
        users, items = np.where(self.reached.users, of_users, 0), np.where(self.reached.items, of_items, 0)
        return users.astype(np.float32), items.astype(np.float32)

    def _beyond_scope(self, wanted: int) -> np.ndarray:
        """Interactions at the most important nodes outside the scope, whose lists hold as many as are wanted.

        An interaction stands in the lists of both its ends, and some are near or forgotten: hence twice the budget.
        """
        users, items = (self.reached & ~self.scope).rows
        score = np.concatenate([self._scores[0][users], self._scores[1][items]])
        of_users, of_items = self.data.degrees
        lengths = np.concatenate([of_users[users], of_items[items]])
        order = np.argsort(-score, kind="stable")
        enough = 1 + int(np.searchsorted(np.cumsum(lengths[order]), wanted))
        if enough < len(order):  # ties belong together
            enough = int(np.searchsorted(-score[order], -score[order][enough - 1], side="right"))
        opened = order[:enough]
        return places_at(self.data.lists[0], users[opened[opened < len(users)]], items[opened[opened >= len(users)] - len(users)])

    def _most_important(self, places: np.ndarray, count: int) -> np.ndarray:
        if len(places) <= count:
            return places
        users, items = self.data.interactions.users[places], self.data.interactions.items[places]
        score = np.maximum(self._scores[0][users], self._scores[1][items])
        if not count:
            return places[:0]
        # Where several are as good, the first of them; a sort of all would take five times as long.
        least = np.partition(score, len(score) - count)[len(score) - count]
        kept = score > least
        kept[np.flatnonzero(score == least)[: count - np.count_nonzero(kept)]] = True
        return places[kept]
