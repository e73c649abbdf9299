"""Between the host and the device, or the devices of a mesh: the one place where arrays are put there, and read back.

Both ways are explicit, so that a request runs under `jax.transfer_guard("disallow")`.


Over several devices everything has rows: tables, a column of the interactions, the pattern of each device. Their first axis is cut
into equal blocks, one per device, along the axis `ROWS`. What has no rows, and every single number, is on all of them.

>>> from jax.sharding import Mesh
>>> import jax, numpy as np
>>> with on_mesh(Mesh(np.array(jax.devices()[:1]), ("rows",))):
...     current_mesh().size
1
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ifru_jax.errors import DataError, check_kind

ROWS = "rows"
_mesh: ContextVar[Mesh | None] = ContextVar("ifru_mesh", default=None)


def on_device(tree: Any) -> Any:
    """The same arrays on the default device; those that are there stay as they are."""
    leaves, shape = jax.tree.flatten(tree)
    sent = iter(jax.device_put([leaf for leaf in leaves if not isinstance(leaf, jax.Array)]))
    return shape.unflatten([leaf if isinstance(leaf, jax.Array) else next(sent) for leaf in leaves])


@contextmanager
def on_mesh(mesh: Mesh | None) -> Iterator[None]:
    """Within the block, `fit`, `load` and `Trained.of` put models and data over the devices of a mesh.

    What was put there stays there: requests and evaluation need no such block. Every process of `jax.distributed` has to do the
    same with the same data.

    Args:
      mesh: any mesh of JAX; its devices are taken in their order, whatever its axes are. None stands for the default device alone.

    Raises:
      DataError: something that is no mesh.
    """
    if mesh is not None:
        check_kind("mesh", mesh, Mesh, "give a mesh, such as jax.make_mesh((8,), ('rows',)), or None for one device")
    # One axis, and no shardings in types, which a mesh of `jax.make_mesh` may ask for.
    token = _mesh.set(None if mesh is None else Mesh(np.asarray(mesh.devices).reshape(-1), (ROWS,)))
    try:
        yield
    finally:
        _mesh.reset(token)


def current_mesh() -> Mesh | None:
    """The mesh of `on_mesh`, with the one axis `ROWS`; None for the default device."""
    return _mesh.get()


def by_rows(mesh: Mesh) -> NamedSharding:
    """Blocks of the first axis."""
    return NamedSharding(mesh, PartitionSpec(ROWS))


def everywhere(mesh: Mesh) -> NamedSharding:
    """The same on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_mesh(tree: Any, sharding: NamedSharding) -> Any:
    """Arrays of the host on a mesh; every process puts what its devices hold."""

    def put(array: Any) -> jax.Array:
        found = np.asarray(array)
        return jax.make_array_from_callback(found.shape, sharding, lambda place: found[place])

    return jax.tree.map(put, tree)


def mesh_of(array: jax.Array) -> Mesh | None:
    """The mesh of `on_mesh` that an array is over; None elsewhere."""
    sharding = array.sharding
    return sharding.mesh if isinstance(sharding, NamedSharding) and sharding.mesh.axis_names == (ROWS,) else None  # pyright: ignore[reportReturnType]


def among_processes(mesh: Mesh | None) -> tuple[int, int]:
    """The number of this process among those of a mesh, and how many they are; (0, 1) where a mesh is of one."""
    return (jax.process_index(), jax.process_count()) if mesh is not None and mesh.is_multi_process else (0, 1)


@contextmanager
def in_all_processes(mesh: Mesh | None) -> Iterator[None]:
    """What fails in one process of a mesh fails in all, in place of leaving the others to wait; they leave the block together.

    Raises:
      DataError: another process failed. What failed in this one is raised as it is.
    """
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    flags = _of_all_processes(np.array(failed is not None), mesh)
    if flags.any():
        raise failed or DataError(f"process {int(flags.argmax())} failed, and says why: this one goes no further without it.")


@contextmanager
def first_process(mesh: Mesh | None) -> Iterator[bool]:
    """Whether this process is to do what only one of a mesh's processes does; see `in_all_processes`."""
    with in_all_processes(mesh):
        yield among_processes(mesh)[0] == 0


def sum_over_processes(values: np.ndarray, mesh: Mesh | None) -> np.ndarray:
    """Σ of each process's values, of one shape."""
    return _of_all_processes(values, mesh).sum(axis=0, dtype=values.dtype)


def same_token(mesh: Mesh | None) -> str:
    """Eight hexadecimal digits that no other call gives, the same in all processes."""
    return f"{int(_of_all_processes(np.array(secrets.randbits(32), np.uint32), mesh)[0]):08x}"


def _of_all_processes(values: np.ndarray, mesh: Mesh | None) -> np.ndarray:
    """Each process's values [...], one after the other, [processes, ...]."""
    if among_processes(mesh)[1] == 1:
        return values[None]
    from jax.experimental import multihost_utils  # only who is distributed waits for it

    return np.asarray(multihost_utils.process_allgather(values)).reshape(-1, *values.shape)


def blocks(size: int, mesh: Mesh) -> int:
    """Rows of each device where there are `size` in all; the last blocks are filled up."""
    return -(-size // mesh.size)


def on_host(tree: Any) -> Any:
    """The same arrays, whole, where NumPy can read them.

    All are asked for before the first is waited for, and memory that is shared isn't copied. What is over several processes, all of
    them have to ask for.
    """
    if isinstance(tree, np.ndarray):
        return tree
    leaves = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]
    if not all(leaf.is_fully_addressable or leaf.is_fully_replicated for leaf in leaves):
        from jax.experimental import multihost_utils  # only who is distributed waits for it

        return jax.tree.map(np.asarray, multihost_utils.process_allgather(tree, tiled=True))
    if any(on_accelerator(leaf) for leaf in leaves):
        return jax.device_get(tree)
    return jax.tree.map(np.asarray, tree)


def on_accelerator(array: Any) -> bool:
    """Whether an array is in a memory that is not the host's: there, what can be computed is not sent."""
    return isinstance(array, jax.Array) and any(device.platform != "cpu" for device in array.devices())
