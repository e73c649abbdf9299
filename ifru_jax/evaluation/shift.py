"""The systematic distance to retraining, free of the seed noise of both sides; scores of several seeds on the same pairs.

    shift²  = mean_n mean_{i≠k, j≠l} (s_i − r_j)(s_k − r_l)          s: a method's models, r: retrained ones
    undone  = 1 − shift / shift of the originals                      the share of what the forgotten data did that is gone
    slope   = ⟨c, c_r⟩ / ⟨c_r, c_r⟩,  c = s − o,  c_r = r − o         no seed twice in a product
    ideal   = √((ν_o² + ν_r²) / 2) / ν_r                              the gap of a perfect unlearning

Two models differ by what their data did and by their seeds. A square of one difference holds the noise of its seeds; a product
of two differences of different seeds does not: its mean is the square of the difference of the means. It may come out negative
where that is nearly nothing; the shift is 0 then. An unlearned model keeps the seed noise of its original, so that a perfect
unlearning has a *gap* (`fidelity.gap`) of the ideal and not of 1: ν_o and ν_r are the distances between two originals and between
two retrained models.

Source of the estimator: the U-statistic of Hoeffding (Ann. Math. Statist. 19, 1948); its spread is a bootstrap over seeds, which
draws seeds with replacement and never multiplies a seed with itself.

>>> import numpy as np
>>> originals, retrained = np.array([[2.1], [1.9]]), np.array([[0.1], [-0.1]])
>>> round(shift(originals, retrained), 3), round(undone(np.array([[1.1], [0.9]]), originals, retrained), 3)
(1.995, 0.504)
"""

from collections.abc import Callable, Iterator

import numpy as np

from ifru_jax.evaluation import fidelity

# Draws of seeds, and the share of them on either side of an interval.
DRAWS, TAIL = 1000, 0.025

Weights = np.ndarray
"""float [S], how often each seed was drawn."""


def shift(scores: np.ndarray, retrained: np.ndarray) -> float | None:
    """The systematic distance of scores [S, n] to retrained models [R, n], in the unit of the scores; None below two of either."""
    return _root(_Products(scores, retrained).squared(*_once(scores, retrained)))


def undone(scores: np.ndarray, originals: np.ndarray, retrained: np.ndarray) -> float | None:
    """1 − shift of the scores / shift of the originals, [S, n] each; None where the originals' is not distinguishable from 0."""
    before = interval(lambda o, r: _Products(originals, retrained).squared(o, r), len(originals), len(retrained))
    if before is None or not before[0] > 0:
        return None
    left, whole = shift(scores, retrained), shift(originals, retrained)
    return None if left is None or not whole else 1 - left / whole


def undone_interval(scores: np.ndarray, originals: np.ndarray, retrained: np.ndarray) -> tuple[float, float] | None:
    """Between which `undone` lies in 95 of 100 draws of seeds; a method's model and its original are drawn together."""
    if undone(scores, originals, retrained) is None:
        return None
    of_scores, of_originals = _Products(scores, retrained), _Products(originals, retrained)

    def share(s: Weights, r: Weights) -> float:
        left, whole = of_scores.squared(s, r), of_originals.squared(s, r)
        return 1 - np.sqrt(max(left, 0) / whole) if whole > 0 else np.nan

    return interval(share, len(originals), len(retrained))


def slope(scores: np.ndarray, originals: np.ndarray, retrained: np.ndarray) -> float | None:
    """How much of the change that retraining makes a method makes, scores [S, n] each; unbiased, 1 is exactly as much."""
    if min(len(originals), len(retrained)) < 2:
        return None
    s, o, r = (np.asarray(x, np.float64) for x in (scores, originals, retrained))
    # ⟨s_k − o_k, r_j − o_m⟩ over k ≠ m: no model stands on both sides.
    others = (o.sum(0) - o) / (len(o) - 1)
    along = np.mean((s - o) * (r.mean(0) - others))
    whole = _Products(o, r).squared(*_once(o, r))
    return float(along / whole) if whole > 0 else None


def ideal_gap(originals: np.ndarray, retrained: np.ndarray) -> float | None:
    """The gap of an unlearning that is perfect but for the seed noise of its original."""
    of_originals, of_retrained = fidelity.noise(originals), fidelity.noise(retrained)
    if of_originals is None or not of_retrained:
        return None
    return float(np.sqrt((of_originals**2 + of_retrained**2) / 2) / of_retrained)


def interval(value: Callable[[Weights, Weights], float], num_scores: int, num_retrained: int) -> tuple[float, float] | None:
    """Between which a statistic of drawn seeds lies in 95 of 100 draws; None below two seeds of either."""
    if min(num_scores, num_retrained) < 2:
        return None
    found = np.array([value(*weights) for weights in _draws(num_scores, num_retrained)])
    low, high = np.nanquantile(found, [TAIL, 1 - TAIL])
    return float(low), float(high)


class _Products:
    """All inner products between models, so that a draw of seeds costs nothing that grows with the pairs."""

    def __init__(self, scores: np.ndarray, retrained: np.ndarray) -> None:
        s, r = (np.asarray(x, np.float64) for x in (scores, retrained))
        count = max(1, s.shape[1])
        self.within, self.across, self.among = s @ s.T / count, s @ r.T / count, r @ r.T / count

    def squared(self, s: Weights, r: Weights) -> float:
        """shift² with each seed counted as often as it was drawn; NaN where one seed alone was."""
        return float(_apart(self.within, s) - 2 * (s @ self.across @ r) / (s.sum() * r.sum()) + _apart(self.among, r))


def _apart(products: np.ndarray, weights: Weights) -> float:
    """The mean product of two different models; NaN where there is but one."""
    pairs = weights.sum() ** 2 - np.square(weights).sum()
    return (weights @ products @ weights - np.square(weights) @ np.diag(products)) / pairs if pairs > 0 else np.nan


def _once(scores: np.ndarray, retrained: np.ndarray) -> tuple[Weights, Weights]:
    return np.ones(len(scores)), np.ones(len(retrained))


def _draws(num_scores: int, num_retrained: int) -> Iterator[tuple[Weights, Weights]]:
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        drawn, again = (np.bincount(rng.integers(0, n, n), minlength=n).astype(float) for n in (num_scores, num_retrained))
        yield drawn, again


def _root(squared: float) -> float | None:
    return float(np.sqrt(max(squared, 0.0))) if np.isfinite(squared) else None
