"""A model as a folder: its tables by Orbax, blocks of rows that each process writes and reads for itself, and all else in one file.

    FOLDER/model.npz          what a single file holds but for the trees of parameters, and the SHA-256 of every file below
    FOLDER/shards-TOKEN/      the trees, one checkpoint of Orbax; and interactions-K.npz, where each process K has a share of them

The file is written last and in one move, and names the shards that count. So what is half-written is not there: a save that dies
leaves the model as it was, and shards that no file names, which the next one removes. Rows that fill up tables are in the shards as
they lay, zeros, and are left out or made anew as the number of devices wants when they are read.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, Sharding, SingleDeviceSharding

from ifru_jax.array_files import read_arrays, write_arrays
from ifru_jax.checkpoint.contents import Contents, Shapes
from ifru_jax.data.extras import needed
from ifru_jax.data.share import Share
from ifru_jax.errors import DataError
from ifru_jax.files import as_json, flush_folder
from ifru_jax.locks import alone
from ifru_jax.meshes import among_processes, blocks, in_all_processes, same_token, sum_over_processes
from ifru_jax.models import Params, Side
from ifru_jax.sparse.placement import by_rows, current_mesh, everywhere
from ifru_jax.training import Trained
from ifru_jax.training.over_mesh import real_shapes

FILE = "model.npz"
_LOCK = ".saving"
_SHARDS = re.compile(r"shards-[0-9a-f]{8}")
# Columns that have an entry for every interaction.
_OF_A_SHARE = re.compile(r"data/(users|items|labels|timestamps|groups|observed)|record/valid/.*")


def write_folder(path: Path, contents: Contents, trained: Trained) -> None:
    """Writes the parts of a model into the folder `path`; see `save`."""
    mesh = trained.training_set.mesh
    if mesh is None and jax.process_count() > 1:
        raise DataError(
            f"the model is over no mesh, and one of {jax.process_count()} processes writes no shards by itself: leave sharded out, "
            "with a path for each process, or put it over a mesh with on_mesh."
        )
    try:
        folder = Path(os.path.realpath(path))
    except ValueError as error:
        raise DataError(f"{str(path)!r} is no path ({error}): give the path of a folder.") from error
    first = among_processes(mesh)[0] == 0
    shards = folder / f"shards-{same_token(mesh)}"
    with contextlib.ExitStack() as held:
        with in_all_processes(mesh):
            if first:
                _make(folder)
                held.enter_context(alone(folder / _LOCK, f"{folder} is being written by another process: wait for it."))
                _remove_all_but(_named(folder), folder)
        try:
            with _checkpointer(mesh) as checkpointer:
                leaves = {_key(tree, name): leaf for tree, of in contents.trees.items() for name, leaf in of.items()}
                checkpointer.save(shards, leaves)
            arrays, shares = _without_share(contents.arrays, shards, trained)
            description = contents.description | {
                "shards": {
                    "folder": shards.name,
                    "sha256": {name: digest.hex() for name, digest in _digests(shards, mesh).items()},
                    "shapes": {tree: _shapes(params, trained) for tree, params in contents.trees.items()},
                    "shares": shares,
                }
            }
            with in_all_processes(mesh):
                if first:
                    flush_folder(folder)
                    described = np.asarray(as_json(description))
                    write_arrays(folder / FILE, arrays | {"description": described})
                    _remove_all_but(shards.name, folder)
        except BaseException as error:
            if first:
                shutil.rmtree(shards, ignore_errors=True)
            if isinstance(error, Exception) and not isinstance(error, DataError):
                left = "what was there before is whole" if (folder / FILE).exists() else "nothing that counts was written"
                raise DataError(
                    f"{folder} can't be written ({_reason(error)}): {left}. Make room or choose another place."
                ) from error
            raise


def _without_share(arrays: dict[str, np.ndarray], shards: Path, trained: Trained) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What all processes have alike, and the files into which each wrote its share of the interactions, with the users of each."""
    share = trained.interactions.share
    if share is None:
        return arrays, {}
    index, count = among_processes(share.mesh)
    own = {name: column for name, column in arrays.items() if _OF_A_SHARE.fullmatch(name)}
    users = np.zeros((count, 2), np.int64)
    users[index] = share.first, share.last
    with share.together():
        write_arrays(shards / f"interactions-{index}.npz", own)
    named = {f"interactions-{k}.npz": bounds for k, bounds in enumerate(share.added_up(users).tolist())}
    return {name: array for name, array in arrays.items() if name not in own}, named


