"""Corrected labels of a request: (user, item, label) triples, each pair once.

>>> rows, labels = one_label_each(np.array([[2, 1], [0, 3], [2, 1]]), np.array([1.0, 0.0, 1.0]))
>>> rows.tolist(), labels.tolist()
([[0, 3], [2, 1]], [0.0, 1.0])
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ifru_jax.errors import DataError


def as_rows(given: Iterable[Sequence[Any]] | None, columns: tuple[str, ...]) -> list[list]:
    """The columns of rows such as (user, item), each a list [k]: an array of all would turn numbers into strings beside a string.

    Raises:
      DataError: a row that doesn't have these columns.
    """
    kind, rows = f"({', '.join(columns)}) {'pair' if len(columns) == 2 else 'triple'}", []
    if isinstance(given, Mapping) or hasattr(given, "columns"):
        # Going through a frame gives its columns, or their names.
        raise DataError(
            f"a {type(given).__name__} has columns, and what is asked for are rows: give a list of {kind}s, such as "
            f"list(zip({', '.join(f'frame[{name!r}]' for name in columns)}))."
        )
    for row in () if given is None else given:
        if not _is_row(row):
            raise DataError(f"{row!r} is not a {kind}: give a list of them, [({', '.join(columns)}), …].")
        if len(row) != len(columns):
            raise DataError(f"{tuple(row)} is not a {kind}: give {', '.join(columns[:-1])} and {columns[-1]} of each interaction.")
        rows.append(row)
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in columns]


def _is_row(value: Any) -> bool:
    try:
        return not isinstance(value, str) and np.ndim(value) > 0
    except ValueError:
        return True  # with a sequence in it, which whoever looks for it as an id tells


def as_label(value: Any, user: Any, item: Any) -> float:
    """A new label as a finite number; anything else raises a DataError that names the pair."""
    told = f"the new label of user {user} with item {item} is {value!r}: give a number, such as 0 or 1."
    try:
        label = float(value)
    except (TypeError, ValueError) as error:
        raise DataError(told) from error
    if not math.isfinite(label):
        raise DataError(told)
    return label


def one_label_each(
    rows: np.ndarray, labels: np.ndarray, user_ids: np.ndarray | None = None, item_ids: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows [c, 2] ascending and their labels float32 [c], of int32 rows [k, 2] with labels [k].

    Args:
      rows: (user, item).
      labels: of the rows.
      user_ids, item_ids: by which a message names a pair.

    Raises:
      DataError: labels that are no numbers [k], NaN or infinite ones, or a pair with two different labels.
    """

    def name(row: np.ndarray) -> str:
        return f"user {row_name(int(row[0]), user_ids)} with item {row_name(int(row[1]), item_ids)}"

    if labels.shape != (len(rows),) or labels.dtype.kind not in "fiub":
        raise DataError(f"{len(rows)} corrected pairs but labels {labels.shape} of {labels.dtype}: give one number per pair.")
    with np.errstate(over="ignore"):
        labels = labels.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(labels))
    if bad.size:
        raise DataError(f"the new label of {name(rows[bad[0]])} is {labels[bad[0]]} ({bad.size} such): give a finite one.")
    unique, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    other = np.flatnonzero(labels != labels[first][which.reshape(-1)])
    if other.size:
        raise DataError(
            f"{name(rows[other[0]])} is to be corrected to {labels[first][which.reshape(-1)[other[0]]]:g} and to "
            f"{labels[other[0]]:g}: give each pair one new label."
        )
    return unique, labels[first]


def row_name(row: int, ids: np.ndarray | None) -> str:
    """What a message calls a row: its original id, where it has one."""
    return str(ids[row]) if ids is not None and 0 <= row < len(ids) else f"(row {row})"
