"""How a store comes to be: beside its place and then renamed, so that there is a whole store or none."""

import contextlib
import json
import os
import secrets
import shutil
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ifru_jax.data.filters import known_pairs
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.numbering import Order, in_order
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, DataWarning
from ifru_jax.files import flush_folder
from ifru_jax.store import commit, database, lines, models
from ifru_jax.store.budget import ErrorBudget
from ifru_jax.store.commit import Entry
from ifru_jax.store.key import Key
from ifru_jax.store.lock import Lock, StoreBusy
from ifru_jax.store.models import Model
from ifru_jax.store.states import State

LOCK = "lock"


@dataclass(frozen=True)
class Terms:
    """What a store is told once.

    Attributes:
      key: the operator's, or None.
      grace: seconds for which a step can be undone.
      sources: files that the data came from.
      budget: of errors.
    """

    key: Key | None
    grace: float
    sources: tuple[str, ...]
    budget: ErrorBudget


def create(folder: Path, trained: Model, split: Split | None, terms: Terms) -> tuple[Lock, State]:
    """Makes a store of a model, with its rows in a random order; returns the right to write, and what is in it.

    Raises:
      DataError: a split of other tables, or not the one that stopped the training of the model.

    Warns:
      DataWarning: with the number of held-out interactions that are left out, of users or items that have none to learn from.
    """
    model, order = models.shuffled(trained, np.random.default_rng(secrets.randbits(128)))
    state, name = State(model, **_held_out(model, split, trained.interactions, order)), secrets.token_hex(8)
    sources = [str(Path(one).resolve()) for one in terms.sources]
    facts = {"store": name, "grace": repr(terms.grace), "sources": json.dumps(sources), "budget": terms.budget.as_text()}
    if terms.key is not None:
        facts["key"] = terms.key.check(name)
    content = {"counts": lines.sizes(state), "grace_seconds": terms.grace, "budget": asdict(terms.budget)} | models.described(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(folder)
    unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    unfinished.mkdir()
    try:
        lock = Lock.take(unfinished / LOCK)
        database.create(unfinished)
        commit.begin(unfinished, state, facts, Entry("create", {**content, "versions": lines.versions()}), terms.key)
        flush_folder(unfinished)
        os.replace(unfinished, folder)
        flush_folder(folder.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return lock, state


def _held_out(model: Model, split: Split | None, given: Interactions, order: Order) -> dict[str, Interactions]:
    """What was held out of the training: of the split, or at least what the record of the training has."""
    stopped = models.held_out(model)
    if split is None:
        return {} if stopped is None else {"valid": stopped}
    parts = {}
    for name, part in (("valid", split.valid), ("test", split.test)):
        if (part.num_users, part.num_items) != (given.num_users, given.num_items):
            raise DataError(f"{name} is {part}, but the model was trained on {given}: give its split.")
        parts[name] = _of_known(in_order(part, order), model.interactions, name)
    if stopped is not None:
        there = contains(distinct(_keys(parts["valid"])), _keys(stopped))
        if not there.all():
            raise DataError(
                f"{(~there).sum()} of {len(there)} interactions that stopped the training of the model are not in {split.valid}: "
                "give the split that it was trained with."
            )
    return parts


def _of_known(part: Interactions, data: Interactions, name: str) -> Interactions:
    """What is held out of users and items with data, under the ids that are left."""
    known = known_pairs(part, data)
    if not known.all():
        warnings.warn(
            f"{(~known).sum()} of {len(known)} interactions of split.{name} are of users or items without one that the model "
            "learned from: they are left out of the store.",
            DataWarning,
            stacklevel=5,
        )
        part = part.select(known)
    return replace(part, **{side: getattr(data, side) for side in ("user_ids", "item_ids", "user_features", "item_features")})


def _keys(part: Interactions) -> np.ndarray:
    return pair_keys(part.users, part.items, part.num_items)


def _remove_unfinished(folder: Path) -> None:
    """What is left of a creation that was cut off."""
    for path in folder.parent.glob(f".{folder.name}.*.tmp"):
        with contextlib.suppress(StoreBusy):
            lock = Lock.take(path / LOCK)
            shutil.rmtree(path)
            lock.release()
