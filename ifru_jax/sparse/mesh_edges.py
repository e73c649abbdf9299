"""A pattern over the devices of a mesh, and the two sparse operations on it.

    device k holds   rows k R … (k + 1) R − 1 of the table of rows, R = ⌈rows / devices⌉, and all their edges,
                     columns k C … (k + 1) C − 1 of the table of columns, C = ⌈columns / devices⌉

So sums into rows and inner products need nothing of the rows of others, and of the columns those that a device's own edges end in:
its *halo*. `fetch` brings it in one all-to-all, of exactly these rows, padded to the most that any two devices exchange. Sums into
columns are made in the halo and go home by the transpose of the same exchange. In between each device does what one device does,
with the same kernels on its own pattern, and the derivatives are theirs. A Hessian product of an inner product takes two exchanges,
one each way: what a direction is multiplied with is already there.

No row, edge or score is on two devices, and nothing gathers a table or the edges. The patterns of a device are made by the process
that has it, from the edges of its own rows: processes tell one another how many edges they have and which columns they need.
"""

from dataclasses import field

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.custom_derivatives import linear_call
from jax.sharding import Mesh, PartitionSpec

from ifru_jax.errors import DataError
from ifru_jax.meshes import ROWS, blocks, of_all_devices, own_blocks
from ifru_jax.pytree import pytree
from ifru_jax.sparse.edges import Edges, capacity_of, host_edges
from ifru_jax.sparse.placement import blocks_over_mesh, everywhere, on_host, over_mesh
from ifru_jax.sparse.primitives import edge_scores, propagate, propagate_back
from ifru_jax.sparse.reading import read_in, reading

# Where sizes are rounded to: edges of a device, and rows that two devices exchange.
_LEAST_EDGES, _LEAST_SLOTS = 128, 8


