"""How much of what was to be forgotten is still used: a share, by what shadow models say of each interaction with and without it.

    used = Σ_x (φ_x − μ_out,x) / Σ_x (μ_in,x − μ_out,x)

φ_x is the model's confidence in x, μ_in and μ_out its means over the shadows that had x and that did not. A model that was trained
on a share of them lies at that share between the two, so that 1 is all and 0 is none, each counted by how much a training learns of
it. (Weights by μ_in − μ_out would share its noise, and pull every share towards one half.) Every shadow is a model whose share is
known: how far its own estimate is from it, without its own part in the means, is the error of the estimate.

An attack asks who was in the data; this asks how many, and many weak signs add up. Source of the question, and of debiasing by
models with and without: Tong, Ye, Zarifzadeh and Shokri, "How much of my dataset did you use?" (ICLR 2025); the estimate from sums
of confidences and its interval are ours.

>>> import numpy as np
>>> trained_on = np.array([[True, False], [False, True], [True, False], [False, True]])
>>> usage(np.array([1.0, 1.0]), np.where(trained_on, 1.0, -1.0), trained_on)
Usage(share=1.0, low=1.0, high=1.0)
"""

import math
from typing import NamedTuple

import numpy as np

from ifru_jax.evaluation.membership.lira import check_shadows

CONFIDENCE = 0.95


class Usage(NamedTuple):
    """A share of the interactions, not cut off at 0 and 1, with its 95 % interval."""

    share: float
    low: float
    high: float


def usage(target: np.ndarray, shadows: np.ndarray, trained_on: np.ndarray) -> Usage:
    """The share of some interactions that a model was trained on, or has left.

    Args:
      target: φ [n] of the model.
      shadows: φ [S, n] of the shadow models, S at least 4.
      trained_on: bool [S, n], whether the shadow model was trained on the interaction.

    Raises:
      DataError: shapes that don't fit, or an interaction that fewer than two shadows had, or did not have.
    """
    from scipy.special import stdtrit  # the quantile of Student's t

    check_shadows(target, shadows, trained_on, needs_in=True)
    errors = []
    for place, row in enumerate(shadows):
        others = np.arange(len(shadows)) != place
        # What the means rest on is one model fewer, as good as the same.
        errors.append(_share(row, shadows[others], trained_on[others]) - trained_on[place].mean())
    share = _share(target, shadows, trained_on)
    reach = float(stdtrit(len(errors) - 1, 0.5 + CONFIDENCE / 2)) * math.sqrt(float(np.mean(np.square(errors))))
    return Usage(share, share - reach, share + reach)


def _share(phi: np.ndarray, shadows: np.ndarray, trained_on: np.ndarray) -> float:
    inside, outside = (np.where(side, shadows, 0).sum(0) / side.sum(0) for side in (trained_on, ~trained_on))
    whole = float((inside - outside).sum())
    return float((phi - outside).sum()) / whole if whole > 0 else math.nan
