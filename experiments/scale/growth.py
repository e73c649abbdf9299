"""How figures grow with the size, and what larger sizes would take.

    figure ∝ size^exponent

The exponent is fitted to the logarithms of all sizes. What is fixed, such as the interpreter and what was compiled, makes it small
where sizes are; so the growth between the two largest is told apart, and larger sizes are extrapolated from that.
"""

from collections.abc import Mapping

import numpy as np

Figures = Mapping[int, float]


def exponent(figures: Figures) -> float:
    """Slope in the logarithms, of two sizes or more."""
    sizes, values = np.array(sorted(figures), float), np.array([figures[size] for size in sorted(figures)])
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def last_exponent(figures: Figures) -> float:
    """The slope between the two largest sizes."""
    return exponent({size: figures[size] for size in sorted(figures)[-2:]})


def extrapolated(figures: Figures, size: int) -> float:
    """From the largest size by the slope between the two largest."""
    largest = max(figures)
    return figures[largest] * (size / largest) ** last_exponent(figures)
