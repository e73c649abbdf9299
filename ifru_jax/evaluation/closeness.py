"""How far a model may be from retrained ones and still count as one of them: distances in units of retraining noise.

Let a model score s = m + shift + ε where retrained models score r_j = m + ε_j and the ε are of one kind, of variance σ² per pair.
Then

    mean (s − r_j)²  / mean (r_i − r_j)²  =  1 + shift² / (2 σ²)

so a model whose systematic shift is as large as the noise of one training (shift = σ) has a gap of √1.5. That is the limit: below
it the model's shift is less than what a single retraining is off by chance. The limit comes from the noise and holds for the other
distances that grow as the shift does: 1 − the overlap of top-K lists, and the share of discordant pairs.

Trainings are not all equally noisy: one that stopped early may be farther from the others than that. And few pairs, or lists of few
users, make ratios that vary by themselves. So the limit is at least the largest ratio that a retrained model has when compared with
the others (from three on), and what one more would have (`spread`).
Where a share p of all trainings scatters more, R retrained models show none of them with probability (1 − p)^R, and such a model is
then outside through no fault of its own: in p (1 − p)^R of all verifications, 1 in 20 at most from seven on (`SEEN_FROM`), whatever
p. Below seven, a ratio that a training of five times the noise would have (`UNSEEN`) is no proof of anything.

What scatters more does so on all pairs. A training of k times the noise has a gap of √((k² + 1) / 2), and k read off its gap
(`scatter`) widens what is expected of its figures; a distance on the forgotten pairs counts by how far it is above the gap on all
(`Closeness.beside`). Neither needs to have seen such a training.

A model that forgot half has half the shift of the original: with g the original's gap, its gap is √(1 + (g² − 1) / 4) on average
(`half_way`), and how much a gap varies from training to training is read off the retrained models' own.

>>> round(SHIFT_LIMIT, 3)
1.225
>>> distance_ratio([0.2, 0.3], [0.25])
1.0
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np

from ifru_jax.evaluation.spread import largest_spread, prediction_interval

SHIFT_LIMIT = math.sqrt(1.5)
"""Ratio of a distance that grows with the shift, at a shift as large as the noise of one training."""

SEEN_FROM = 7
"""From so many retrained models on, at most 1 of 20 verifications is of a model that scatters more than all of them."""

FEW = 5
"""With fewer retrained models the noise of a figure rests on too few of them to say how it grows with the distance."""

ALPHA_OF_EACH = 0.05 / 4
"""Of four distances: with this probability a retrained model is beyond what one more would have."""

UNSEEN = math.sqrt((5**2 + 1) / 2)
"""Ratio of a training of five times the noise of those that were seen."""

Model = TypeVar("Model")


def distance_ratio(to_retrained: Sequence[float] | np.ndarray, between_retrained: Sequence[float] | np.ndarray) -> float | None:
    """Mean distance to retrained models over the mean distance between them.

    Args:
      to_retrained: distances of the model to each retrained model.
      between_retrained: distances of each two retrained models.

    Returns:
      1 for a model like a retrained one; None if there is no distance, one is not finite, or retrained models are all alike.
    """
    if not np.size(to_retrained) or not np.size(between_retrained):
        return None
    numerator, denominator = float(np.mean(to_retrained)), float(np.mean(between_retrained))
    return numerator / denominator if np.isfinite(numerator) and np.isfinite(denominator) and denominator > 0 else None


def scatter(ratio: float | None) -> float:
    """How many times the noise of the retrained models a training has that is this far from them, 1 at least: √(2 ratio² − 1)."""
    return 1.0 if ratio is None else math.sqrt(max(2 * ratio**2 - 1, 1.0))


def half_way(ratio: float) -> float:
    """The ratio of a model with half the shift that makes this ratio, and the noise of one training."""
    return math.sqrt(1 + max(ratio**2 - 1, 0.0) / 4)


class Closeness(NamedTuple):
    """Distances of some models to retrained ones.

    Attributes:
      ratios: `distance_ratio` of each model, None if a distance is None.
      own: ratio of each retrained model to the others; empty with fewer than three.
    """

    ratios: list[float | None]
    own: list[float]

    @property
    def limit(self) -> float:
        """Up to which ratio a model is one of them: `SHIFT_LIMIT`, or more where the retrained models' own ratios are larger."""
        if not self.own:
            return SHIFT_LIMIT
        return max(SHIFT_LIMIT, *self.own, prediction_interval(self.own, alpha=2 * ALPHA_OF_EACH).high)

    def beside(self, other: "Closeness") -> "Closeness":
        """The same over another distance of the same models where that is above 1, as both are of a model that scatters more."""
        ratios = [None if one is None else one / max(two or 1.0, 1.0) for one, two in zip(self.ratios, other.ratios, strict=True)]
        return Closeness(ratios, [one / max(two, 1.0) for one, two in zip(self.own, other.own, strict=False)])

    def power(self, ratio: float) -> float:
        """Probability that a model of this ratio on average is beyond the limit.

        0 with fewer than three retrained models, which don't tell how much a ratio varies.
        """
        from scipy.special import stdtr  # the distribution of Student's t

        if len(self.own) < 3:
            return 0.0
        freedom = len(self.own) - 1
        spread = float(np.std(self.own, ddof=1)) * math.sqrt(1 + 1 / len(self.own)) * largest_spread(freedom)
        return float(stdtr(freedom, (ratio - self.limit) / spread)) if spread > 0 else float(ratio > self.limit)


def ratio_and_limit(
    distance: Callable[[Model, Model], float | None], models: Sequence[Model], retrained: Sequence[Model]
) -> Closeness:
    """Ratio of each model's distance to retrained ones, with the limit up to which it is one of them.

    Args:
      distance: between two models, symmetric; None where it does not exist.
      models: to be judged.
      retrained: at least two.
    """
    size, own = len(retrained), list[float]()
    between = np.full((size, size), np.nan)
    for i, j in combinations(range(size), 2):
        found = distance(retrained[i], retrained[j])
        between[i, j] = between[j, i] = np.nan if found is None else found
    upper = np.triu_indices(size, 1)
    ratios = []
    for model in models:
        to = [distance(model, other) for other in retrained]
        ratios.append(distance_ratio(np.array([np.nan if value is None else value for value in to]), between[upper]))
    for one in range(size if size > 2 else 0):
        others = np.delete(np.arange(size), one)
        rest = between[np.ix_(others, others)]
        ratio = distance_ratio(between[one, others], rest[np.triu_indices(size - 1, 1)])
        if ratio is not None:
            own.append(ratio)
    return Closeness(ratios, own)
