"""From the cells of a table to the columns of interactions: ids as rows of tables, ratings as labels, times in seconds.

>>> from ifru_jax.data.reading.cells import cells_of
>>> found, notes = values_of({"user": cells_of(["bob", "ann"]), "item": cells_of([7, 9])})
>>> found["users"], found["user_ids"], found["labels"]
(array([1, 0], dtype=int32), array(['ann', 'bob'], dtype='<U3'), array([1., 1.], dtype=float32))
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.ids import ids
from ifru_jax.data.reading.numbers import numbers
from ifru_jax.data.reading.options import MISSING
from ifru_jax.data.reading.times import times


class Values(TypedDict):
    """The columns [n] and the tables of interactions, by the names of `Interactions`."""

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    num_users: int
    num_items: int
    timestamps: np.ndarray | None
    user_ids: np.ndarray
    item_ids: np.ndarray


def values_of(cells: Mapping[str, Cells], *, missing: Sequence[str] = MISSING, decimal: str = ".") -> tuple[Values, list[str]]:
    """The columns in these cells, duplicates included, and what there is to say of how they were read.

    Args:
      cells: "user" and "item", and "rating" and "timestamp" where there are such; [n] each.
      missing: texts that stand for a missing cell, in any case.
      decimal: what stands before the fraction of a number in text.

    Raises:
      DataError: a cell that is missing or not what it should be; the message names its row.
    """
    user_ids, users = ids(cells["user"], "user", missing)
    item_ids, items = ids(cells["item"], "item", missing)
    labels, seconds, note = np.ones(users.shape, np.float32), None, ""
    if "rating" in cells:
        labels = numbers(cells["rating"], "rating", decimal=decimal, missing=missing)
    if "timestamp" in cells:
        seconds, note = times(cells["timestamp"], decimal=decimal, missing=missing)
    values = Values(
        users=users,
        items=items,
        labels=labels,
        num_users=len(user_ids),
        num_items=len(item_ids),
        timestamps=seconds,
        user_ids=user_ids,
        item_ids=item_ids,
    )
    return values, [note] if note else []
