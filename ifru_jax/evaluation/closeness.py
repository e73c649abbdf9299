"""How far a model may be from retrained ones and still count as one of them: distances in units of retraining noise.

Let a model score s = m + shift + ε where retrained models score r_j = m + ε_j and the ε are of one kind, of variance σ² per pair.
Then

    mean (s − r_j)²  / mean (r_i − r_j)²  =  1 + shift² / (2 σ²)

so a model whose systematic shift is as large as the noise of one training (shift = σ) has a gap of √1.5. That is the limit: below
it the model's shift is less than what a single retraining is off by chance. The limit comes from the noise and holds for other
distances as well, each with the power with which it grows:

    distance                          grows as        limit of its ratio
    RMS of scores (gap)               shift           √1.5
    1 − overlap of top-K lists        shift           √1.5
    discordant pairs (1 − τ) / 2      shift           √1.5
    1 − ρ (Spearman)                  shift²          1.5

>>> round(SHIFT_LIMIT, 3)
1.225
>>> distance_ratio([0.2, 0.3], [0.25])
1.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

SHIFT_LIMIT = math.sqrt(1.5)
"""Ratio of a distance that grows with the shift, at a shift as large as the noise of one training."""

Model = TypeVar("Model")


def distance_ratio(to_retrained: Sequence[float], between_retrained: Sequence[float]) -> float | None:
    """Mean distance to retrained models over the mean distance between them.

    Args:
      to_retrained: distances of the model to each retrained model.
      between_retrained: distances of each two retrained models.

    Returns:
      1 for a model like a retrained one; None if there is no distance, one is not finite, or retrained models are all alike.
    """
    if not len(to_retrained) or not len(between_retrained):
        return None
    numerator, denominator = float(np.mean(to_retrained)), float(np.mean(between_retrained))
    return numerator / denominator if np.isfinite(numerator) and np.isfinite(denominator) and denominator > 0 else None


def ratio_of(distance: Callable[[Model, Model], float | None], model: Model, retrained: Sequence[Model]) -> float | None:
    """`distance_ratio` of a distance between two models; None where the distance is None for any two of them."""
    to = [distance(model, other) for other in retrained]
    between = [distance(a, b) for a, b in combinations(retrained, 2)]
    if any(value is None for value in [*to, *between]):
        return None
    return distance_ratio([value for value in to if value is not None], [value for value in between if value is not None])
