"""The robust membership inference attack, RMIA: does the model favour an interaction more than it favours interactions at large?

    LR(x, z) = [P(x|θ) / P(x)] / [P(z|θ) / P(z)]          score(x) = share of population samples z with LR(x, z) ≥ γ

P(x|θ) is the probability the model gives to the label, P(x) its mean over reference models, half of them trained with x:
½ (P_in + P_out) online. Offline only P_out is known, and P_in is taken as a P_out + 1 − a, since a model that had x is surer of it:

    P(x) = ½ ((1 + a) P_out(x) + (1 − a))

The z are from the same population and in no training set, neither of the model under attack nor of a reference model. One or two
reference models are enough where LiRA wants dozens. Source: Zarifzadeh, Liu and Shokri, "Low-cost high-power membership inference
attacks", ICML 2024, equations 2 to 4 and section 3; γ = 2 and a = 0.3 are among the values they use.

>>> import numpy as np
>>> shadows, out = np.zeros((2, 3)), np.zeros((2, 3), bool)
>>> rmia(np.array([3.0, 0.0, -1.0]), shadows, out, np.array([0.1, -0.1]), np.zeros((2, 2)), gamma=1.0, mode="offline")
array([1. , 0.5, 0. ])
"""

from typing import Literal

import numpy as np

from ifru_jax.errors import DataError
from ifru_jax.evaluation.membership.lira import check_shadows


def rmia(
    target: np.ndarray,
    shadows: np.ndarray,
    trained_on: np.ndarray,
    population_target: np.ndarray,
    population_shadows: np.ndarray,
    *,
    gamma: float = 2.0,
    mode: Literal["online", "offline"] = "online",
    a: float = 0.3,
) -> np.ndarray:
    """Attack scores float64 [n] in [0, 1]; higher means member.

    Args:
      target, shadows, trained_on: as for `lira`.
      population_target: φ [p] of the model under attack on the population samples z.
      population_shadows: φ [S, p] of the shadow models on them; none was trained on any.
      gamma: γ > 0; how much more than z the model has to favour x.
      mode: "online" takes P(x) from models with and without x, "offline" from those without.
      a: how P_in follows from P_out; for z always, and for x offline.

    Raises:
      DataError: shapes that don't fit, no population sample, γ not positive or a outside [0, 1].
    """
    from scipy.special import expit

    check_shadows(target, shadows, trained_on, needs_in=mode == "online")
    if (
        population_shadows.shape != (len(shadows), *population_target.shape)
        or population_target.ndim != 1
        or not len(population_target)
    ):
        raise DataError(
            f"population {population_target.shape} and its shadows {population_shadows.shape} don't fit {len(shadows)} shadows: "
            "give [p] and [S, p] with p ≥ 1."
        )
    if not gamma > 0 or not 0 <= a <= 1:
        raise DataError(f"gamma is {gamma} and a is {a}: gamma is positive and a between 0 and 1.")
    probability = expit(shadows)
    out = (probability * ~trained_on).sum(0) / (~trained_on).sum(0)
    if mode == "online":
        inside = (probability * trained_on).sum(0) / trained_on.sum(0)
        marginal = 0.5 * (inside + out)
    else:
        marginal = _marginal(out, a)
    ratio = expit(target) / marginal
    population_ratio = np.sort(expit(population_target) / _marginal(expit(population_shadows).mean(0), a))
    # ratio_x ≥ γ ratio_z
    return np.searchsorted(gamma * population_ratio, ratio, side="right") / len(population_ratio)


def _marginal(out: np.ndarray, a: float) -> np.ndarray:
    return 0.5 * ((1 + a) * out + (1 - a))
