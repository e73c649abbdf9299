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

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ifru_jax.errors import check_kind
from ifru_jax.meshes import ROWS, in_one_axis, own_blocks

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
    same with the same data, or with its share of them (`stream_split`).

    Args:
      mesh: any mesh of JAX; its devices are taken in their order, whatever its axes are. None stands for the default device alone.

    Raises:
      DataError: something that is no mesh.
    """
    if mesh is not None:
        check_kind("mesh", mesh, Mesh, "give a mesh, such as jax.make_mesh((8,), ('rows',)), or None for one device")
    token = _mesh.set(None if mesh is None else in_one_axis(mesh))
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


def blocks_over_mesh(tree: Any, mesh: Mesh) -> Any:
    """Arrays in blocks on a mesh, of which this process has those of its own devices, one after the other."""
    own, sharding = own_blocks(mesh).tolist(), by_rows(mesh)

    def put(array: Any) -> jax.Array:
        found = np.asarray(array)
        size = len(found) // len(own)

        def block(place: Any) -> np.ndarray:
            number = own.index((place[0].start or 0) // max(size, 1))
            return found[number * size : (number + 1) * size]

        return jax.make_array_from_callback((size * mesh.size, *found.shape[1:]), sharding, block)

    return jax.tree.map(put, tree)


def mesh_of(array: jax.Array) -> Mesh | None:
    """The mesh of `on_mesh` that an array is over; None elsewhere."""
    sharding = array.sharding
    return sharding.mesh if isinstance(sharding, NamedSharding) and sharding.mesh.axis_names == (ROWS,) else None  # pyright: ignore[reportReturnType]


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
