"""What a store has to hold: its interactions at the beginning, and the requests that were done since.

A worker says each request before it is made and again when it was answered, in a file of its own. After a kill at most the last one
was said and not answered; whether it was done is told by the lines of the journal.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ifru_jax.data import Interactions
from ifru_jax.store import Store, verify_record

Pairs = dict[tuple[int, int], float]


def pairs_of(store: Store) -> Pairs:
    """{(user, item): label} of all interactions of a store, by original ids."""
    split = store.split
    assert split is not None
    found: Pairs = {}
    for part in split.parts:
        found |= _of(part)
    return found


def _of(data: Interactions) -> Pairs:
    assert data.user_ids is not None
    assert data.item_ids is not None
    users, items = data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist()
    return dict(zip(zip(users, items, strict=True), data.labels.tolist(), strict=True))


def requests_said(log: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The requests in order, and the numbers of the lines that answered them; a line that was cut off is none."""
    said, answered = [], []
    for line in log.read_bytes().split(b"\n")[:-1]:
        one = json.loads(line)
        answered.append(one["answered"]) if "answered" in one else said.append(one)
    return said, answered


def replayed(history: list[Pairs], request: dict[str, Any]) -> list[Pairs]:
    """The states that can be gone back to and the current one, after a request."""
    if request["kind"] == "settle":
        return history
    if request["kind"] == "undo":
        return history[:-1]
    now = dict(history[-1])
    if request["kind"] == "correct":
        for user, item, label in request["corrected"]:
            now[user, item] = label
    gone = set(request.get("users", ()))
    now = {pair: label for pair, label in now.items() if pair[0] not in gone}
    return [*history, now] if now != history[-1] else history


@dataclass(frozen=True)
class Kill:
    """What became of one kill.

    Attributes:
      answered: requests that were answered before.
      under_way: whether a request that was under way was recorded; None where none was.
      lost: whether the store doesn't hold an answered request.
      half_done: whether the store is in no state that the requests give, or its record doesn't hold.
    """

    answered: int
    under_way: bool | None
    lost: bool
    half_done: bool


@dataclass(frozen=True)
class Held:
    """What a store holds at a time, and how many lines its journal has."""

    pairs: Pairs
    lines: int

    @classmethod
    def of(cls, store: Store) -> Self:
        """Of an open store."""
        return cls(pairs_of(store), len(store.history()))


def _is_request(line: dict[str, Any]) -> bool:
    """Neither what a spent budget settled, nor that a grace period was over."""
    return line["kind"] != "destroyed" and not line.get("triggered")


def judge(folder: Path, key: Path, log: Path, before: Held) -> tuple[Kill, Held]:
    """Opens the store after a kill: what became of it, and what the store holds now; the log is of requests since `before`."""
    said, answered = requests_said(log)
    with Store.open(folder, key=key) as store:
        found = Held.of(store)
        recorded = [line["number"] for line in store.history()[before.lines :] if _is_request(line)]
    history = [before.pairs]
    for request in said[: len(recorded)]:
        history = replayed(history, request)
    kill = Kill(
        answered=len(answered),
        under_way=len(recorded) > len(answered) if len(said) > len(answered) else None,
        lost=answered != recorded[: len(answered)],
        half_done=found.pairs != history[-1] or len(recorded) > len(said) or not verify_record(folder, key=key).holds,
    )
    return kill, found
