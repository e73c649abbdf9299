"""Interactions in the rows of a model that came in: row k is the k-th id."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError

Ids = Sequence[int | str] | npt.NDArray


def in_order(data: Interactions, sizes: tuple[int, int], user_ids: Ids | None = None, item_ids: Ids | None = None) -> Interactions:
    """The interactions in tables of these sizes.

    Args:
      data: interactions.
      sizes: rows of users and of items.
      user_ids, item_ids: original ids in the order of the rows; None takes the rows of `data` as those of the model.

    Raises:
      DataError: as many ids or rows as there are not, or an id that comes twice.

    Warns:
      UnknownWarning: interactions are of users or items that the model has no row of; they are left out.
    """
    named = {}
    for kind, size, ids, own in (
        ("user", sizes[0], user_ids, (data.num_users, data.user_ids)),
        ("item", sizes[1], item_ids, (data.num_items, data.item_ids)),
    ):
        if ids is None:
            if own[0] != size:
                raise DataError(
                    f"the model has {size} rows of {kind}s and the data {own[0]} {kind}s: give {kind}_ids=[…], the original ids in "
                    "the order of the rows. If a row is nobody's (padding), say so with pad."
                )
            named[kind] = own[1]
            continue
        found = _array(kind, ids)
        if len(found) != size:
            raise DataError(
                f"there are {len(found)} {kind}_ids for {size} rows of {kind}s: give one per row, in their order. If a row is "
                "nobody's (padding), say so with pad."
            )
        named[kind] = found
    none = np.zeros(0, np.int32)
    tables = Interactions(none, none, np.zeros(0, np.float32), *sizes, user_ids=named["user"], item_ids=named["item"])
    if user_ids is None and item_ids is None:
        return data
    return data.aligned(to=tables)


def _array(kind: str, ids: Ids) -> np.ndarray:
    found = np.asarray(ids)
    if found.ndim != 1 or found.dtype.kind not in "iuU":
        raise DataError(f"{kind}_ids are {found.dtype} {found.shape}: give a list of whole numbers or of texts.")
    return found
