"""The split of Parquet files of any size over the processes of a mesh: to each the interactions of the users of its own devices.

Every process reads its row groups (`streaming`), and says of each interaction whether it trains, validates or tests, which depends
on that interaction alone (`splits.random_split`). Who is in the k-core, which users and items there are in train, and how busy they
are, all count together. Then each knows every row of the tables and whose it is, and the interactions change hands on disk:

    into/exchange-TOKEN/from-0-to-1/train/users.npy, …   what process 0 read of the users of process 1; removed afterwards
    into/split-0-of-2/train/users.npy, …                 the share of process 0, int32 rows of the tables
    into/split-0-of-2/user_ids.npy, item_ids.npy         the tables

A process holds a piece of its rows at a time, and what there is of each user and item: their hashes, degrees and places.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np
from jax.sharding import Mesh

from ifru_jax.data.draws import drawing
from ifru_jax.data.filters import Dropped, check_core
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.labels import check_both_kinds, check_threshold, labels_above
from ifru_jax.data.large.streaming import StreamOptions, stream_interactions
from ifru_jax.data.numbering import dealt, places_in
from ifru_jax.data.share import Share
from ifru_jax.data.splits import Split, check_shares
from ifru_jax.errors import DataError, check_kind
from ifru_jax.meshes import among_processes, blocks, in_all_processes, in_one_axis, own_blocks, same_token, sum_over_processes

PARTS = ("train", "valid", "test")
_COLUMNS = ("users", "items", "labels", "timestamps")
# Interactions that are held at a time.
PIECE = 1 << 18


class Tables(NamedTuple):
    """The tables of a split, and whose rows they are.

    Attributes:
      users, items: int32, the row of each that was read, −1 for those that train has nothing of.
      user_order, item_order: int, what was read in the order of the rows.
      owners: int [u], the process of each user's row.
    """

    users: np.ndarray
    items: np.ndarray
    user_order: np.ndarray
    item_order: np.ndarray
    owners: np.ndarray


class Shuffle(NamedTuple):
    """How the rows of a process are split and handed on.

    Attributes:
      data: what it read.
      core: bool [num_users], [num_items], who is split; all others leave.
      draws: a number in [0, 1) for each pair of rows.
      ends: of the draws that train and validate.
      above: threshold of labels, None for labels as they are.
    """

    data: Interactions
    core: tuple[np.ndarray, np.ndarray]
    draws: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ends: Sequence[float]
    above: float | None

    @property
    def columns(self) -> list[str]:
        """Names of the columns that there are."""
        return [name for name in _COLUMNS if getattr(self.data, name) is not None]

    def pieces(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Places of some interactions, and the part of each, 0 … 2, or 3 for those that leave."""
        for piece, users, items in _pieces(self.data):
            part = np.searchsorted(self.ends, self.draws(users, items), side="right")
            yield piece, np.where(self.core[0][users] & self.core[1][items], part, len(PARTS))

    def column(self, name: str, piece: slice, tables: Tables) -> np.ndarray:
        """A column of some interactions as the split has it."""
        values = getattr(self.data, name)[piece]
        if name == "users":
            return tables.users[values]
        if name == "items":
            return tables.items[values]
        return labels_above(values, self.above) if name == "labels" and self.above is not None else values


