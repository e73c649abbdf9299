"""The part of a request that is still there, for services that are asked again what they were asked before.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(users=["ann", "bob", "ann"], items=[7, 7, 9])
>>> present_part(data, users=["ann", "eve"], interactions=[("bob", 9), ("bob", 7)])
(ForgetRequest(1 interactions, 1 users, 0 items), 2)
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from ifru_jax.data.corrections import as_label, as_rows
from ifru_jax.data.forget import ForgetRequest, Ids, listed
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError

Missing = Literal["error", "report"]
"""What becomes of a request that names what isn't in the data: it is refused, or answered for the rest, with a count."""


def present_part(
    data: Interactions,
    *,
    interactions: Iterable[Sequence[int | str]] | None = None,
    users: Ids | None = None,
    items: Ids | None = None,
    corrected: Iterable[Sequence[int | str | float]] | None = None,
) -> tuple[ForgetRequest, int]:
    """The request for what of these is in the data, as `ForgetRequest.of`; and how many (each once) are not.

    Raises:
      DataError: a pair or triple that isn't one, a label that is not a finite number, or a pair with two different labels.
    """
    pairs, missing_pairs = _pairs(data, *as_rows(interactions, ("user", "item")))
    *ends, new = as_rows(corrected, ("user", "item", "label"))
    again, missing_corrections = _pairs(data, *ends)
    labels = np.array([as_label(*triple) for triple in zip(new, *ends, strict=True)], np.float64)
    named = {"users": listed(users), "items": listed(items)}
    rows = {"users": data.user_rows(named["users"]), "items": data.item_rows(named["items"])}
    unknown = [str(name) + side for side in rows for name, row in zip(list(named[side]), rows[side], strict=True) if row < 0]
    who, what = (rows[side][rows[side] >= 0] for side in ("users", "items"))
    kept = (again >= 0).all(axis=1)
    request = ForgetRequest(pairs[(pairs >= 0).all(axis=1)], who, what, again[kept], labels[kept])
    left, gone = still_there(data, request)
    return left, gone + len(missing_pairs) + len(missing_corrections) + len(set(unknown))


def still_there(data: Interactions, request: ForgetRequest) -> tuple[ForgetRequest, int]:
    """The part of a request that has an interaction in the data, and how much of it has none."""
    left = request.still_in(data)
    return left, len(request) - len(left)


def check_missing(missing: str) -> None:
    """Refuses what is not a `Missing`."""
    if missing not in get_args(Missing):
        raise DataError(f"missing is {missing!r}: choose among {', '.join(get_args(Missing))}.")


def _pairs(data: Interactions, users: list, items: list) -> tuple[np.ndarray, set[tuple[str, str]]]:
    """Rows int32 [k, 2] of pairs of ids, −1 for unknown ones; and the pairs with an unknown id."""
    rows = np.stack([data.user_rows(users), data.item_rows(items)], axis=1)
    unknown = np.flatnonzero((rows < 0).any(axis=1))
    return rows, {(str(users[k]), str(items[k])) for k in unknown}
