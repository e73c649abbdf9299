"""What of a request is there, what was erased before, and what never was: one answer for each id.

In the data of a store are the interactions that the model stands for and those that were held out of its training; a request is
about both. Whether an id that isn't there was erased before is known by its tag alone, so without the operator's key the answer is
that it isn't there.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ifru_jax.data.filters import known_pairs
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.held_out import left_of
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.data.reading.ids import as_written
from ifru_jax.errors import DataError
from ifru_jax.store import models
from ifru_jax.store.key import Key
from ifru_jax.store.requests import Asked, Id
from ifru_jax.store.states import State

Found = Literal["there", "done already", "not in the data"]
_KIND = {"users": "user", "items": "item", "interactions": "pair", "corrected": "correction"}


@dataclass(frozen=True)
class IdAnswer:
    """The answer for one id.

    Attributes:
      kind: "user", "item", "pair" or "correction".
      ids: the id, or the two of a pair.
      found: "there", so that it is in the request; "done already": erased before, or with the label that was asked for; or "not in
        the data".
      tag: under the operator's key; None without one.
    """

    kind: str
    ids: tuple[Id, ...]
    found: Found
    tag: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {' with '.join(map(str, self.ids))}"


@dataclass(frozen=True)
class Resolved:
    """A request on the data of a store.

    Attributes:
      asked: the request, each id as the tables write it and named once.
      request: what of it is among the interactions of the model.
      everything: the same with pairs that were held out alone.
      answers: for each id, in the order asked.
    """

    asked: Asked
    request: ForgetRequest
    everything: ForgetRequest
    answers: tuple[IdAnswer, ...]

    def of(self, found: Found) -> list[IdAnswer]:
        """The answers that say so."""
        return [one for one in self.answers if one.found == found]


@dataclass(frozen=True)
class Tags:
    """What was erased, as far as the key tells.

    Attributes:
      connection: to the database.
      store: the name that is part of every tag.
      key: the operator's; None knows nothing.
    """

    connection: sqlite3.Connection
    store: str
    key: Key | None

    def tag(self, kind: str, *ids: Id) -> str | None:
        """The tag of an id or a pair."""
        return None if self.key is None else self.key.tag(self.store, kind, *ids)

    def step(self, kind: str, *ids: Id) -> int | None:
        """The line that erased it last; a pair is erased with its user or its item, too."""
        asked = [self.tag(kind, *ids)]
        if kind == "pair":
            asked += [self.tag("user", ids[0]), self.tag("item", ids[1])]
        marks = ", ".join("?" * len(asked))
        (found,) = self.connection.execute(f"SELECT max(number) FROM tags WHERE tag IN ({marks})", asked).fetchone()
        return found


def resolve(asked: Asked, state: State, tags: Tags) -> Resolved:
    """Looks up every id.

    Raises:
      DataError: as `ForgetRequest` (a pair that is to be forgotten and corrected is found later), or a new label that the loss
        can't take.
    """
    data, held = state.model.interactions, list(state.parts.values())
    asked = _as_tables_write(asked, data)
    answers: list[IdAnswer] = []

    def answer(name: str, ids: tuple[Id, ...], found: Found) -> None:
        kind = _KIND[name]
        if found == "not in the data" and kind != "correction" and tags.step(kind, *ids) is not None:
            found = "done already"
        answers.append(IdAnswer(kind, ids, found, tags.tag(kind, *ids)))

    rows = {}
    for name, degrees in (("users", data.user_degrees()), ("items", data.item_degrees())):
        ids = getattr(asked, name)
        found = (data.user_rows if name == "users" else data.item_rows)(ids)
        there = (found >= 0) & (degrees[found] > 0)
        rows[name] = found[there]
        for one, present in zip(ids, there, strict=True):
            answer(name, (one,), "there" if present else "not in the data")
    pairs, known = _pairs(asked.interactions, data)
    in_model, anywhere = _among(pairs, known, [data]), _among(pairs, known, [data, *held])
    for ids, present in zip(asked.interactions, anywhere, strict=True):
        answer("interactions", ids, "there" if present else "not in the data")
    labels = np.array([label for *_, label in asked.corrected], np.float32)
    again, known = _pairs([(user, item) for user, item, _ in asked.corrected], data)
    corrigible, somewhere = _among(again, known, [data]), _among(again, known, [data, *held])
    new = somewhere & _changes(again, labels, [data, *held])
    for (user, item, label), present, changed in zip(asked.corrected, somewhere, new, strict=True):
        if changed:
            _check_label(state, user, item, label)
        answer("corrected", (user, item), "there" if changed else "done already" if present else "not in the data")
    of_model = in_model, new & corrigible
    requests = [
        ForgetRequest(pairs[which], rows["users"], rows["items"], again[corrected], labels[corrected])
        for which, corrected in (of_model, (anywhere, new))
    ]
    return Resolved(asked, requests[0], requests[1], tuple(answers))


def held_out_after(part: Interactions, request: ForgetRequest, after: Interactions) -> Interactions:
    """What is left of held-out interactions: none that was asked for, and none of a user or an item that has no data left."""
    left = left_of(part, request, ~known_pairs(part, after))
    return replace(left, **{name: getattr(after, name) for name in ("user_ids", "item_ids", "user_features", "item_features")})


def taken_along(before: Interactions, after: Interactions, request: ForgetRequest, tags: Tags) -> list[str]:
    """Tags of users and items that lost their last interaction without being named; none without a key."""
    found = []
    sides = (
        ("user", before.user_degrees(), after.user_degrees(), request.users, before.user_ids),
        ("item", before.item_degrees(), after.item_degrees(), request.items, before.item_ids),
    )
    for kind, had, have, named, ids in sides:
        rows = np.setdiff1d(np.flatnonzero((had > 0) & (have == 0)), named)
        found += [tags.tag(kind, one) for one in (rows if ids is None else ids[rows]).tolist()]
    return [tag for tag in found if tag is not None]


def canonical_ids(data: Interactions, kind: str, ids: Sequence[Id]) -> list[Id]:
    """The ids of one kind ("user" or "item") as the tables write them, so that "7" and 7 have one tag; others as they are."""
    table = data.user_ids if kind == "user" else data.item_ids
    written = as_written(ids, np.dtype(np.int64) if table is None else table.dtype).tolist()
    return [given if one in ("", -1) else one for given, one in zip(ids, written, strict=True)]


def _as_tables_write(asked: Asked, data: Interactions) -> Asked:
    def ids(kind: str, given: Sequence[Id]) -> list[Id]:
        return canonical_ids(data, kind, given)

    def ends(rows: Sequence[tuple]) -> tuple[list[Id], list[Id]]:
        return ids("user", [row[0] for row in rows]), ids("item", [row[1] for row in rows])

    return Asked.of(
        users=ids("user", asked.users),
        items=ids("item", asked.items),
        interactions=zip(*ends(asked.interactions), strict=True),
        corrected=zip(*ends(asked.corrected), [label for *_, label in asked.corrected], strict=True),
    )


def _check_label(state: State, user: Id, item: Id, label: float) -> None:
    """Refuses a label that the model can't take, held out or not."""
    try:
        models.check_label(state.model, label)
    except DataError as error:
        why = str(error).rstrip(".")
        told = f"the new label of user {user} with item {item} is {label:g}, which the model can't take ({why})"
        raise DataError(f"{told}: give one as the model was trained with.") from error


