"""Distance of parameters, where it means something.

    distance(θ, θ') = ‖θ − θ'‖₂        share left = ‖θ_unlearned − θ_retrained‖ / ‖θ_original − θ_retrained‖

Embeddings are determined up to a rotation: two trainings that differ in their initialisation end far apart with the same scores,
so between them a distance of parameters says nothing. It says something only if the retrained model started from the *same
initialisation* as the original and saw its batches in the same order (train both with one key): then share left is 0 for the
retrained model, 1 for a model that did not move, and above 1 for one that moved away.

>>> import numpy as np
>>> share_left({"w": np.array([1.0, 0.0])}, {"w": np.array([2.0, 0.0])}, {"w": np.array([0.0, 0.0])})
0.5
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ifru_jax.errors import ModelError


def parameter_distance(a: Mapping[str, ArrayLike], b: Mapping[str, ArrayLike]) -> float:
    """‖a − b‖₂ over all parameters, in float64.

    Raises:
      ModelError: parameters of different names or shapes.
    """
    if {name: np.shape(value) for name, value in a.items()} != {name: np.shape(value) for name, value in b.items()}:
        raise ModelError(f"parameters {sorted(a)} and {sorted(b)} differ in name or shape: compare trainings of one model.")
    return float(np.sqrt(sum(np.sum(np.square(np.asarray(a[name], np.float64) - np.asarray(b[name], np.float64))) for name in a)))


def share_left(
    unlearned: Mapping[str, ArrayLike], original: Mapping[str, ArrayLike], retrained: Mapping[str, ArrayLike]
) -> float | None:
    """Share of the original's distance to its retrained twin that is left; None if the twin is the original.

    `retrained` has to come from the initialisation of `original`; see above.
    """
    whole = parameter_distance(original, retrained)
    return parameter_distance(unlearned, retrained) / whole if whole > 0 else None
