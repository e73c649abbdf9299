"""The devices of a mesh in their one axis, the processes that have them, and what those tell one another.

Over several devices everything has rows, cut into equal blocks, one per device, along the axis `ROWS`. What processes tell one
another are numbers of one shape that all of them have: counts, flags of nodes, checksums. Every process has to ask.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.sharding import Mesh

from ifru_jax.errors import DataError

ROWS = "rows"


def in_one_axis(mesh: Mesh) -> Mesh:
    """The devices of a mesh in their order, along `ROWS`; without shardings in types, which one of `jax.make_mesh` may ask for."""
    return Mesh(np.asarray(mesh.devices).reshape(-1), (ROWS,))


def blocks(size: int, mesh: Mesh) -> int:
    """Rows of each device where there are `size` in all; the last blocks are filled up."""
    return -(-size // mesh.size)


def own_blocks(mesh: Mesh, process: int | None = None) -> np.ndarray:
    """int [k], ascending: the numbers of the devices of a process, by default of this one, in a mesh of one axis."""
    owners = np.array([device.process_index for device in mesh.devices.flat])
    return np.flatnonzero(owners == (jax.process_index() if process is None else process))


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


def of_all_devices(values: np.ndarray, mesh: Mesh) -> np.ndarray:
    """[devices, …] in the order of the mesh, where each process has those of its own devices, [own devices, …]."""
    count = among_processes(mesh)[1]
    if count == 1:
        return values
    places = [own_blocks(mesh, process) for process in range(count)]
    sent = np.zeros((max(map(len, places)), *values.shape[1:]), values.dtype)
    sent[: len(values)] = values
    out = np.zeros((mesh.size, *values.shape[1:]), values.dtype)
    for own, found in zip(places, _of_all_processes(sent, mesh), strict=True):
        out[own] = found[: len(own)]
    return out


def same_token(mesh: Mesh | None) -> str:
    """Eight hexadecimal digits that no other call gives, the same in all processes."""
    return f"{int(_of_all_processes(np.array(secrets.randbits(32), np.uint32), mesh)[0]):08x}"


def _of_all_processes(values: np.ndarray, mesh: Mesh | None) -> np.ndarray:
    """Each process's values [...], one after the other, [processes, ...]."""
    count = among_processes(mesh)[1]
    if count == 1 or not values.size:
        return np.broadcast_to(values[None], (count, *values.shape))
    from jax.experimental import multihost_utils  # only who is distributed waits for it

    # As bytes: whatever the precision in use is, what comes is what was sent.
    sent = np.frombuffer(values.tobytes(), np.uint8)
    found = np.asarray(multihost_utils.process_allgather(sent)).reshape(count, -1)
    return np.ascontiguousarray(found).view(values.dtype).reshape(count, *values.shape)
