"""The forget sets of experiments; each is fixed by the data, the share and the seed.

A maker takes train interactions and returns what to train on and what to forget afterwards. The two differ from the
input only for label noise, which is put into the data before training and forgotten or corrected afterwards.

>>> from ifru_jax.data.interactions import Interactions
>>> train = Interactions.from_arrays(users=[0, 0, 1, 1], items=[0, 1, 0, 1], labels=[1, 0, 1, 1])
>>> noisy, request = parse_forget("noise:0.25")(train)
>>> noisy.labels, request.pairs
(array([1., 0., 1., 0.], dtype=float32), array([[1, 1]], dtype=int32))
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.groups import leads_group
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.notes import tell
from ifru_jax.data.present import Missing, check_missing, present_part
from ifru_jax.data.reading.cells import Cells
from ifru_jax.data.reading.columns import find_column
from ifru_jax.data.reading.formats import read_table
from ifru_jax.data.reading.numbers import numbers
from ifru_jax.data.reading.options import Reading, ReadOptions, listed
from ifru_jax.data.reading.table import Table
from ifru_jax.data.share import check_whole
from ifru_jax.errors import DataError

_A_DRAW = "a draw of what to forget"

ForgetMaker = Callable[[Interactions], tuple[Interactions, ForgetRequest]]


def label_noise(train: Interactions, share: float) -> tuple[Interactions, ForgetRequest]:
    """Flips the 0/1 labels of the last `share` of train; these interactions are to be forgotten after training.

    The protocol of the IFRU paper. Train has to be in random order, as `random_split` leaves it. A group that the last
    share begins within is flipped as a whole.

    Raises:
      DataError: labels that are not 0/1, or a share outside (0, 1).
    """
    check_whole(train, _A_DRAW)
    if not np.isin(train.labels, (0, 1)).all():
        raise DataError(f"label noise needs labels 0 and 1, got {train.labels.min():g} … {train.labels.max():g}: binarize first.")
    last = np.arange(len(train)) >= len(train) - _count(share, len(train))
    request = ForgetRequest(pairs=_pairs(train, last))
    # The request decides, so that what is noisy is exactly what is forgotten: copies and groups included.
    noisy = request.select(train)
    return train.with_labels(np.where(noisy, 1 - train.labels, train.labels)), request


def label_correction(train: Interactions, share: float) -> tuple[Interactions, ForgetRequest]:
    """The noise of `label_noise`, of which every label is to be set right instead of being forgotten. Errors of `label_noise`."""
    noisy, forgotten = label_noise(train, share)
    flipped = forgotten.select(train)
    return noisy, ForgetRequest(corrected=_pairs(train, flipped), labels=train.labels[flipped])


def random_interactions(train: Interactions, share: float, seed: int = 0) -> ForgetRequest:
    """A random share of the interactions; with groups, of the observed positives, each with its negatives."""
    check_whole(train, _A_DRAW)
    return ForgetRequest(pairs=_pairs(train, _sample(np.flatnonzero(leads_group(train)), share, seed)))


def random_corrections(train: Interactions, share: float, seed: int = 0) -> ForgetRequest:
    """A random share of the interactions, each to get the other of the labels 0 and 1."""
    check_whole(train, _A_DRAW)
    chosen = _sample(np.arange(len(train)), share, seed)
    return ForgetRequest(corrected=_pairs(train, chosen), labels=1 - train.labels[chosen])


def random_users(train: Interactions, share: float, seed: int = 0) -> ForgetRequest:
    """A random share of the users who have interactions."""
    check_whole(train, _A_DRAW)
    return ForgetRequest(users=_sample(np.unique(train.users), share, seed))


def core_users(train: Interactions, share: float) -> ForgetRequest:
    """The share of the users with the most interactions.

    Source: the core set of Chen et al., "CURE4Rec" (NeurIPS 2024).
    """
    return ForgetRequest(users=_by_activity(train)[-_count(share, len(np.unique(train.users))) :])


def edge_users(train: Interactions, share: float) -> ForgetRequest:
    """The share of the users with the fewest interactions, at least one. Source: the edge set of CURE4Rec."""
    return ForgetRequest(users=_by_activity(train)[: _count(share, len(np.unique(train.users)))])


def _by_activity(train: Interactions) -> np.ndarray:
    """Users with interactions, the least active first; of equals the lower row."""
    check_whole(train, _A_DRAW)
    users = np.unique(train.users)
    return users[np.argsort(train.user_degrees()[users], kind="stable")].astype(np.int32)


def random_items(train: Interactions, share: float, seed: int = 0) -> ForgetRequest:
    """A random share of the items that have interactions."""
    check_whole(train, _A_DRAW)
    return ForgetRequest(items=_sample(np.unique(train.items), share, seed))


def read_request(
    path: str | Path, data: Interactions, *, absent: Missing = "error", **options: Unpack[ReadOptions]
) -> ForgetRequest:
    """The interactions listed in a file with columns user and item, in original ids.

    A file with one of the two columns asks for whole users or whole items. With a third column, `corrected` or `new_label`,
    the interactions are not forgotten but get the labels it holds. Formats and names of columns are those of
    `read_interactions`; further columns, such as rating, are ignored.

    Args:
      path: the file.
      data: whose ids they are.
      absent: "error" refuses a file that names what is not in the data; "report" leaves that out and says how much it is. So the
        files of CURE4Rec are read, which list the test interactions of users, too.
      options: how the file is read; those of `read_interactions`.

    Raises:
      DataError: a file that can't be read or has neither column, new labels without both, a missing cell, an id that is not in
        the data, a new label that is not a number.

    Warns:
      DataWarning: a request for whole users or items in a file that has further columns, which are named; what was left out.
    """
    check_missing(absent)
    named = requested_ids(path, **options)
    try:
        if absent == "error":
            return ForgetRequest.of(data, **named)
        request, left_out = present_part(data, **named)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if left_out:
        tell(f"{path}: {left_out} of those that it names are not in the data and were left out, {request!r} is left.")
    return request


def requested_ids(path: str | Path, **options: Unpack[ReadOptions]) -> dict[str, Any]:
    """What a file asks for, as the arguments of `ForgetRequest.of`; see `read_request`, also for the errors that take no data."""
    reading = Reading(**options)
    table = read_table(path, reading)
    try:
        return _requested(table, reading, str(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _requested(table: Table, reading: Reading, source: str) -> dict[str, Any]:
    wanted = {"user": reading.user, "item": reading.item, "corrected": "corrected", "new_label": "new_label"}
    found = {kind: find_column(table.names, kind, name) for kind, name in wanted.items()}
    user, item = found["user"], found["item"]
    label = found["new_label"] if found["corrected"] is None else found["corrected"]
    names = listed(table.names)
    if user is None and item is None:
        raise DataError(f"a request needs the columns user and item, or one of them; it has {names}: name them by user= and item=.")
    if label is not None and (user is None or item is None):
        raise DataError(f"new labels need the columns user and item; it has {names}.")
    columns = {kind: table.cells(place) for kind, place in (("user", user), ("item", item)) if place is not None}
    given = [_written(cells.present(kind, reading.missing)) for kind, cells in columns.items()]
    if label is not None:
        new = numbers(table.cells(label), "new label", decimal=reading.decimal, missing=reading.missing)
        return {"corrected": zip(*given, new.tolist(), strict=True)}
    if len(given) == 2:
        return {"interactions": zip(*given, strict=True)}
    kind = next(iter(columns))
    ignored = [name for place, name in enumerate(table.names) if place not in (user, item)]
    if ignored:
        tell(f"{source}: asks for whole {kind}s; {listed(ignored)} were ignored.")
    return {f"{kind}s": given[0]}


def _written(cells: Cells) -> list[Any]:
    """The cells as they are written, [n]; the data decides whether its ids are numbers or texts."""
    values = cells.values.tolist() if isinstance(cells.values, np.ndarray) else cells.values
    return [values[code] for code in cells.codes]


def parse_forget(spec: str, **options: Unpack[ReadOptions]) -> ForgetMaker:
    """The maker that a specification such as "noise:0.02" names.

    noise:SHARE flips and forgets the last share of the interactions, correct:SHARE flips the same ones and corrects them;
    interaction:SHARE, user:SHARE and item:SHARE forget a random share of the interactions, users or items, core:SHARE and
    edge:SHARE the most and the least active users; file:PATH forgets or corrects what `read_request` finds.

    Args:
      spec: the specification.
      options: how a file is read; those of `read_interactions`.

    Returns:
      A function from train interactions to (interactions to train on, request).

    Raises:
      DataError: anything else; the message lists the valid forms.
    """
    kind, _, rest = spec.partition(":")
    if kind == "file" and rest:
        return lambda train: (train, read_request(rest, train, **options))
    noises = {"noise": label_noise, "correct": label_correction}
    makers = {
        "interaction": random_interactions,
        "user": random_users,
        "item": random_items,
        "core": core_users,
        "edge": edge_users,
    }
    share = _parse_share(rest)
    if share is None or kind not in noises | makers:
        raise DataError(
            f"can't forget {spec!r}: give noise:SHARE, correct:SHARE, interaction:SHARE, user:SHARE, item:SHARE, core:SHARE, "
            "edge:SHARE with a share between 0 and 1, such as noise:0.02, or file:PATH."
        )
    if kind in noises:
        return lambda train: noises[kind](train, share)
    return lambda train: (train, makers[kind](train, share))


def _parse_share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 < share < 1 else None


def _count(share: float, total: int) -> int:
    """The share of a total, at least one."""
    if not 0 < share < 1:
        raise DataError(f"the share to forget is {share}: give one between 0 and 1, such as 0.02.")
    return max(1, round(share * total))


def _sample(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(rows, _count(share, len(rows)), replace=False)


def _pairs(train: Interactions, which: np.ndarray) -> np.ndarray:
    return np.stack([train.users[which], train.items[which]], axis=1)