@pytree
class MeshEdges:
    """Edges in blocks of `n = mesh.size`, each sorted as those of one device are; padding stands last in its block.

    Attributes:
      rows, cols: int32 [e], numbers in the whole tables.
      mask: bool [e], False for padding.
      starts: int32 [n + 1], on every device: edges starts[k] … starts[k+1] − 1, in the order of the host, are in block k.
      local: the pattern of each device, one after the other: its rows × the slots of its halo.
      sent: what each device sends, one after the other: slots × its columns, one edge for each slot that is in use.
      real_sizes: rows and columns that there are; tables have more where their blocks are filled up.
      mesh: the devices.
      shared: whether the host of a process has the edges of its own devices alone, and not all.
    """

    rows: jax.Array
    cols: jax.Array
    mask: jax.Array
    starts: jax.Array
    local: Edges
    sent: Edges
    real_sizes: tuple[int, int] = field(metadata={"static": True})
    mesh: Mesh = field(metadata={"static": True})
    shared: bool = field(default=False, metadata={"static": True})

    @property
    def count(self) -> int:
        """Edges of all devices, without padding."""
        return int(on_host(self.starts)[-1])

    @property
    def num_rows(self) -> int:
        """Rows of the table, those that fill it up included."""
        return self.local.row_ptr.shape[0] - self.mesh.size

    @property
    def num_cols(self) -> int:
        return self.sent.col_ptr.shape[0] - self.mesh.size

    @property
    def capacity(self) -> int:
        """Edges including padding, of all devices."""
        return self.rows.shape[0]

    @property
    def room(self) -> tuple[int, int]:
        """Edges of a device, and rows that two of them exchange, padding included."""
        return self.capacity // self.mesh.size, self.sent.rows.shape[0] // self.mesh.size**2

    @property
    def numbers(self) -> jax.Array:
        """int32 [e]: the number of each edge in the order of the host; of padding any."""
        size = self.room[0]
        return (self.starts[:-1, None] + jnp.arange(size, dtype=jnp.int32)).reshape(-1)

    def places(self, numbers: jax.Array) -> jax.Array:
        """Where the edges with these numbers in the order of the host stand."""
        block = jnp.searchsorted(self.starts, numbers, side="right") - 1
        return block * self.room[0] + numbers - self.starts[block]

    def column(self, values: np.ndarray, dtype: npt.DTypeLike) -> jax.Array:
        """Values of the edges that the host has, [m] in its order, as they stand beside the edges, [e]; 0 at padding."""
        starts, size, own = on_host(self.starts), self.room[0], own_blocks(self.mesh)
        first = starts[own[0]] if self.shared else 0
        out = np.zeros((len(own), size), dtype)
        for place, block in enumerate(own):
            a, b = starts[block] - first, starts[block + 1] - first
            out[place, : b - a] = values[a:b]
        return blocks_over_mesh(out.reshape(-1), self.mesh)

    def propagate(self, weights: jax.Array, x: jax.Array) -> jax.Array:
        """`sparse.propagate` of weights [e] and x [num_cols, d], both in blocks; so is the result, [num_rows, d]."""

        def own(weights: jax.Array, x: jax.Array, local: Edges, sent: Edges) -> jax.Array:
            return propagate(weights, _fetch(x, sent), local)

        return self._on_each(own, weights, x)

    def propagate_back(self, weights: jax.Array, y: jax.Array) -> jax.Array:
        """`sparse.propagate_back` of weights [e] and y [num_rows, d]; [num_cols, d]."""

        def own(weights: jax.Array, y: jax.Array, local: Edges, sent: Edges) -> jax.Array:
            return _send_home(propagate_back(weights, y, local), sent)

        return self._on_each(own, weights, y)

    def edge_scores(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """`sparse.edge_scores` of a [num_rows, d] and b [num_cols, d]; [e]."""

        def own(a: jax.Array, b: jax.Array, local: Edges, sent: Edges) -> jax.Array:
            return edge_scores(a, _fetch(b, sent), local)

        return self._on_each(own, a, b)

    def rows_at(self, y: jax.Array) -> jax.Array:
        """y[row(e)] of y [num_rows, …]; [e, …]."""
        return self._on_each(lambda y, local, sent: y[local.rows], y)

    def cols_at(self, x: jax.Array) -> jax.Array:
        """x[col(e)] of x [num_cols, …]; [e, …]."""

        def own(x: jax.Array, local: Edges, sent: Edges) -> jax.Array:
            with read_in(None):
                halo = _fetch(x.reshape(len(x), -1), sent)
            return halo.reshape(-1, *x.shape[1:])[local.cols]

        return self._on_each(own, x)

    def _on_each(self, function, *arrays: jax.Array) -> jax.Array:
        over = PartitionSpec(ROWS)
        # Every array is in blocks, so there is nothing to be checked for being the same everywhere.
        mapped = jax.shard_map(function, mesh=self.mesh, in_specs=over, out_specs=over, check_vma=False)
        return mapped(*arrays, self.local, self.sent)


def _fetch(columns: jax.Array, sent: Edges) -> jax.Array:
    """The halo [slots, d] of a device, from each device's block of columns; what is read in bfloat16 is sent in it."""
    with read_in(None):  # each slot is one row as it is
        slots = propagate(sent.mask.astype(columns.dtype), columns, sent)
    if (narrow := reading()) is None:
        return _exchanged(slots)

    def in_narrow(_: tuple[()], slots: jax.Array) -> jax.Array:
        return _exchanged(slots.astype(narrow)).astype(slots.dtype)

    # Sums on their way home are no rows that anybody reads.
    return linear_call(in_narrow, lambda _, sums: _exchanged(sums), (), slots)


def _send_home(halo: jax.Array, sent: Edges) -> jax.Array:
    """Sums over all halos that a column is in, [C, d]: the transpose of `_fetch`."""
    with read_in(None):  # sums, and no rows of a table
        return propagate_back(sent.mask.astype(halo.dtype), _exchanged(halo), sent)


def _exchanged(slots: jax.Array) -> jax.Array:
    """Part k of the slots goes to device k, and part k of the result came from there; its own transpose and inverse."""
    return jax.lax.all_to_all(slots, ROWS, 0, 0, tiled=True)


def build_mesh_edges(
    rows: np.ndarray,
    cols: np.ndarray,
    *,
    sizes: tuple[int, int],
    mesh: Mesh,
    room: tuple[int, int] | None = None,
    shared: bool = False,
) -> MeshEdges:
    """A pattern over a mesh, from edges on the host.

    Args:
      rows, cols: int [m], sorted by row, then column.
      sizes: rows and columns that there are.
      mesh: of `placement.current_mesh`.
      room: what the shapes have to have room for at the least, `MeshEdges.room` of a pattern before; None rounds up a little.
      shared: whether these are the edges of the rows of this process's devices alone; those devices stand next to each other.

    Raises:
      DataError: edges that are not sorted, or shared ones of other rows.
    """
    of_rows, of_cols = (blocks(size, mesh) for size in sizes)
    if np.any(np.diff(rows) < 0):
        raise DataError("edges over a mesh have to be sorted by row.")
    own = own_blocks(mesh)
    ends = np.searchsorted(rows, of_rows * np.stack([own, own + 1]))
    if shared and int(np.diff(ends, axis=0).sum()) != len(rows):
        first, last = of_rows * own[0], of_rows * (own[-1] + 1) - 1
        raise DataError(f"a share of rows {first} … {last} has edges of others: give those of its own rows.")
    parts = [slice(a, b) for a, b in ends.T.tolist()]
    counts = of_all_devices(ends[1] - ends[0], mesh)
    needed = [np.unique(cols[part]) for part in parts]
    # bounds[t, s]: where the columns of device s begin among those that device t needs.
    bounds = of_all_devices(np.stack([np.searchsorted(of, of_cols * np.arange(mesh.size + 1)) for of in needed]), mesh)
    size, slots = _rounded((int(counts.max()), int(np.diff(bounds).max())), room)

    local, all_rows, all_cols = [], [], []
    for t, part, columns in zip(own.tolist(), parts, needed, strict=True):
        source = columns // of_cols
        slot_of = source * slots + np.arange(len(source)) - bounds[t, source]
        halo = slot_of[np.searchsorted(columns, cols[part])]
        edges, _ = host_edges(rows[part] - t * of_rows, halo, num_rows=of_rows, num_cols=mesh.size * slots, capacity=size)
        local.append(edges)
        missing = size - (part.stop - part.start)
        all_rows.append(np.pad(rows[part], (0, missing), constant_values=min((t + 1) * of_rows, sizes[0]) - 1))
        all_cols.append(np.pad(cols[part], (0, missing), constant_values=sizes[1] - 1))
    sent = []
    for wanted in _wanted_of_own(needed, of_cols, mesh):
        filled = np.concatenate([t * slots + np.arange(len(of)) for t, of in enumerate(wanted)])
        out = host_edges(filled, np.concatenate(wanted), num_rows=mesh.size * slots, num_cols=of_cols, capacity=mesh.size * slots)
        sent.append(out[0])
    columns = [np.concatenate(all_rows).astype(np.int32), np.concatenate(all_cols).astype(np.int32)]
    columns.append(np.concatenate([edges.mask for edges in local]))
    rows_of, cols_of, mask_of = blocks_over_mesh(columns, mesh)
    patterns = [blocks_over_mesh(jax.tree.map(lambda *of: np.concatenate(of), *each), mesh) for each in (local, sent)]
    starts = over_mesh(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), everywhere(mesh))
    return MeshEdges(rows_of, cols_of, mask_of, starts, *patterns, real_sizes=sizes, mesh=mesh, shared=shared)


