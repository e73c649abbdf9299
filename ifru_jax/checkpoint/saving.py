"""Saving and loading a trained model.

One file, the default, is an uncompressed `.npz` with a checksum (`array_files`): the parameters, the retained interactions, the
numbers of the objective and the damping; after a request nothing of the forgotten data, as `Trained` itself. A folder holds the
same, with the tables as blocks of rows that no process gathers (`checkpoint.folder`).
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.array_files import read_arrays, write_arrays
from ifru_jax.checkpoint.contents import ArrayTrees, assembled, contents_of
from ifru_jax.checkpoint.folder import FILE, open_folder, read_share, write_folder
from ifru_jax.compiled import keep_compiled
from ifru_jax.data.share import check_whole
from ifru_jax.errors import DataError, check_kind
from ifru_jax.files import as_json
from ifru_jax.forks import check_not_forked
from ifru_jax.meshes import first_process
from ifru_jax.models import Recommender
from ifru_jax.training import LossLike, Trained
from ifru_jax.training.over_mesh import real_rows
from ifru_jax.unlearning import compaction

# Files of format 1 have no checksum.
_FORMAT, _READ = 2, (1, 2)


def save(trained: Trained, path: str | Path, *, for_serving: bool = False, compact: bool = False, sharded: bool = False) -> None:
    """Writes a trained model to `path` (by convention `.npz`), all or nothing.

    A model over the devices of a mesh is gathered on the host, and its file is that of one device. Of several processes all call
    this, and the first writes. With `sharded` nothing is gathered: `path` is a folder, and every process writes the rows that its
    devices hold, and its share of the interactions where it has one. All processes have to see that folder. Either can be loaded on
    any number of devices.

    Whatever keeps it from being written, a full disk or a process that is killed, what was there before is whole. Where `path` is a
    symbolic link the link stays, and what it points to is replaced.

    Args:
      trained: the model.
      path: the file, or the folder, which is made if it isn't there.
      for_serving: leaves out the record of the training, which only requests need; it is twice the parameters per segment.
      compact: leaves out the rows that have no data, with the others in random order, so that the file tells neither who was erased
        nor how many; see `unlearning.compaction`. Without, the place of an erased row among the others tells whose it was.
      sharded: writes a folder.

    Raises:
      DataError: there is no such folder, `path` is something else than a file (a folder of a model), or it can't be written; or
        Orbax is missing, which writes the blocks.
      ModelError: `compact` with a model whose tables have sizes of their own.
    """
    check_not_forked()
    remedy = "give what fit, load or unlearn returned, and the path after it; exact.save writes an exact model"
    check_kind("trained", trained, Trained, remedy)
    check_kind("path", path, (str, os.PathLike), "give the path of a file")
    if compact:
        trained, _ = compaction.compact(trained, np.random.default_rng(secrets.randbits(128)))
    contents, data = contents_of(trained, with_record=not for_serving), trained.training_set
    contents.description["format"] = _FORMAT
    if sharded:
        write_folder(Path(path), contents, trained)
        return
    check_whole(trained.interactions, "a single file")
    trees = ((name, real_rows(tree, trained.model.tables, data)) for name, tree in contents.trees.items())
    arrays = contents.arrays | {f"{tree}/{name}": leaf for tree, leaves in trees for name, leaf in leaves.items()}
    arrays["description"] = np.asarray(as_json(contents.description))
    with first_process(data.mesh) as writes:
        if writes:
            write_arrays(path, arrays)


def load(path: str | Path, *, model: Recommender | None = None, loss: LossLike | None = None) -> Trained:
    """Reads what `save` wrote, a file or a folder; within `on_mesh`, over the devices of a mesh.

    Args:
      path: the file or the folder. Of a folder each process reads the rows that its devices will hold, and their interactions where
        they were written in shares.
      model: needed for a model that does not ship with ifru_jax; the file has only its parameters.
      loss: needed for a loss that does not ship; any other is rebuilt from its name and numbers.

    Raises:
      DataError: no such file, one that `save` did not write or did not finish, or one that is damaged: a single byte that changed
        is found.
      ModelError: a model is needed, or the one given doesn't fit the parameters.
    """
    check_not_forked()
    check_kind("path", path, (str, os.PathLike), "give the path that was passed to save")
    source = Path(path)
    whole = source.is_dir()
    if whole and not (source / FILE).is_file():
        raise DataError(
            f"{source} is not a file, and as a folder it has no {FILE}: it is no saved model, or was not finished. Give the "
            "path that was passed to save, or save anew."
        )
    arrays, sealed = read_arrays(source / FILE if whole else source)
    description = _described(source, arrays, sealed)
    if whole != ("shards" in description):
        raise DataError(
            f"{source} holds a model in one file: give {source / FILE}."
            if whole
            else f"{source} is a part of the model in the folder {source.parent}: give that folder."
        )
    keep_compiled()
    try:
        if not whole:
            return assembled(arrays, description, ArrayTrees(arrays), model=model, loss=loss)
        trees = open_folder(source, description["shards"])
        columns, share = read_share(source, description["shards"], description["sizes"][0])
        return assembled(arrays | columns, description, trees, model=model, loss=loss, share=share)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} lacks a part of a saved model ({error}): it is damaged or something else.") from error


def _described(path: Path, arrays: dict[str, np.ndarray], sealed: bool) -> dict[str, Any]:
    try:
        description = json.loads(str(arrays["description"]))
        if "exact" in description:
            raise DataError(f"{path} is an exact model, {description['exact']}: read it with ifru_jax.exact.load.")
        written = description["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no saved model ({error}): it is damaged or something else.") from error
    if written not in _READ:
        raise DataError(f"{path} has format {written}, this version reads {_READ[-1]}: upgrade ifru_jax.")
    if written > 1 and not sealed:
        raise DataError(f"{path} is damaged: its checksum is missing. Use a copy of it, or fit and save anew.")
    return description
