"""The figures of one method over all seeds at once: what `shift` gives, on the test pairs and on the forgotten ones.

Where a figure is taken is as in `figures`: only pairs whose user and item remain. Every figure is None where it does not apply:
below two seeds, and `undone` where the originals can't be told from retrained models.
"""

from collections.abc import Sequence

import numpy as np

from ifru_jax.evaluation import shift
from ifru_jax.evaluation.figures import ComparedPairs, PairScores


def figures_over_seeds(
    scores: Sequence[PairScores], pairs: ComparedPairs, *, originals: Sequence[PairScores], retrained: Sequence[PairScores]
) -> dict[str, float | None]:
    """Figures of a method from all its seeds.

    Args:
      scores: of the method's models, one per original, in their order.
      pairs: labels and masks.
      originals, retrained: the models of all seeds.

    Returns:
      forget_undone, undone (with `_low` and `_high`, between which they lie in 95 of 100 draws of seeds), forget_shift, shift,
      slope, ideal_gap, ideal_forget_gap; those with "forget" and the slope are on the forgotten pairs.
    """
    found: dict[str, float | None] = {}
    for prefix, part, kept in (("forget_", "forgotten", pairs.forgotten_survives), ("", "test", pairs.test_survives)):
        s, o, r = (np.array([getattr(model, part)[kept] for model in models]) for models in (scores, originals, retrained))
        apply = s.size > 0
        low, high = (shift.undone_interval(s, o, r) if apply else None) or (None, None)
        found |= {
            f"{prefix}undone": shift.undone(s, o, r) if apply else None,
            f"{prefix}undone_low": low,
            f"{prefix}undone_high": high,
            f"{prefix}shift": shift.shift(s, r) if apply and min(len(s), len(r)) > 1 else None,
            f"ideal_{prefix}gap": shift.ideal_gap(o, r) if apply else None,
        }
        if prefix:
            found["slope"] = shift.slope(s, o, r) if apply else None
    return found
