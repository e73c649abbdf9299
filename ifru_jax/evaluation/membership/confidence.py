"""The logit-scaled confidence of a model in the label an interaction has, on which all attacks work.

    p = P(y | s) = σ((2y − 1) s)          φ = log(p / (1 − p)) = (2y − 1) s

p crowds near 1 for members and non-members alike; φ does not, and is nearly Gaussian over trainings (Carlini et al., IEEE S&P 2022,
section IV-D). With a sigmoid φ is exactly the logit with the sign of the label, and the cross-entropy is softplus(−φ): a threshold
on φ is the loss threshold attack (Yeom et al., "Privacy risk in machine learning", CSF 2018).

>>> import numpy as np
>>> confidence(np.array([2.0, 2.0]), np.array([1, 0]))
array([ 2., -2.])
"""

import numpy as np
from numpy.typing import ArrayLike

from ifru_jax.errors import DataError


def confidence(logits: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """φ, float64 [n], of logits [n] under labels [n] in {0, 1}.

    Raises:
      DataError: shapes that differ, or other labels.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    if logits.shape != labels.shape:
        raise DataError(f"{logits.shape} logits but {labels.shape} labels: give one label per pair.")
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"labels go from {labels.min():g} to {labels.max():g}, but a confidence needs 0 and 1: binarize first.")
    return (2 * labels - 1) * logits
