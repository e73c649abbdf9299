"""What estimates are multiplied by, so that they cover the distance that settling will find.

    x = log(distance / estimate) ~ N(μ, σ²) in each store;   the factor is e to the 99th percentile of the next x, whose law is

    t with ν degrees of freedom about m, of scale s (1 + 1/κ)^½

Before anything was settled m = −.37, as if of κ = 10 settlements, and s = .2, as if of ν = 8: what the exploratory stores of
docs/budget.md had in common. Each settlement of a store measures an x of its own. 99 of 100 are asked for where 95 are wanted:
settled models of some stores scatter more than those did.

Source: Gelman et al., "Bayesian Data Analysis" (3rd ed., 2013), section 3.3, normal data with a conjugate prior.

>>> round(factor([]), 2)
1.27
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COVERED = 0.99
MEAN, SCALE, KAPPA, NU = -0.37, 0.2, 10, 8
# Settlements that are looked back at; a model changes in the course of requests.
REMEMBERED = 20


def factor(history: Sequence[Mapping[str, Any]]) -> float:
    """Of the next estimate, by the lines of the journal."""
    from scipy.special import stdtrit

    ratios = np.log(settled_ratios(history)[-REMEMBERED:])
    count = len(ratios)
    mean = float(ratios.mean()) if count else MEAN
    kappa, nu = KAPPA + count, NU + count
    center = (KAPPA * MEAN + count * mean) / kappa
    squares = NU * SCALE**2 + float(((ratios - mean) ** 2).sum()) + KAPPA * count / kappa * (mean - MEAN) ** 2
    return math.exp(center + float(stdtrit(nu, COVERED)) * math.sqrt(squares / nu * (1 + 1 / kappa)))


def settled_ratios(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """Distances that settling found, over what was estimated before any factor; those that are zero tell nothing."""
    found, estimate = [], None
    for line in history:
        if line.get("quick"):
            estimate = line["distance"] / line["factor"] if line.get("distance") else None
        elif line["kind"] == "settle" and estimate and line.get("distance"):
            found.append(line["distance"] / estimate)
    return found