def read_share(path: Path, described: Mapping[str, Any], num_users: int) -> tuple[dict[str, np.ndarray], Share | None]:
    """The interactions that processes wrote, those of the users whose rows the devices of this process will have.

    Args:
      path: the folder.
      described: what its file says of the shards, which `open_folder` found to be whole.
      num_users: rows of the user table.

    Returns:
      The columns, in the order of the users, none where the folder's own file has them; and whose they are.
    """
    # Older folders have none.
    shares: dict[str, list[int]] = described.get("shares", {})
    share = Share.of(current_mesh(), num_users) if shares else None
    found: dict[str, list[np.ndarray]] = {}
    in_order = sorted(shares, key=shares.__getitem__)
    own = [file for file in in_order if share is None or (shares[file][0] < share.last and shares[file][1] > share.first)]
    with in_all_processes(current_mesh()):
        # Of one at a time those of others are left out; where there are no own ones, all of it.
        for file in own or in_order[:1]:
            arrays = read_arrays(path / described["folder"] / file).arrays
            for name, column in arrays.items():
                users = arrays[name.rpartition("/")[0] + "/users"]
                kept = slice(None) if share is None else (users >= share.first) & (users < share.last)
                found.setdefault(name, []).append(column[kept])
    return {name: np.concatenate(columns) for name, columns in found.items()}, share


def open_folder(path: Path, described: Mapping[str, Any]) -> "ShardedTrees":
    """The trees of a folder, once every file of them was found to be what was written.

    Args:
      path: the folder.
      described: what its file says of the shards.

    Raises:
      DataError: a file is missing, is one too many, or has changed.
      KeyError, TypeError: a description without a part.
    """
    name, expected = described["folder"], described["sha256"]
    shapes = {tree: {key: tuple(shape) for key, shape in of.items()} for tree, of in described["shapes"].items()}
    if not _SHARDS.fullmatch(name):
        raise DataError(f"{path / FILE} names {name!r} as its shards: it is damaged or something else.")
    mesh, shards = current_mesh(), (path / name).absolute()
    remedy = "Use a copy of it, or fit and save anew."
    with in_all_processes(mesh):
        there = _files(shards).keys()
        if missing := sorted(expected.keys() - there):
            many = f"{len(missing)} of {len(expected)} files of {name} are missing"
            raise DataError(f"{path} is damaged: {many}, {missing[0]} first. {remedy}")
        if others := sorted(there - expected.keys()):
            raise DataError(f"{path} is damaged: {name} has {others[0]}, which was not written with it. {remedy}")
    found = _digests(shards, mesh)
    if changed := [file for file, digest in found.items() if digest.hex() != expected[file]]:
        raise DataError(f"{path} is damaged: the checksum of {name}/{changed[0]} is wrong. {remedy}")
    return ShardedTrees(shards, shapes, mesh)


@dataclass(frozen=True)
class ShardedTrees:
    """Trees in a checkpoint of Orbax, read onto the devices of a mesh, or onto the default device.

    Attributes:
      shards: the checkpoint.
      real_shapes: of every tree, without rows that fill up tables.
      mesh: where to; None for the default device.
    """

    shards: Path
    real_shapes: dict[str, Shapes]
    mesh: Mesh | None

    def shapes(self, tree: str) -> Shapes:
        return self.real_shapes[tree]

    def read(self, tree: str, tables: Mapping[str, Side]) -> Params:
        orbax = _orbax()
        asked = {}
        for name, shape in self.real_shapes[tree].items():
            sharding, shape = self._placed(shape, name in tables)
            # Not strict: rows that filled a table up are left out, and those that are to fill it up are zeros.
            asked[_key(tree, name)] = orbax.ArrayRestoreArgs(
                sharding=sharding, global_shape=shape, dtype=jnp.result_type(float), strict=False
            )
        with _checkpointer(self.mesh) as checkpointer:
            wanted = orbax.args.PyTreeRestore(item=dict.fromkeys(asked, 0), restore_args=asked, partial_restore=True)
            found = checkpointer.restore(self.shards, args=wanted)
        return {name: found[_key(tree, name)] for name in self.real_shapes[tree]}

    def _placed(self, shape: tuple[int, ...], is_table: bool) -> tuple[Sharding, tuple[int, ...]]:
        if self.mesh is None:
            return SingleDeviceSharding(jnp.zeros(()).device), shape  # pyright: ignore[reportArgumentType]
        if not is_table:
            return everywhere(self.mesh), shape
        return by_rows(self.mesh), (blocks(shape[0], self.mesh) * self.mesh.size, *shape[1:])