def stream_split(
    path: str | Path,
    into: str | Path,
    *,
    mesh: Mesh | None = None,
    k: int = 0,
    label_above: float | None = None,
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Split:
    """The random split of a Parquet file, or of a folder of them, of which each process has the interactions of its own users.

    It is the split that `random_split` makes of the `k_core` of all interactions, with users and items in the rows that `balanced`
    puts them in. Every process of `jax.distributed` calls it with the same arguments, and the same `into`, which all see. All rows
    are kept, also several of one user with one item.

    Args:
      path: the file or folder.
      into: folder for the arrays on disk, made if it isn't there. It is a copy of the data, which no request reaches: remove it
        once the model is trained.
      mesh: the devices that will train, those of `on_mesh`; one of a single process gives it all interactions, and so does None,
        which balances nothing.
      k: fewest interactions of a user or an item; the data is passed over until all others have left.
      label_above: labels are 1 above this rating and 0 up to it; None takes the ratings as they are.
      shares, seed: as for `random_split`.
      options: those of `stream_interactions`.

    Returns:
      The split; where a mesh is of several processes its parts are shares (`Interactions.share`), in arrays on disk.

    Raises:
      DataError: as `stream_interactions`, `k_core` and `random_split`; a threshold that leaves train with one kind of label; a mesh
        in which the devices of a process don't stand next to each other. What one process refuses, all do, and before the split is
        written; what was read stays, and is used by the next call.
    """
    if mesh is not None:
        check_kind("mesh", mesh, Mesh, "give the mesh that on_mesh will be given, or None for one process")
        mesh = in_one_axis(mesh)
    check_shares(shares)
    check_core(k)
    if label_above is not None:
        check_threshold(label_above)
    (index, count), data = among_processes(mesh), _read(path, into, mesh, options)
    core, in_core = _core(data, k, mesh)
    shuffle = Shuffle(data, core, drawing(data, seed=seed), (shares[0], shares[0] + shares[1]), label_above)
    tables = _tables(shuffle, mesh)
    check_train_labels(shuffle, mesh, str(path))
    share, exchange = Share.of(mesh, len(tables.user_order)), Path(into) / f"exchange-{same_token(mesh)}"
    own, written = Path(into) / f"split-{index}-of-{count}", np.zeros(1, np.int64)
    with in_all_processes(mesh):
        if index == 0:
            _remove(into, "exchange-*")
    try:
        with in_all_processes(mesh):
            written += write_exchange(exchange, shuffle, tables, (index, count))
        with in_all_processes(mesh):
            write_share(own, exchange, data, tables, index)
    finally:
        if index == 0:  # all have done with what is in there
            _remove(into, exchange.name)
    there, written = sum_over_processes(np.array([len(data), written[0]]), mesh).tolist()
    steps = [
        (f"in the {k}-core", there - in_core, data.num_users - core[0].sum(), data.num_items - core[1].sum()),
        ("in train", in_core - written, core[0].sum() - len(tables.user_order), core[1].sum() - len(tables.item_order)),
    ]
    dropped = tuple(Dropped(f"not {where}", *map(int, counts)) for where, *counts in steps if any(counts))
    return Split(*(read_share(own, part, tables, share) for part in PARTS), dropped=dropped)


def _remove(into: str | Path, name: str) -> None:
    for folder in Path(into).glob(name):
        shutil.rmtree(folder, ignore_errors=True)


def _read(path: str | Path, into: str | Path, mesh: Mesh | None, options: StreamOptions) -> Interactions:
    """The interactions of a process's row groups; the first makes the vocabulary, and the others wait for it."""
    index, count = among_processes(mesh)
    found = None
    for turn in (True, False):
        with in_all_processes(mesh):
            if (index == 0) is turn:
                found = stream_interactions(path, into, process_index=index, process_count=count, **options)
    assert found is not None
    return found


def _pieces(data: Interactions) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Places of some interactions, their users and their items."""
    for start in range(0, len(data), PIECE):
        piece = slice(start, min(start + PIECE, len(data)))
        yield piece, data.users[piece], data.items[piece]


def _degrees(data: Interactions, chosen: Iterable[tuple[slice, np.ndarray]], mesh: Mesh | None) -> tuple[np.ndarray, np.ndarray]:
    """int64 [num_users], [num_items]: those of the interactions of all processes that are chosen, by places and bool."""
    users, items = np.zeros(data.num_users, np.int64), np.zeros(data.num_items, np.int64)
    for piece, which in chosen:
        for degrees, rows in ((users, data.users), (items, data.items)):
            degrees += np.bincount(rows[piece][which], minlength=len(degrees))
    return sum_over_processes(users, mesh), sum_over_processes(items, mesh)


def _core(data: Interactions, k: int, mesh: Mesh | None) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """The users and the items of the k-core of what all processes read, bool [num_users], [num_items]; its interactions."""
    users, items = np.ones(data.num_users, bool), np.ones(data.num_items, bool)
    while True:
        of_users, of_items = _degrees(data, ((piece, users[u] & items[i]) for piece, u, i in _pieces(data)), mesh)
        leave = (users & (of_users < k)).any() or (items & (of_items < k)).any()
        if not leave:
            break
        users, items = of_users >= k, of_items >= k
    if not users.any():
        raise DataError(f"no interaction is left in the {k}-core of {data}: choose a smaller k.")
    return (users, items), int(of_users.sum())


def _tables(shuffle: Shuffle, mesh: Mesh | None) -> Tables:
    """The tables of all that train has."""
    data = shuffle.data
    users, items = _degrees(data, ((piece, part == 0) for piece, part in shuffle.pieces()), mesh)
    if not users.any():
        raise DataError(f"no interaction of {data} is left for train: give more data, or train a larger share.")
    orders = []
    for degrees in (users, items):
        there = np.flatnonzero(degrees)
        orders.append(there if mesh is None else there[dealt(degrees[there], mesh.size)])
    user_order, item_order = orders
    places = places_in(user_order, data.num_users), places_in(item_order, data.num_items)
    return Tables(*places, user_order, item_order, _owners(len(user_order), mesh))


def check_train_labels(shuffle: Shuffle, mesh: Mesh | None, of: str) -> None:
    """Refuses a threshold that leaves train with one kind of label, counted over all processes."""
    if shuffle.above is None:
        return
    index, count = among_processes(mesh)
    # The lowest and the highest rating of each process, so that the sum over them is that of every one.
    kinds, scales = np.zeros(2, np.int64), np.zeros((count, 2))
    scales[index] = np.inf, -np.inf
    for piece, part in shuffle.pieces():
        ratings = shuffle.data.labels[piece][part == 0]
        positives = np.count_nonzero(labels_above(ratings, shuffle.above))
        kinds += len(ratings) - positives, positives
        low, high = scales[index]
        scales[index] = min(low, ratings.min(initial=np.inf)), max(high, ratings.max(initial=-np.inf))
    scales = sum_over_processes(scales, mesh)
    negatives, positives = sum_over_processes(kinds, mesh).tolist()
    check_both_kinds(shuffle.above, (negatives, positives), (scales[:, 0].min(), scales[:, 1].max()), of)


def _owners(num_users: int, mesh: Mesh | None) -> np.ndarray:
    """int32 [num_users]: the process whose device has each row of the user table."""
    count = among_processes(mesh)[1]
    if mesh is None or count == 1:
        return np.zeros(num_users, np.int32)
    of_block = np.zeros(mesh.size, np.int32)
    for process in range(count):
        of_block[own_blocks(mesh, process)] = process
    return of_block[np.arange(num_users) // blocks(num_users, mesh)]


def write_exchange(folder: Path, shuffle: Shuffle, tables: Tables, among: tuple[int, int]) -> int:
    """What a process read, for each of all its own; `among` is its number, and how many there are.

    Returns:
      How many there are of users and items that train has; the others are for nobody.
    """
    index, processes = among
    boxes = processes * len(PARTS)
    counts = np.zeros(boxes + 1, np.int64)
    for _, box in _boxed(shuffle, tables, boxes):
        counts += np.bincount(box, minlength=boxes + 1)
    arrays: list[dict[str, np.memmap]] = []
    for number, size in enumerate(counts[:-1].tolist()):
        to, part = divmod(number, len(PARTS))
        place = folder / f"from-{index}-to-{to}" / PARTS[part]
        place.mkdir(parents=True)
        arrays.append({name: _column(place, name, getattr(shuffle.data, name).dtype, size) for name in shuffle.columns})
    at = [0] * boxes
    for piece, box in _boxed(shuffle, tables, boxes):
        values = {name: shuffle.column(name, piece, tables) for name in shuffle.columns}
        for number in np.unique(box[box < boxes]).tolist():
            chosen = np.flatnonzero(box == number)
            for name, column in values.items():
                arrays[number][name][at[number] : at[number] + len(chosen)] = column[chosen]
            at[number] += len(chosen)
    return int(counts[:-1].sum())


def _boxed(shuffle: Shuffle, tables: Tables, boxes: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Places of some interactions, and the box that each goes into, of a process and a part; `boxes` is that for nobody."""
    for piece, part in shuffle.pieces():
        users, items = (shuffle.column(name, piece, tables) for name in ("users", "items"))
        there = (users >= 0) & (items >= 0) & (part < len(PARTS))
        yield piece, np.where(there, tables.owners[users] * len(PARTS) + part, boxes)


def write_share(folder: Path, exchange: Path, data: Interactions, tables: Tables, index: int) -> None:
    """The share of process `index`, of what all have put there for it; the folder is there when all of it is."""
    partial = folder.with_name(f".{folder.name}.partial")
    for old in (partial, folder):
        shutil.rmtree(old, ignore_errors=True)
    partial.mkdir()
    for name, ids, order in (("user_ids", data.user_ids, tables.user_order), ("item_ids", data.item_ids, tables.item_order)):
        assert ids is not None
        np.save(partial / f"{name}.npy", ids[order])
    writers = sorted(exchange.glob(f"from-*-to-{index}"), key=lambda writer: int(writer.name.split("-")[1]))
    for part in PARTS:
        (partial / part).mkdir()
        for name in _COLUMNS:
            found = [np.load(file, mmap_mode="r") for writer in writers if (file := writer / part / f"{name}.npy").exists()]
            if not found:
                continue
            out, at = _column(partial / part, name, found[0].dtype, sum(map(len, found))), 0
            for column in found:
                for start in range(0, len(column), PIECE):
                    values = column[start : start + PIECE]
                    out[at : at + len(values)] = values
                    at += len(values)
    os.replace(partial, folder)


def _column(folder: Path, name: str, dtype: np.dtype, size: int) -> np.memmap:
    """A column on disk to write to."""
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(size,))


def read_share(folder: Path, part: str, tables: Tables, share: Share | None) -> Interactions:
    """A part of the split, in arrays on disk."""
    columns: dict[str, Any] = {}
    for name in _COLUMNS:
        if (file := folder / part / f"{name}.npy").exists():
            columns[name] = np.load(file, mmap_mode="r")
    ids = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("user_ids", "item_ids")}
    return Interactions(**columns, num_users=len(tables.user_order), num_items=len(tables.item_order), **ids, share=share)
