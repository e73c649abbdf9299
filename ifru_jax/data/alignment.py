"""What other tables have of some interactions, where users and items are told by their original ids."""

import numpy as np

from ifru_jax.data.notes import tell
from ifru_jax.errors import DataError, DataWarning

Rows = tuple[np.ndarray, np.ndarray]
"""Rows of users and of items, int [n] each."""


class UnknownWarning(DataWarning):
    """Interactions were left out, because they are of users or items that a table does not have."""


def known_rows(own: Rows, found: Rows, tables: str) -> np.ndarray:
    """bool [n]: the interactions whose user and item were both found.

    Args:
      own: rows of the interactions in their own tables.
      found: rows in the other tables, −1 where these have none.
      tables: what a message calls the other tables.

    Raises:
      DataError: there are interactions, and none was found.

    Warns:
      UnknownWarning: with the numbers of what was not found.
    """
    known = (found[0] >= 0) & (found[1] >= 0)
    if known.all():
        return known
    left_out = f"{(~known).sum():,} of {len(known):,} interactions are of users or items that {tables} doesn't have"
    if not known.any():
        raise DataError(f"{left_out}: name users and items by the same ids in both.")
    users, items = (len(np.unique(rows[other < 0])) for rows, other in zip(own, found, strict=True))
    tell(f"{left_out} ({users:,} users, {items:,} items): they are left out.", UnknownWarning)
    return known
