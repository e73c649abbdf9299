"""How much a training learns an interaction by heart: what the model says of it with it and without it, over shadow models.

    mem(x) = mean p_x over the shadows that had x  −  mean p_x over those that did not,   p = σ(φ)

Attacks are averages over the members, and an average hides the few that are certain to be found. So they are asked again about the
most memorised: there a model that has not forgotten is seen first. Which they are is decided by shadows alone, before any model
under attack is looked at. Source: Feldman and Zhang, "What neural networks memorize and why" (NeurIPS 2020), eq. 1; audits of the
most vulnerable: Hayes et al., "Inexact unlearning needs more careful evaluations" (2024), and Carlini et al. (IEEE S&P 2022).

>>> import numpy as np
>>> memorisation(np.array([[4.0, 0.0], [-4.0, 0.0]]), np.array([[True, False], [False, True]])).round(2)
array([0.96, 0.  ])
"""

import numpy as np

from ifru_jax.evaluation.membership.lira import check_shadows

SHARE = 0.01
"""Of the members, that are asked about again."""
LEAST = 10
"""Members that figures are taken of; with no more than these, all are what is worst."""


def memorisation(shadows: np.ndarray, trained_on: np.ndarray) -> np.ndarray:
    """mem float64 [n], from −1 to 1.

    Args:
      shadows: φ [S, n] of the shadow models.
      trained_on: bool [S, n], whether the shadow model was trained on the interaction.

    Raises:
      DataError: shapes that don't fit, or an interaction that all shadows had, or none.
    """
    from scipy.special import expit

    check_shadows(shadows[0], shadows, trained_on, needs_in=True, least=1)
    p = expit(shadows)
    inside, outside = (np.where(side, p, 0).sum(0) / side.sum(0) for side in (trained_on, ~trained_on))
    return inside - outside


def of_users(memorised: np.ndarray, users: np.ndarray) -> dict[int, float]:
    """The mean over the interactions of each user row (int [n]), the largest first."""
    rows, which = np.unique(users, return_inverse=True)
    means = np.bincount(which, memorised) / np.bincount(which)
    order = np.argsort(-means, kind="stable")
    return dict(zip(rows[order].tolist(), means[order].tolist(), strict=True))


def most_memorised(memorised: np.ndarray, *, share: float = SHARE) -> np.ndarray:
    """int [k]: places of this share of all, and of `LEAST` at least, the most memorised first."""
    count = min(len(memorised), max(LEAST, round(share * len(memorised))))
    return np.argsort(-memorised, kind="stable")[:count]
