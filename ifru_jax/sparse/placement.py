"""From the host to the device, or to the devices of a mesh: the one place where arrays are put there.

Over several devices everything has rows: tables, a column of the interactions, the pattern of each device. Their first axis is cut
into equal blocks, one per device, along the axis `ROWS`. What has no rows, and every single number, is on all of them.

>>> from jax.sharding import Mesh
>>> import jax, numpy as np
>>> with on_mesh(Mesh(np.array(jax.devices()[:1]), ("rows",))):
...     current_mesh().size
1
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ifru_jax.errors import check_kind

ROWS = "rows"
_mesh: ContextVar[Mesh | None] = ContextVar("ifru_mesh", default=None)


def on_device(tree: Any) -> Any:
    """The same arrays on the default device; those that are there stay as they are."""
    return jax.device_put(tree)


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


@contextmanager
def first_process(mesh: Mesh | None) -> Iterator[bool]:
    """Whether this process is to do what only one of a mesh's processes does; the others wait at the end of the block."""
    several = mesh is not None and mesh.is_multi_process
    try:
        yield not several or jax.process_index() == 0
    finally:
        if several:
            from jax.experimental import multihost_utils  # only who is distributed waits for it

            multihost_utils.sync_global_devices("ifru_jax")


def blocks(size: int, mesh: Mesh) -> int:
    """Rows of each device where there are `size` in all; the last blocks are filled up."""
    return -(-size // mesh.size)


def on_host(array: Any) -> np.ndarray:
    """The whole array, wherever it is; where it is over several processes, all of them have to ask for it."""
    if isinstance(array, jax.Array) and not (array.is_fully_addressable or array.is_fully_replicated):
        from jax.experimental import multihost_utils  # only who is distributed waits for it

        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)
