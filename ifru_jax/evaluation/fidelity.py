"""How close a model is to retrained ones, judged by scores on the same pairs. With R retrained models r_j:

    rms(a, b)    = √ mean_n (a − b)²
    noise        = mean_{i<j} rms(r_i, r_j)                  what two retrainings differ by
    gap          = mean_j rms(s, r_j) / noise                1 = as close as another retraining
    forget slope = ⟨c, c_r⟩ / ⟨c_r, c_r⟩                     c: change the method makes, c_r: that retraining makes
    forget loss  = mean_n [softplus(s) − y s]                BCE of the forgotten pairs under the labels they had

All run on the host in float64 and answer a float, or None where the figure does not exist: no pairs, a score that is
not finite, too few retrained models, or a divisor of zero. None of them ever answers NaN.

A gap far below 1 means that scores shrank, not that forgetting was better; report it with the RMS, the noise and the
scores' standard deviation. c_r is an average over finitely many trainings; what is left of their noise lengthens c_r
and so biases the slope of any method towards 0, less the more seeds there are.

>>> gap([0.0, 0.0], [[1.0, 1.0], [-1.0, -1.0]])
0.5
>>> forget_slope([0.5, -1.0], [1.0, -2.0])
0.5
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ifru_jax.errors import DataError


def rms(a: ArrayLike, b: ArrayLike) -> float | None:
    """√ mean (a − b)² of scores [n] and [n], in the unit of the scores."""
    a, b = same_pairs(a, b)
    return _finite(float(np.sqrt(np.mean((a - b) ** 2)))) if a.size and _all_finite(a, b) else None


def noise(retrained: ArrayLike) -> float | None:
    """Mean RMS between two different retrained models of scores [R, n]; None for R < 2."""
    return mean_or_none([rms(a, b) for a, b in itertools.combinations(_models(retrained), 2)])


def mean_rms(scores: ArrayLike, retrained: ArrayLike, *, itself: int | None = None) -> float | None:
    """Mean RMS from scores [n] to retrained models [R, n]; `itself` is the row that the scores are, left out."""
    return mean_or_none([rms(scores, model) for j, model in enumerate(_models(retrained)) if j != itself])


def gap(scores: ArrayLike, retrained: ArrayLike, *, itself: int | None = None) -> float | None:
    """Distance of scores [n] to retrained models [R, n] in units of the distance between two of those.

    Args:
      scores: [n], the model in question.
      retrained: [R, n], at least two, trained with seeds that the model in question did not use.
      itself: row of `retrained` that the scores are, compared with the others only. None for any other method.
    """
    return _ratio(mean_rms(scores, retrained, itself=itself), noise(retrained))


def share_removed(to_retrained: float | None, original_to_retrained: float | None) -> float | None:
    """1 − rms(method)/rms(original): 1 removes the original's whole distance to retraining, negative adds to it."""
    left = _ratio(to_retrained, original_to_retrained)
    return None if left is None else 1 - left


def forget_slope(change: ArrayLike, retrained_change: ArrayLike) -> float | None:
    """Regression through the origin of a method's change of scores [n] on the mean change [n] that retraining makes.

    1 = exactly as much, below = under-forgetting, above = over-forgetting, 0 = nothing in the right direction.
    """
    change, reference = same_pairs(change, retrained_change)
    if not _all_finite(change, reference):
        return None
    return _ratio(float(change @ reference), float(reference @ reference))


def forget_loss(scores: ArrayLike, labels: ArrayLike) -> float | None:
    """Mean binary cross-entropy, in nats, of logits [n] under labels [n] in {0, 1}; log 2 where the logit is 0."""
    scores, labels = same_pairs(scores, labels)
    if not scores.size or not _all_finite(scores, labels):
        return None
    return _finite(float(np.mean(np.logaddexp(0, scores) - labels * scores)))


def score_std(scores: ArrayLike) -> float | None:
    """Standard deviation of scores [n]: a method that shrinks all scores shows here."""
    scores = np.asarray(scores, np.float64)
    return _finite(float(np.std(scores))) if scores.size and _all_finite(scores) else None


def same_pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 [n]; a DataError if they are of different pairs."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise DataError(f"scores of the same pairs must have one shape [n], got {a.shape} and {b.shape}.")
    return a, b


def _models(retrained: ArrayLike) -> np.ndarray:
    retrained = np.asarray(retrained, np.float64)
    if retrained.ndim != 2:
        raise DataError(f"retrained scores must have shape [R, n], got {retrained.shape}: stack one row per model.")
    return retrained


def _all_finite(*arrays: np.ndarray) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """A mean over models, if there are any and it exists for each: leaving a diverged one out would flatter the rest."""
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if values and len(present) == len(values) else None


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    if numerator is None or not denominator:
        return None
    return _finite(numerator / denominator)
