"""Checkpoints of Flax and Orbax, which hold trees of arrays, read as named arrays: "params/tower/kernel".

    flax.serialization.to_bytes         one file of MessagePack, in which an array is its shape, its dtype and its bytes
    orbax.checkpoint                    a folder, which Orbax reads; it is asked for the shapes before it is asked for the arrays

Both go back as they came, array for array; a list goes back as a dictionary with its numbers as keys. Neither holds code. A shape
that its bytes don't fill is refused, and so is a folder whose arrays are far larger than what is stored of them. Sources:
https://flax.readthedocs.io (`flax/serialization.py`), https://orbax.readthedocs.io.
"""

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import msgpack
import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.errors import DataError
from ifru_jax.interop.containers import check_unpacked, existing, unreadable

_ARRAY, _COMPLEX, _SCALAR = 1, 2, 3
_CHUNKED = "__msgpack_chunked_array__"
_DEEPEST = 100


def read_flax(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a file that `flax.serialization.to_bytes` made, by the names on the way to them.

    Raises:
      DataError: no such file, a damaged one, or one that holds other things than arrays and numbers.
    """
    source = existing(path)
    try:
        tree = msgpack.unpackb(source.read_bytes(), ext_hook=_unpacked, raw=False, strict_map_key=False)
        return dict(_leaves(tree))
    except DataError:
        raise
    except Exception as error:  # of MessagePack, of shapes and of dtypes
        raise unreadable(source, "a checkpoint of Flax", error) from error


def flax_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """What `flax.serialization.from_bytes` reads, of arrays by the names on the way to them."""

    def packed(array: np.ndarray) -> msgpack.ExtType:
        content = msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True)
        return msgpack.ExtType(_ARRAY, content or b"")

    return msgpack.packb(_tree({name: packed(array) for name, array in arrays.items()}), strict_types=True) or b""


def _tree(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Dictionaries in dictionaries, by the names on the way; those of a list are its numbers."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *way, last = name.split("/")
        at = tree
        for key in way:
            at = at.setdefault(key, {})
        at[last] = leaf
    return tree


def read_orbax(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a folder that a checkpointer of Orbax wrote, by the names on the way to them.

    Raises:
      DataError: no such folder, one that is none of Orbax, a damaged one, or one that says it holds far more than is stored.
    """
    source = Path(path).absolute()
    if not source.is_dir():
        raise DataError(f"{source} is not a folder: give the folder of a checkpoint.")
    orbax = _orbax()
    try:
        with _quiet(), orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as checkpointer:
            found = checkpointer.metadata(source).item_metadata
            if found is None:
                raise DataError(f"{source} holds no tree of arrays: give the folder of one step and one item, as step/default.")
            shapes = [leaf for leaf in jax.tree.leaves(found.tree) if hasattr(leaf, "shape")]
            whole = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in shapes)
            check_unpacked(source, whole, sum(file.stat().st_size for file in source.rglob("*") if file.is_file()))
            asked = jax.tree.map(lambda _: orbax.RestoreArgs(restore_type=np.ndarray), found.tree)
            return dict(_leaves(checkpointer.restore(source, restore_args=asked)))
    except DataError:
        raise
    except Exception as error:  # of Orbax and of TensorStore
        raise unreadable(source, "a checkpoint of Orbax", error) from error


def write_orbax(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Makes the folder of a checkpoint, as `StandardCheckpointer` does, of arrays by the names on the way to them; all or nothing.

    Raises:
      DataError: it can't be written.
    """
    try:
        with _quiet(), _orbax().StandardCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), _tree(arrays))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be written ({error}): give a path in a folder that is there.") from error


def _orbax() -> Any:
    return needed("orbax.checkpoint", "checkpoints of Orbax need orbax-checkpoint", extra="interop")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what it says of how a checkpoint is sharded."""
    logger, level = logging.getLogger("absl"), logging.getLogger("absl").level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _unpacked(code: int, content: bytes) -> Any:
    if code not in (_ARRAY, _SCALAR):
        raise ValueError(f"it holds what is no array (type {code})")
    shape, name, data = msgpack.unpackb(content, raw=False)
    # Of another number of bytes than the shape has, or of objects, both raise.
    return np.frombuffer(data, np.dtype(jax.numpy.dtype(name))).reshape(shape)


def _leaves(tree: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays and numbers; what a state holds beside, such as an empty state of an optimiser, is no array."""
    if len(way) > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(tree, Mapping) and tree.get(_CHUNKED):
        parts = [tree["chunks"][key] for key in sorted(tree["chunks"], key=int)]
        shape = [int(tree["shape"][key]) for key in sorted(tree["shape"], key=int)]
        yield "/".join(way), np.concatenate(parts).reshape(shape)
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, (*way, str(key)))
    elif isinstance(tree, list | tuple):
        for place, value in enumerate(tree):
            yield from _leaves(value, (*way, str(place)))
    elif isinstance(tree, np.ndarray | np.generic | int | float):
        yield "/".join(way), np.asarray(tree)
