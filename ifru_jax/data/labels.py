"""Labels of ratings: 1 above a threshold, 0 up to it.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(users=[1, 1, 2, 2, 3], items=[5, 6, 5, 6, 7], labels=[4, 1, 5, 3, 5])
>>> binarize(data, above=3).labels
array([1., 0., 1., 0., 1.], dtype=float32)

A threshold that no rating is above is refused: nothing can be learned or ranked of negatives alone. One that all ratings are above
makes implicit data of them, which needs sampled negatives, or a loss that takes positives alone; a training refuses it else
(`Loss.needed`), and so do splits that are made with a threshold.
"""

import math
from numbers import Real

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError


def binarize(data: Interactions, above: float) -> Interactions:
    """Labels 1 where the rating is above the threshold, else 0.

    Raises:
      DataError: a threshold that is no finite number, or that no rating is above.
    """
    check_threshold(above)
    labels = labels_above(data.labels, above)
    there, positive = data.added_up(np.array([len(data), np.count_nonzero(labels)])).tolist()
    if there and not positive:
        remedy = f"the highest is {data.labels.max():g}, choose a threshold below it" if len(data) else "choose a lower threshold"
        raise DataError(f"no rating of {data} is above {above:g}: {remedy}.")
    return data.with_labels(labels)


def labels_above(ratings: np.ndarray, above: float) -> np.ndarray:
    """float32 [n]: 1 where the rating is above the threshold, else 0."""
    with np.errstate(over="ignore"):  # of a threshold that no float32 is
        return (ratings > above).astype(np.float32)


def check_threshold(above: float) -> None:
    """Refuses a threshold that no rating can be compared with (DataError)."""
    if not isinstance(above, Real) or not math.isfinite(above):
        raise DataError(
            f"the threshold {above!r} is no finite number: give one on the scale of the ratings; labels are 1 above it, 0 up to it."
        )


def check_both_kinds(above: float, counts: tuple[int, int], scale: tuple[float, float], of: str) -> None:
    """Refuses a threshold that leaves what is to be trained on with one kind of label.

    Args:
      above: the threshold.
      counts: labels 0, and labels 1.
      scale: the lowest and the highest rating.
      of: whose ratings these are.

    Raises:
      DataError: one of the two counts is 0.
    """
    if all(counts):
        return
    low, high = scale
    if low == high:
        found = f"all its ratings are {low:g}, which no threshold tells apart: leave label_above out"
    else:
        found = f"its ratings go from {low:g} to {high:g}, choose a threshold in between"
    raise DataError(f"label_above = {above} leaves {of} with one kind of label: {found}.")
