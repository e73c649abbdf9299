"""How a store comes to be: beside its place and then renamed, so that there is a whole store or none."""

import contextlib
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ifru_jax.data.numbering import in_order
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
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
      DataError: a split of other tables.
    """
    model, order = models.shuffled(trained, np.random.default_rng(secrets.randbits(128)))
    parts = {}
    for name, part in () if split is None else (("valid", split.valid), ("test", split.test)):
        if (part.num_users, part.num_items) != (trained.interactions.num_users, trained.interactions.num_items):
            raise DataError(f"{name} is {part}, but the model was trained on {trained.interactions}: give its split.")
        parts[name] = in_order(part, order)
    state, name = State(model, **parts), secrets.token_hex(8)
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


def _remove_unfinished(folder: Path) -> None:
    """What is left of a creation that was cut off."""
    for path in folder.parent.glob(f".{folder.name}.*.tmp"):
        with contextlib.suppress(StoreBusy):
            lock = Lock.take(path / LOCK)
            shutil.rmtree(path)
            lock.release()