def _shapes(params: Params, trained: Trained) -> Shapes:
    return {name: of.shape for name, of in real_shapes(params, trained.model.tables, trained.training_set).items()}


def _key(tree: str, name: str) -> str:
    """A name that is one step of a path, whatever the parameter is called."""
    return quote(f"{tree}/{name}", safe="")


def _files(folder: Path) -> dict[str, Path]:
    """All files below a folder, in one order for all processes."""
    return {str(file.relative_to(folder).as_posix()): file for file in sorted(folder.rglob("*")) if file.is_file()}


def _digests(folder: Path, mesh: Mesh | None) -> dict[str, bytes]:
    """The SHA-256 of all files of a folder, of which each process reads its share."""
    files = _files(folder)
    own, (index, count) = np.zeros((len(files), hashlib.sha256().digest_size), np.uint8), among_processes(mesh)
    with in_all_processes(mesh):
        for number, file in list(enumerate(files.values()))[index::count]:
            with open(file, "rb") as opened:
                own[number] = np.frombuffer(hashlib.file_digest(opened, "sha256").digest(), np.uint8)
    return {name: digest.tobytes() for name, digest in zip(files, sum_over_processes(own, mesh), strict=True)}


def _make(folder: Path) -> None:
    """The folder, which is there afterwards and holds nothing but what is written here."""
    if not folder.parent.is_dir():
        raise DataError(f"the folder {folder.parent} does not exist: make it first.")
    if os.path.lexists(folder) and not folder.is_dir():
        raise DataError(f"{folder} is a file: with sharded=True give the path of a folder.")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {folder} can't be made ({error.strerror}): choose another place.") from error
    if not os.access(folder, os.W_OK):
        raise DataError(f"{folder} is write-protected: lift that, or give another path.")
    ours = (FILE, f".{FILE}", _LOCK)
    others = [one.name for one in folder.iterdir() if not (one.name.startswith(ours) or _SHARDS.match(one.name))]
    if others:
        raise DataError(f"{folder} holds {others[0]!r}, which is of no model: give a folder that is empty or not there.")


def _named(folder: Path) -> str | None:
    """The shards that the file in a folder names; None where there is no file."""
    if not (folder / FILE).exists():
        return None
    try:
        return json.loads(str(read_arrays(folder / FILE).arrays["description"]))["shards"]["folder"]
    except (ValueError, KeyError, TypeError, DataError) as error:
        raise DataError(
            f"{folder / FILE} is no part of a folder of shards, or damaged: give another folder, or remove it."
        ) from error


def _remove_all_but(kept: str | None, folder: Path) -> None:
    for one in folder.iterdir():
        # What Orbax was writing when it was killed has the name of the shards and more.
        if _SHARDS.match(one.name) and one.name != kept:
            shutil.rmtree(one, ignore_errors=True)


def _reason(error: BaseException) -> str:
    lines = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return lines.splitlines()[0][:200]


def _orbax() -> Any:
    return needed("orbax.checkpoint", "folders of shards need orbax-checkpoint", extra="large")


@contextlib.contextmanager
def _checkpointer(mesh: Mesh | None) -> Iterator[Any]:
    """What reads and writes shards, with all processes of a mesh or in this one alone."""
    orbax, alone_here = _orbax(), {}
    if mesh is None and jax.process_count() > 1:
        here = jax.process_index()
        alone_here["multiprocessing_options"] = orbax.options.MultiprocessingOptions(here, {here}, f"ifru-{here}")
    logger, level = logging.getLogger("absl"), logging.getLogger("absl").level
    logger.setLevel(logging.ERROR)  # of what it does, and of another number of devices
    try:
        with orbax.Checkpointer(orbax.PyTreeCheckpointHandler(**alone_here), **alone_here) as checkpointer:
            yield checkpointer
    finally:
        logger.setLevel(level)
