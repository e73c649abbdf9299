"""Random data, random changes of it, and both as dense matrices."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from ifru_jax.data import Interactions
from ifru_jax.graph import Change, build_training_set

# Twice on either side of ½, so that a correction may or may not make an edge come or go.
LABELS = (0.0, 0.25, 0.75, 1.0)


class Case(NamedTuple):
    """Interactions in the order of a training set, which of them leave (bool [n]), and the labels of all after (float32 [n])."""

    data: Interactions
    gone: np.ndarray
    labels: np.ndarray

    @property
    def after(self) -> Interactions:
        """What is left, with its new labels."""
        return self.data.with_labels(self.labels).select(~self.gone)

    def change(self, **options) -> Change:
        """With `options` of the training set before."""
        places = np.flatnonzero(self.gone | (self.labels != self.data.labels))
        labels = np.where(self.gone, self.data.labels, self.labels)
        return Change(build_training_set(self.data, **options), places, self.gone[places], labels[places])


@st.composite
def changes(draw, num_users, num_items, size, *, unique=False):
    """Interactions with duplicates (unless `unique`) and isolated nodes; often a whole user or item is forgotten."""
    fate = st.sampled_from([None, None, None, "gone", *LABELS])
    row = st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1), st.sampled_from(LABELS), fate)
    rows = draw(st.lists(row, min_size=1, max_size=size, unique_by=(lambda r: r[:2]) if unique else None))
    rows.sort(key=lambda r: r[:2])
    users, items, labels = (np.array([r[k] for r in rows]) for k in range(3))
    whole_user, whole_item = draw(st.integers(-1, num_users - 1)), draw(st.integers(-1, num_items - 1))
    gone = np.array([r[3] == "gone" for r in rows]) | (users == whole_user) | (items == whole_item)
    after = np.array([r[2] if r[3] in (None, "gone") else r[3] for r in rows], np.float32)
    data = Interactions(users, items, labels, num_users, num_items)
    return Case(data, gone, np.where(gone, data.labels, after))


def count_matrix(data: Interactions) -> np.ndarray:
    """float [num_users, num_items]: how often each edge is in the graph of the data."""
    counts = np.zeros((data.num_users, data.num_items))
    positive = data.labels > 0.5
    np.add.at(counts, (data.users[positive], data.items[positive]), 1)
    return counts


def dense_weights(counts: np.ndarray) -> np.ndarray:
    """float [num_users, num_items]: 1 / √(d_u d_i) of one edge, whether it is there or not."""
    return 1 / np.sqrt(np.maximum(counts.sum(1)[:, None] * counts.sum(0)[None, :], 1))
