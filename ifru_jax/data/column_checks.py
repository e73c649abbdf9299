"""What the columns of interactions have to be: rows inside their tables, one value per interaction, and finite ones.

>>> check_shapes(np.array([0, 1]), {"labels": np.ones(3)})
Traceback (most recent call last):
ifru_jax.errors.DataError: labels has shape (3,) but users has (2,): give one value per interaction.
"""

from collections.abc import Mapping, Sized

import numpy as np
import numpy.typing as npt

from ifru_jax.errors import DataError


def check_rows(kind: str, rows: np.ndarray, size: int, ids: np.ndarray | None) -> None:
    """Refuses rows outside a table, and ids that are not one per row (DataError)."""
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise DataError(f"{kind}s must be a one-dimensional integer array, got shape {rows.shape}, dtype {rows.dtype}.")
    if len(rows) and not 0 <= rows.min() <= rows.max() < size:
        bad = np.flatnonzero((rows < 0) | (rows >= size))
        raise DataError(
            f"{kind} {rows[bad[0]]} of interaction {bad[0]} is outside 0 … {size - 1} ({bad.size} such): "
            f"number the {kind}s from 0, or use Interactions.from_arrays, which does it."
        )
    if ids is not None and ids.shape != (size,):
        raise DataError(f"{kind}_ids has shape {ids.shape}, expected ({size},): one original id per {kind}.")


def ids_held(kind: str, ids: np.ndarray | None) -> np.ndarray | None:
    """Original ids as tables keep them: int64, whatever whole numbers they were, or texts.

    Raises:
      DataError: neither, or a number that int64 or the mark of the erased has no room for.
    """
    if ids is None or (ids := np.asarray(ids)).dtype.kind == "U" or ids.dtype == np.int64:
        return ids
    remedy = "give whole numbers from 0, or texts, or use Interactions.from_arrays, which numbers what a file has."
    if ids.dtype.kind == "O":
        types = {type(one) for one in ids.ravel().tolist()}
        if types and all(issubclass(of, str) for of in types):
            return ids.astype(str)
        if not all(issubclass(of, int | np.integer) and of is not bool for of in types):
            raise DataError(f"{kind}_ids hold values of type {', '.join(sorted(of.__name__ for of in types))}: {remedy}")
    elif ids.dtype.kind not in "iu":
        raise DataError(f"{kind}_ids have dtype {ids.dtype}: {remedy}")
    if ids.size and not -(2**63) < int(ids.min()) <= int(ids.max()) < 2**63:
        raise DataError(f"{kind}_ids reach from {ids.min()} to {ids.max()}: numbers go up to 2⁶³ − 1, write larger ones as texts.")
    found = ids.astype(np.int64)
    if ids.dtype.kind == "i":
        # The mark of the erased, which is the smallest of its type.
        found[ids == np.iinfo(ids.dtype).min] = np.iinfo(np.int64).min
    return found


def check_features(kind: str, features: Sized | None, size: int) -> None:
    """Refuses side features that are not one row per user or item (DataError)."""
    if features is not None and len(features) != size:
        raise DataError(f"{kind}_features have {len(features)} rows for {size} {kind}s: give one row per {kind}.")


def check_shapes(users: np.ndarray, columns: Mapping[str, np.ndarray | None]) -> None:
    """Refuses columns that are not as long as `users` (DataError)."""
    for name, column in columns.items():
        if column is not None and column.shape != users.shape:
            raise DataError(f"{name} has shape {column.shape} but users has {users.shape}: give one value per interaction.")


def check_finite(name: str, column: np.ndarray | None) -> None:
    """Refuses NaN and infinite values (DataError); `name` is that of a single one."""
    if column is None:
        return
    bad = np.flatnonzero(~np.isfinite(column))
    if bad.size:
        raise DataError(
            f"the {name} of interaction {bad[0]} is {column[bad[0]]} ({bad.size} such): "
            f"drop these rows or fill in their {name}s before loading."
        )


def held(column: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """The column in this type: itself where nobody can write to it, such as one on disk, else a copy."""
    return column if column.dtype == dtype and not column.flags.writeable else column.astype(dtype)
