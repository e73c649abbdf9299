"""The likelihood ratio attack, LiRA: how well do trainings with and without an interaction explain the model's confidence in it?

    online    Λ(x) = log N(φ_x; μ_in, σ_in²) − log N(φ_x; μ_out, σ_out²)
    offline   Λ(x) = (φ_x − μ_out) / σ_out                                 as good as P[Z ≤ φ_x], Z ~ N(μ_out, σ_out²)

μ and σ are of each interaction's φ over the shadow models that had it (in) or did not (out). Offline needs only the latter.
With fewer than 64 shadows a σ per interaction is too noisy, and one for all interactions is used.
Source: Carlini et al., "Membership inference attacks from first principles", IEEE S&P 2022, algorithm 1 and sections IV, VI-B.

>>> import numpy as np
>>> shadows = np.array([[2.0, 0.0], [2.2, 0.4], [0.1, 2.1], [-0.1, 1.9]])
>>> trained_on = np.array([[True, False], [True, False], [False, True], [False, True]])
>>> lira(np.array([2.0, 0.0]), shadows, trained_on).round(1)  # the first was in, the second was not
array([ 40.2, -99.1])
"""

from typing import Literal

import numpy as np

from ifru_jax.errors import DataError

PER_EXAMPLE_FROM = 64


def lira(
    target: np.ndarray,
    shadows: np.ndarray,
    trained_on: np.ndarray,
    *,
    mode: Literal["online", "offline"] = "online",
    per_example_variance: bool | None = None,
) -> np.ndarray:
    """Attack scores float64 [n]; higher means member.

    Args:
      target: φ [n] of the model under attack.
      shadows: φ [S, n] of the shadow models.
      trained_on: bool [S, n], whether the shadow model was trained on the interaction.
      mode: "online" compares both hypotheses, "offline" only knows models without the interaction.
      per_example_variance: None decides by the number of shadows, as the paper does.

    Raises:
      DataError: shapes that don't fit, or an interaction with fewer than two shadows on a side that is needed.
    """
    check_shadows(target, shadows, trained_on, needs_in=mode == "online")
    own = len(shadows) >= PER_EXAMPLE_FROM if per_example_variance is None else per_example_variance
    mean_out, std_out = _gaussian(shadows, ~trained_on, own)
    if mode == "offline":
        return (target - mean_out) / std_out
    mean_in, std_in = _gaussian(shadows, trained_on, own)
    z_in, z_out = (target - mean_in) / std_in, (target - mean_out) / std_out
    return (np.square(z_out) - np.square(z_in)) / 2 + np.log(std_out / std_in)


def check_shadows(target: np.ndarray, shadows: np.ndarray, trained_on: np.ndarray, *, needs_in: bool, least: int = 2) -> None:
    """Refuses what no per-interaction mean and spread can be taken of."""
    if shadows.ndim != 2 or trained_on.shape != shadows.shape or target.shape != shadows.shape[1:]:
        raise DataError(
            f"target {target.shape}, shadows {shadows.shape} and trained_on {trained_on.shape} don't fit: give [n], [S, n], [S, n]."
        )
    sides = {"without": (~trained_on).sum(0)} | ({"with": trained_on.sum(0)} if needs_in else {})
    for side, counts in sides.items():
        if counts.size and counts.min() < least:
            few = "one" if least == 1 else "two"
            raise DataError(f"an interaction has {counts.min()} shadow models {side} it: train at least {few} on each side.")


def _gaussian(values: np.ndarray, where: np.ndarray, per_example: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean [n] and standard deviation [n] over the shadows that count."""
    counts = where.sum(0)
    mean = (values * where).sum(0) / counts
    squares = (np.square(values - mean) * where).sum(0)
    variance = squares / (counts - 1) if per_example else np.full(mean.shape, squares.sum() / (counts - 1).sum())
    # Shadows that agree to the last digit would make any other value infinitely unlikely.
    return mean, np.sqrt(np.maximum(variance, 1e-12))
