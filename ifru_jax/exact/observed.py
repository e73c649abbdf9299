"""Observed interactions as exact models take them: positives, each pair once; everything else was not observed."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import pair_keys
from ifru_jax.errors import DataError
from ifru_jax.graph import TrainingSet, build_training_set


def observed(data: Interactions) -> TrainingSet:
    """Observed interactions as a training set, for a model that takes everything else as not observed.

    Raises:
      DataError: sampled negatives, a label that is not positive, or a pair that comes twice.
    """
    check_positive(data)
    keys = pair_keys(data.users, data.items, data.num_items)
    if len(np.unique(keys)) < len(keys):
        raise DataError(f"{len(keys) - len(np.unique(keys))} pairs come more than once: use drop_duplicates first.")
    # Groups are of a positive with its negatives, which are gone.
    return build_training_set(replace(data, groups=None), with_graph=False)


def check_positive(data: Interactions) -> None:
    """Refuses what is no observed interaction.

    Raises:
      DataError: a label that is not above 0.
    """
    if len(data) and not data.labels.min() > 0:
        count = int((data.labels <= 0).sum())
        raise DataError(
            f"{count} of {len(data)} labels are not above 0, but this model takes all that was not observed as negative: keep the "
            "positives only, data.select(data.labels > 0)."
        )


def matrix(data: Interactions, *, dtype: npt.DTypeLike = np.float64) -> scipy.sparse.csr_array:
    """X [num_users, num_items], labels where there are interactions."""
    entries = data.labels.astype(dtype), (data.users, data.items)
    return scipy.sparse.csr_array(entries, shape=(data.num_users, data.num_items))
