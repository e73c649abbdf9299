"""Models without the rows of the erased: the one of the store, and those that are given away."""

import secrets
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.data.numbering import in_order
from ifru_jax.errors import ModelError
from ifru_jax.exact import ALSModel
from ifru_jax.interop.export import Exported, Like, ids_beside, write_export
from ifru_jax.interop.export import exported as exported_like
from ifru_jax.store import database, journal, lines, models
from ifru_jax.store.answers import Answer
from ifru_jax.store.commit import Entry
from ifru_jax.store.models import Model
from ifru_jax.store.opened import Opened
from ifru_jax.store.outside import outside
from ifru_jax.store.states import State
from ifru_jax.training import Trained


def compacted(store: Opened) -> Answer:
    """See `Store.compact`; everything is settled."""
    state = store.state
    model, order = models.compact(state.model, np.random.default_rng(secrets.randbits(128)))
    after = State(model, **{name: in_order(part, order) for name, part in state.parts.items()})
    line = store.step(after, Entry("compact", {"counts": lines.sizes(after), "versions": lines.versions()}))
    return Answer(line.number, "compact")


def exported(store: Opened, path: str | Path, *, for_serving: bool, like: Like | None) -> Path:
    """See `Store.export`."""
    with database.reading(store.folder) as connection:
        written = {found for (found,) in connection.execute("SELECT path FROM exports")}
    files = [outside(store.folder, one, ours=lambda file: str(file) in written) for one in _files(path, like)]
    file = files[0]
    model, _ = models.compact(store.state.model, np.random.default_rng(secrets.randbits(128)))
    content = None if like is None else _content(model, like)

    def remember(connection: Any, line: journal.Line) -> None:
        connection.executemany("INSERT INTO exports VALUES (?, ?)", [(str(one), line.number) for one in files])

    # Before it is written: a file that nobody knows of would not be reminded of.
    store.note(Entry("export", {"file": str(file), "versions": lines.versions()}), also=remember)
    if content is None:
        models.write(model, file, for_serving=for_serving)
    else:
        write_export(content, file)
    return file


def _files(path: str | Path, like: Like | None) -> list[str | Path]:
    """The file, and that of the ids where they stand beside it."""
    return [path] if like is None else [path, ids_beside(path)]


def _content(model: Model, like: Like) -> Exported:
    if isinstance(model, Trained | ALSModel):
        return exported_like(model, like=like)
    raise ModelError(f"no other system has a file for {model!r}: leave like out.")