def _wanted_of_own(needed: list[np.ndarray], of_cols: int, mesh: Mesh) -> list[list[np.ndarray]]:
    """For each of this process's devices the columns that each of all devices wants of it, counted from its first; ascending.

    Args:
      needed: ascending columns that each of this process's devices needs.
      of_cols: columns of a device.
    """
    flags = np.zeros((len(needed), mesh.size * of_cols), bool)
    for own, columns in zip(flags, needed, strict=True):
        own[columns] = True
    # Bits, device by device: no process has more than one row of all.
    packed = of_all_devices(np.packbits(flags, axis=1), mesh)
    own = own_blocks(mesh).tolist()
    found: list[list[np.ndarray]] = [[] for _ in own]
    for bits in packed:
        wanted = np.unpackbits(bits, count=flags.shape[1])
        for place, block in enumerate(own):
            found[place].append(np.flatnonzero(wanted[block * of_cols : (block + 1) * of_cols]))
    return found


def _rounded(most: tuple[int, int], room: tuple[int, int] | None) -> tuple[int, int]:
    """Sizes that hold so many edges and slots, and what there was room for."""
    if room is None:
        return max(_LEAST_EDGES, -(-most[0] // _LEAST_EDGES) * _LEAST_EDGES), max(_LEAST_SLOTS, most[1])
    return tuple(had if size <= had else capacity_of(size) for size, had in zip(most, room, strict=True))  # pyright: ignore[reportReturnType]
