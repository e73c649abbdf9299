"""Whether a figure of one model could be that of a retrained model: a two-sided prediction interval from the retrained ones.

With a figure's values t_1 … t_R on R retrained models, mean t̄ and standard deviation d, one more retrained model's value lies in

    t̄ ± q · d · √(1 + 1/R),        q the (1 − α/2) quantile of Student's t with R − 1 degrees of freedom

with probability 1 − α (for values that are normally distributed; Hahn and Meeker, "Statistical Intervals", 1991, section 4.7).
z = (t − t̄) / (d √(1 + 1/R)) is the distance in units of it: negative and positive alike are suspicious, for a model that forgot too
much differs from a retrained one just as one that forgot too little does.

That is where trainings are equally noisy. One of k times the noise (`closeness.scatter` reads k off its distance) lies in
t̄ ± q · d · √(k² + 1/R).

Two retrained models give one degree of freedom and an interval so wide that little falls outside; five or more are worth their
time. `verify` says of each figure whether the original model falls outside: only then does passing prove anything.

>>> interval = prediction_interval([1.0, 2.0, 3.0], alpha=0.05)
>>> round(interval.low, 2), round(interval.high, 2), round(interval.z(8.0), 2)
(-2.97, 6.97, 5.2)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifru_jax.errors import DataError


@dataclass(frozen=True)
class PredictionInterval:
    """Where a retrained model's value lies.

    Attributes:
      mean: of the retrained models.
      scale: d √(k² + 1/R), the unit of z.
      noise: d √(1 + 1/R), of a model that scatters as they do.
      low, high: ends of the interval.
      freedom: R − 1, degrees of freedom.
    """

    mean: float
    scale: float
    noise: float
    low: float
    high: float
    freedom: int

    def z(self, value: float) -> float | None:
        """Distance of a value from the mean in units of `scale`; None without spread."""
        return (value - self.mean) / self.scale if self.scale > 0 else None

    def power(self, shift: float, *, lower_only: bool = False) -> float:
        """Probability that a model whose figure is shifted by this much, with the noise of a retrained one, falls outside.

        Both the value and the interval are uncertain: the probability is that of Student's t, noncentral by the shift in units of
        the noise. The noise is taken at its upper limit (`largest_spread`); 0 with fewer than three retrained models.
        """
        from scipy.stats import nct

        if self.freedom < 2:
            return 0.0
        if not self.noise > 0:
            return float(shift < 0 if lower_only else shift != 0)
        noise = self.noise * largest_spread(self.freedom)
        # Farther away nothing changes, and the distribution has no digits left.
        centre, reach = float(np.clip(shift / noise, -35, 35)), (self.high - self.mean) / self.noise
        below = float(nct.cdf(-reach, self.freedom, centre))
        found = below if lower_only else below + float(nct.sf(reach, self.freedom, centre))
        return float(np.clip(np.nan_to_num(found), 0.0, 1.0))


def largest_spread(freedom: int, confidence: float = 0.8) -> float:
    """By what a standard deviation with so many degrees of freedom is multiplied to hold the true one with this confidence.

    A few models may agree by chance, and whatever is computed from how well they agree is then too good to be true.
    """
    from scipy.special import chdtri  # the upper quantile of χ²

    return math.sqrt(freedom / float(chdtri(freedom, confidence)))


def prediction_interval(
    values: Sequence[float], *, alpha: float, resolution: float = 0.0, scatter: float = 1.0
) -> PredictionInterval:
    """The interval of one further retrained model.

    Args:
      values: of at least two retrained models.
      alpha: probability with which a retrained model falls outside.
      resolution: what the standard deviation is at least; for a share of n cases its binomial standard error, since retrained
        models that happen to agree on a few cases have no spread although the next one will differ.
      scatter: k, how many times their noise the model in question has.

    Raises:
      DataError: fewer than two values, one that is not finite, or alpha outside (0, 1).
    """
    from scipy.special import stdtrit  # the quantile of Student's t

    found = np.asarray(values, np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise DataError(f"{len(found)} values of retrained models, {found}: give at least two finite ones.")
    if not 0 < alpha < 1:
        raise DataError(f"alpha is {alpha}: give a probability between 0 and 1.")
    deviation = max(float(found.std(ddof=1)), resolution)
    scale, noise = (deviation * math.sqrt(k**2 + 1 / len(found)) for k in (scatter, 1.0))
    width = float(stdtrit(len(found) - 1, 1 - alpha / 2)) * scale
    mean = float(found.mean())
    return PredictionInterval(mean, scale, noise, mean - width, mean + width, len(found) - 1)
