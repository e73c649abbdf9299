"""Interactions as arrays and a description, for a file, and back.

>>> arrays, described = saved(Interactions.from_arrays(["a", "b"], [7, 7]))
>>> sorted(arrays)
['data/item_ids', 'data/items', 'data/labels', 'data/user_ids', 'data/users']
>>> from_saved(arrays, described)
Interactions(2 of 2 users with 1 items)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.share import Share
from ifru_jax.data.side_features import SideFeatures

_COLUMNS = ("users", "items", "labels", "timestamps", "groups", "observed", "user_ids", "item_ids")
_FEATURES = ("user_features", "item_features")


def saved(data: Interactions) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All columns by name, and what JSON can hold of the rest."""
    arrays = {f"data/{name}": column for name in _COLUMNS if (column := getattr(data, name)) is not None}
    described: dict[str, Any] = {"sizes": [data.num_users, data.num_items]}
    for side, features in zip(_FEATURES, (data.user_features, data.item_features), strict=True):
        if features is not None:
            described[side] = {"names": features.names, "widths": features.widths}
            arrays[f"data/{side}"] = features.values
    return arrays, described


def from_saved(arrays: Mapping[str, np.ndarray], described: Mapping[str, Any], share: Share | None = None) -> Interactions:
    """The interactions that `saved` described, among other arrays; `share` says whose these are, where they are not all.

    Raises:
      KeyError, TypeError: a part is missing.
      DataError: a part that is none.
    """
    num_users, num_items = described["sizes"]
    columns: dict[str, Any] = {name: arrays[f"data/{name}"] for name in _COLUMNS if f"data/{name}" in arrays}
    for side in _FEATURES:
        if (fields := described.get(side)) is not None:
            columns[side] = SideFeatures(tuple(fields["names"]), tuple(fields["widths"]), arrays[f"data/{side}"])
    return Interactions(**columns, num_users=num_users, num_items=num_items, share=share)