def _pairs(rows: Sequence[tuple[Id, Id]], data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the tables, int32 [k, 2], 0 in place of unknown ones; and which are known, bool [k]."""
    found = np.stack([data.user_rows([u for u, _ in rows]), data.item_rows([i for _, i in rows])], axis=1)
    known = np.asarray((found >= 0).all(axis=1))
    return np.where(known[:, None], found, 0), known


def _among(pairs: np.ndarray, known: np.ndarray, parts: Sequence[Interactions]) -> np.ndarray:
    """bool [k]: the known pairs that have an interaction in one of the parts."""
    found = np.zeros(len(pairs), bool)
    for part in parts:
        keys = distinct(pair_keys(part.users, part.items, part.num_items))
        if len(keys):
            found |= contains(keys, pair_keys(pairs[:, 0], pairs[:, 1], part.num_items))
    return found & known


def _changes(pairs: np.ndarray, labels: np.ndarray, parts: Sequence[Interactions]) -> np.ndarray:
    """bool [k]: the pairs that have another label than that one in one of the parts."""
    found = np.zeros(len(pairs), bool)
    for part in parts:
        keys = pair_keys(part.users, part.items, part.num_items)
        for place, key in enumerate(pair_keys(pairs[:, 0], pairs[:, 1], part.num_items)):
            found[place] |= bool((part.labels[keys == key] != labels[place]).any())
    return found
