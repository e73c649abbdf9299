"""States of a store: a folder each, with the model and the interactions that were held out of its training.

A state is written once, under a name that no other has, and is never changed. It counts once the database names it; what the
database doesn't name is left over from a process that died, and is destroyed by the next writer.
"""

import hashlib
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.array_files import read_arrays, write_arrays
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.files import flush_folder, overwrite_with_zeros
from ifru_jax.models import Recommender
from ifru_jax.store import models
from ifru_jax.store.models import Model
from ifru_jax.training import LossLike

FOLDER = "states"
MODEL, HELD_OUT = "model.npz", "held_out.npz"
_COLUMNS = ("users", "items", "labels", "timestamps", "groups", "observed")
_PARTS = ("valid", "test")


@dataclass(frozen=True, eq=False)
class State:
    """What a store holds at a time.

    Attributes:
      model: with the interactions it stands for.
      valid, test: held out of its training, in the rows of its tables; None where there are none.
    """

    model: Model
    valid: Interactions | None = None
    test: Interactions | None = None

    @property
    def parts(self) -> dict[str, Interactions]:
        """What was held out, as far as there is any, by the names of the attributes."""
        return {name: part for name, part in (("valid", self.valid), ("test", self.test)) if part is not None}

    @property
    def held_out(self) -> int:
        """How many interactions were held out."""
        return sum(map(len, self.parts.values()))


def write(store: Path, state: State) -> tuple[str, str]:
    """Writes a state and flushes it to disk, before anything names it.

    Returns:
      Its name and its digest.
    """
    name = secrets.token_hex(8)
    folder = store / FOLDER / name
    folder.mkdir(parents=True)
    models.write(state.model, folder / MODEL)
    arrays = {}
    for part, data in state.parts.items():
        arrays |= {f"{part}/{c}": getattr(data, c) for c in _COLUMNS if getattr(data, c) is not None}
    if arrays:
        write_arrays(folder / HELD_OUT, arrays)
    flush_folder(folder)
    flush_folder(folder.parent)
    return name, digest_of(store, name)


def read(store: Path, name: str, *, model: Recommender | None = None, loss: LossLike | None = None) -> State:
    """Reads a state; model and loss as in `load`.

    Raises:
      DataError: it isn't there (any more), or as `load`.
      ModelError: as `load`.
    """
    folder = store / FOLDER / name
    if not (folder / MODEL).is_file():
        raise _gone(folder)
    trained = models.read(folder / MODEL, model=model, loss=loss)
    if not (folder / HELD_OUT).is_file():
        # Stores of before didn't take what stopped a training for held out.
        return State(trained, valid=models.held_out(trained))
    try:
        arrays, sealed = read_arrays(folder / HELD_OUT)
        if not sealed:
            raise DataError("its checksum is gone")
        return State(trained, **{part: _held_out(arrays, part, trained.interactions) for part in _PARTS})
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{folder / HELD_OUT} is damaged ({error}): bring the store back from a copy.") from error


def _gone(folder: Path) -> DataError:
    return DataError(f"the state {folder} is not there: bring the store back from a copy.")


def _held_out(arrays: dict[str, np.ndarray], part: str, tables: Interactions) -> Interactions | None:
    columns: dict[str, Any] = {c: arrays[f"{part}/{c}"] for c in _COLUMNS if f"{part}/{c}" in arrays}
    return replace(tables, **{"timestamps": None, "groups": None} | columns) if columns else None


def digest_of(store: Path, name: str) -> str:
    """SHA-256 of the names and contents of the files of a state.

    Raises:
      DataError: it isn't there.
    """
    folder = store / FOLDER / name
    if not folder.is_dir():
        raise _gone(folder)
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            found.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def destroy(store: Path, name: str) -> None:
    """Overwrites the files of a state with zeros and removes them; nothing if it is gone.

    A file system that writes to a new place each time, a solid-state disk or a backup may keep what was there.
    """
    folder = store / FOLDER / name
    if not folder.exists():
        return
    for path in folder.iterdir():
        overwrite_with_zeros(path)
    shutil.rmtree(folder)
    flush_folder(folder.parent)


def destroy_others(store: Path, named: set[str]) -> int:
    """Destroys every state that is not named, and says how many; only for the one who writes."""
    folder = store / FOLDER
    left_over = [path.name for path in folder.iterdir() if path.name not in named] if folder.is_dir() else []
    for name in left_over:
        destroy(store, name)
    return len(left_over)
