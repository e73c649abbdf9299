"""What the columns of interactions have to be: rows inside their tables, one value per interaction, and finite ones.

>>> check_shapes(np.array([0, 1]), {"labels": np.ones(3)})
Traceback (most recent call last):
ifru_jax.errors.DataError: labels has shape (3,) but users has (2,): give one value per interaction.
"""

from collections.abc import Mapping, Sized
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from ifru_jax.data.reading.ids import without_a_name
from ifru_jax.errors import DataError

# Tables of ids that were looked through, by where they are: nobody can write to them, and models share them.
_CHECKED: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()


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
    """Original ids as tables keep them: int64, whatever whole numbers they were, or texts, each of one row.

    Raises:
      DataError: neither, a number that int64 or the mark of the erased has no room for, an id that no request can name, or one of
        two rows.
    """
    if ids is None:
        return None
    found = _ids_as_kept(kind, np.asarray(ids))
    if found.ndim == 1 and _CHECKED.get(id(found)) is not found:
        _check_ids(kind, found)
        _CHECKED[id(found)] = found
    return found


def _check_ids(kind: str, found: np.ndarray) -> None:
    """Refuses ids that no request can name, and those of two rows (DataError). Those that were erased share a mark."""
    mark = "" if found.dtype.kind == "U" else np.iinfo(np.int64).min
    # In ascending order from 0, as files are numbered, there is nothing to look for.
    if found.dtype.kind == "i" and _ascending(found) and (not len(found) or found[0] >= 0):
        return
    nameless = [place for place in without_a_name(found).tolist() if found[place] != mark]
    if nameless:
        raise DataError(
            f"{kind}_ids have {found[nameless[0]].item()!r} in row {nameless[0]} ({len(nameless)} such): no request could name it. "
            "Give whole numbers from 0, or texts without blanks around them and without control characters."
        )
    if _ascending(found):
        return
    unique, counts = np.unique(found[found != mark], return_counts=True)
    if (counts > 1).any():
        twice = unique[counts > 1][0]
        places = np.flatnonzero(found == twice)
        raise DataError(
            f"{kind}_ids name {twice} {len(places)} times, in rows {places[0]} and {places[1]}: a row has an id of its own, by "
            "which a request names it. Interactions.from_arrays numbers the ids of a list of interactions."
        )


def _ascending(ids: np.ndarray, piece: int = 2**16) -> bool:
    """Whether every id is larger than the one before; a piece at a time, since a table may be on disk and not fit."""
    starts = range(0, len(ids), piece)
    return all((ids[start + 1 : start + piece + 1] > ids[start : start + piece][: len(ids) - start - 1]).all() for start in starts)


def _ids_as_kept(kind: str, ids: np.ndarray) -> np.ndarray:
    if ids.dtype.kind == "U" or ids.dtype == np.int64:
        return held(ids, ids.dtype)
    remedy = "give whole numbers from 0, or texts, or use Interactions.from_arrays, which numbers what a file has."
    if ids.dtype.kind == "O":
        types = {type(one) for one in ids.ravel().tolist()}
        if types and all(issubclass(of, str) for of in types):
            return held(ids, np.dtype(str))
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
    found.flags.writeable = False
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


def numbers_held(name: str, column: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """The column in this type of floating-point number, as `held` keeps it; `name` is that of a single value.

    Raises:
      DataError: values that are no numbers, such as dates, or NaN, or that are infinite in this type.
    """
    remedy = "give numbers, or use Interactions.from_arrays, which reads other kinds."
    if column.dtype.kind not in "biufO":
        raise DataError(f"the {name}s have dtype {column.dtype}: {remedy}")
    try:
        with np.errstate(over="ignore"):
            found = held(column, dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"the {name}s are no numbers ({error}): {remedy}") from error
    bad = np.flatnonzero(~np.isfinite(found))
    if bad.size:
        raise DataError(
            f"the {name} of interaction {bad[0]} is {found[bad[0]]} ({bad.size} such): "
            f"drop these rows or fill in their {name}s before loading."
        )
    return found


def held(column: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """The column in this type: itself where nobody can write to it, such as one on disk, else a copy that nobody can write to."""
    if column.dtype == dtype and not column.flags.writeable:
        return column
    kept = column.astype(dtype)
    kept.flags.writeable = False
    return kept
