"""Which pairs a figure is taken over. With D_r the retained and D_f the forgotten interactions:

    survivors   = {(u, i) : u occurs in D_r and i occurs in D_r}
    touched_or  = {(u, i) : u occurs in D_f or  i occurs in D_f}      AUC-or of the IFRU paper
    touched_and = {(u, i) : u occurs in D_f and i occurs in D_f}      AUC-and

A user or item without a retained interaction has a row of zeros and scores a constant, for retraining as for
unlearning; pairs with it would count as perfect agreement, so evaluation leaves them out.
AUC-or and AUC-and look where unlearning could do harm (Zhang et al., arXiv 2307.02147, section 5).

>>> import numpy as np
>>> table = {"labels": np.ones(2), "num_users": 3, "num_items": 3}
>>> forgotten = Interactions(np.array([0, 1]), np.array([0, 1]), **table)
>>> pairs = Interactions(np.array([0, 2]), np.array([1, 1]), **table)
>>> touched_or(forgotten, pairs), touched_and(forgotten, pairs)
(array([ True,  True]), array([ True, False]))
"""

import numpy as np

from ifru_jax.data.filters import known_pairs
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError


def survivors(retained: Interactions, pairs: Interactions) -> np.ndarray:
    """bool [n]: pairs whose user and item both still have a retained interaction, whatever its label."""
    _check_tables(retained, pairs)
    return known_pairs(pairs, retained)


def touched_or(forgotten: Interactions, pairs: Interactions) -> np.ndarray:
    """bool [n]: pairs whose user or item occurs in a forgotten interaction."""
    user, item = _occur(forgotten, pairs)
    return user | item


def touched_and(forgotten: Interactions, pairs: Interactions) -> np.ndarray:
    """bool [n]: pairs whose user and item each occur in a forgotten interaction, not necessarily the same one."""
    user, item = _occur(forgotten, pairs)
    return user & item


def _occur(data: Interactions, pairs: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """bool [n] twice: whether the user, and whether the item, of each pair occurs in the data."""
    _check_tables(data, pairs)
    return data.user_degrees()[pairs.users] > 0, data.item_degrees()[pairs.items] > 0


def _check_tables(data: Interactions, pairs: Interactions) -> None:
    if (data.num_users, data.num_items) != (pairs.num_users, pairs.num_items):
        raise DataError(
            f"{data} and {pairs} number different users or items: split one data set, or bring what was read anew into its rows, "
            "pairs.aligned(to=…)."
        )
