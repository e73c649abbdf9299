"""What was read and may be meant otherwise: a hint, or, where either reading would be a coin toss, a question to the caller."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ifru_jax.data.corrections import row_name
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import pair_keys
from ifru_jax.data.reading.blanks import bare
from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.columns import KINDS, Columns, is_known, rating_names
from ifru_jax.data.reading.options import Reading, folded, listed
from ifru_jax.data.reading.table import Table
from ifru_jax.errors import DataError

_FEW_KINDS = 20  # distinct texts of a column that may say of which kind an interaction is
_SCALE = range(3, 21)  # ratings above 0 that make a scale: up to ten stars in halves
_OFTEN = 5  # times as many zeros as lowest ratings are no ratings


def on_columns(table: Table, columns: Columns, reading: Reading) -> list[str]:
    """Columns that may be the rating and were not taken."""
    left = [table.names[place] for place in columns.left if table.names[place]]
    if reading.rating is None or not left:
        return []
    if columns.rating is None:
        return [
            f"no column is known to be the rating, so every label is 1; {listed(left)} were ignored: "
            "rating= takes one of them, rating=None none"
        ]
    others = [name for name in left if name in rating_names(left)]
    if not others or reading.rating != "rating":
        return []
    return [f"{table.names[columns.rating]!r} was taken for the rating, {listed(others)} ignored: rating= chooses"]


def on_unrated(data: Interactions) -> list[str]:
    """A hint where 0, or −1, looks like "not rated" rather than like the lowest rating."""
    distinct, counts = np.unique(data.labels, return_counts=True)
    if len(distinct) - 1 not in _SCALE or distinct[0] not in (0, -1) or distinct[1] <= 0:
        return []
    step = np.diff(distinct[1:]).min()
    if distinct[0] == 0 and distinct[1] < 2 * step and counts[0] < _OFTEN * counts[1]:
        return []
    lowest = f"{distinct[0]:g}"
    return [
        f"{counts[0]} of {len(data)} ratings are {lowest}, and the next is {distinct[1]:g}: if {lowest} means that there is "
        f"no rating, drop these rows by unrated={lowest}"
    ]


def refuse_names(table: Table, columns: Columns, cells: Mapping[str, Cells]) -> None:
    """Refuses a row that names the columns once more, as in files that were joined: it would become a user.

    Args:
      table, columns: as they were read.
      cells: those of the users and the items.

    Raises:
      DataError: with the place of the row.
    """
    names = {kind: table.names[place] for kind, place in (("user", columns.user), ("item", columns.item)) if place is not None}
    here = [
        np.isin(cells[kind].codes, [k for k, value in enumerate(cells[kind].values) if _is_name(value, name, kind)])
        for kind, name in names.items()
        if isinstance(cells[kind].values, list)
    ]
    rows = np.flatnonzero(np.logical_and(*here)) if len(here) == 2 else []
    if len(rows):
        raise DataError(
            f"{cells['user'].place(int(rows[0]))} names the columns once more ({len(rows)} such): leave out the first line of "
            "each file that is appended to another, or read a folder of files."
        )


def _is_name(value: Any, name: str, kind: str) -> bool:
    if not isinstance(value, str):
        return False
    # The names that a caller gave to columns without any are not those of a header further down.
    text = bare(value).partition(":")[0]
    return text == name or (name == kind and is_known(text, kind))


def refuse_kinds(table: Table, columns: Columns, data: Interactions, kept: np.ndarray, stays: np.ndarray) -> None:
    """Refuses a row that gives way to one with another label and of another kind, such as purchase to play.

    A column of a few texts says of which kind a row is; where there are times, only one that is called so.

    Args:
      table, columns: as they were read.
      data: the interactions of the rows at `kept`.
      stays: places of the interactions that stay, one per pair.

    Raises:
      DataError: with the column, the two kinds and the pair.
    """
    keys = pair_keys(data.users, data.items, data.num_items)
    by_key = stays[np.argsort(keys[stays])]
    gone = np.delete(np.arange(len(data)), stays)
    winner = by_key[np.searchsorted(keys[by_key], keys[gone])]
    other_label = data.labels[gone] != data.labels[winner]
    for place in columns.left if other_label.any() else ():
        cells = table.cells(place)
        named = folded(table.names[place]) in KINDS
        if not isinstance(cells.values, list) or len(cells.values) > _FEW_KINDS or not (named or data.timestamps is None):
            continue
        kinds = cells.codes[kept]
        rows = np.flatnonzero(other_label & (kinds[gone] != kinds[winner]))
        if rows.size:
            row = gone[rows[0]]
            shown = " and ".join(repr((*cells.values, None)[kinds[at]]) for at in (row, winner[rows[0]]))
            user, item = row_name(int(data.users[row]), data.user_ids), row_name(int(data.items[row]), data.item_ids)
            raise DataError(
                f"the rows of user {user} with item {item} are of the kinds {shown} in the column {table.names[place]!r} and have "
                f"different ratings ({rows.size} such rows): give the rows of one kind only, or rating=None, or "
                'duplicates="last", which takes the last one whatever its kind.'
            )
