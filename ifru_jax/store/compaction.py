"""Models without the rows of the erased: the one of the store, and those that are given away."""

import secrets
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.checkpoint import save
from ifru_jax.data.numbering import in_order
from ifru_jax.store import database, journal, lines
from ifru_jax.store.answers import Answer
from ifru_jax.store.commit import Entry
from ifru_jax.store.opened import Opened
from ifru_jax.store.outside import outside
from ifru_jax.store.states import State
from ifru_jax.unlearning.compaction import compact


def compacted(store: Opened) -> Answer:
    """See `Store.compact`; everything is settled."""
    state = store.state
    model, order = compact(state.model, np.random.default_rng(secrets.randbits(128)))
    after = State(model, **{name: in_order(part, order) for name, part in state.parts.items()})
    line = store.step(after, Entry("compact", {"counts": lines.sizes(after), "versions": lines.versions()}))
    return Answer(line.number, "compact")


def exported(store: Opened, path: str | Path, *, for_serving: bool) -> Path:
    """See `Store.export`."""
    with database.reading(store.folder) as connection:
        written = {found for (found,) in connection.execute("SELECT path FROM exports")}
    file = outside(store.folder, path, ours=lambda file: str(file) in written)
    model, _ = compact(store.state.model, np.random.default_rng(secrets.randbits(128)))

    def remember(connection: Any, line: journal.Line) -> None:
        connection.execute("INSERT INTO exports VALUES (?, ?)", (str(file), line.number))

    # Before it is written: a file that nobody knows of would not be reminded of.
    store.note(Entry("export", {"file": str(file), "versions": lines.versions()}), also=remember)
    save(model, file, for_serving=for_serving)
    return file
