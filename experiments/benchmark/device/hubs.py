"""The two sparse operations with the columns that have most edges as dense blocks: a candidate beside the forms in use.

    y = A_rest x + A_hubs x[hubs],   A_hubs [rows, hubs] made of the weights in each call, some rows at a time

Items that a tenth of all users rated have a large share of the edges, and a matrix product reads their rows once where a
gather reads them for every edge. It adds what the others add, in another order.
"""

from dataclasses import field

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.pytree import pytree
from ifru_jax.sparse import Edges, build_edges, edge_scores, propagate, propagate_back

# Columns that are dense, and rows of a block: a block of 4,096 × 512 floats is 8 MiB.
HUBS, ROWS = 512, 4096


@pytree
class Blocks:
    """Edges of the hubs, by blocks of rows.

    Attributes:
      rows: int32 [b, m], within the block.
      cols: int32 [b, m], numbers of hubs.
      places: int32 [b, m], of the edge among all; that of no edge where there is padding.
    """

    rows: jax.Array
    cols: jax.Array
    places: jax.Array


@pytree
class HubEdges:
    """A pattern whose hubs stand apart.

    Attributes:
      rest: the other edges, with the places they have among all, int32 [r].
      hubs: int32 [k], their columns.
      blocks: their edges.
      size: edges in all.
    """

    rest: Edges
    rest_places: jax.Array
    hubs: jax.Array
    blocks: Blocks
    size: int = field(metadata={"static": True})

    def propagate(self, weights: jax.Array, x: jax.Array) -> jax.Array:
        """y[r] = Σ w_e x[col(e)], float [num_rows, d]."""
        dense = jax.lax.map(lambda block: _dot(self._matrix(weights, block), x[self.hubs]), self.blocks)
        return propagate(weights[self.rest_places], x, self.rest) + self._rows_of(dense)

    def propagate_back(self, weights: jax.Array, y: jax.Array) -> jax.Array:
        """x[c] = Σ w_e y[row(e)], float [num_cols, d]."""

        def add(total: jax.Array, block: tuple[Blocks, jax.Array]) -> tuple[jax.Array, None]:
            return total + _dot(self._matrix(weights, block[0]).T, block[1]), None

        none = jnp.zeros((len(self.hubs), y.shape[1]), y.dtype)
        dense, _ = jax.lax.scan(add, none, (self.blocks, self._in_blocks(y)))
        return propagate_back(weights[self.rest_places], y, self.rest).at[self.hubs].add(dense)

    def edge_scores(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """s_e = ⟨a[row(e)], b[col(e)]⟩, float [e]."""

        def scores(block: tuple[Blocks, jax.Array]) -> jax.Array:
            return _dot(block[1], b[self.hubs].T)[block[0].rows, block[0].cols]

        dense = jax.lax.map(scores, (self.blocks, self._in_blocks(a)))
        out = jnp.zeros(self.size, a.dtype).at[self.rest_places].set(edge_scores(a, b, self.rest))
        return out.at[self.blocks.places].set(dense, mode="drop")

    def _matrix(self, weights: jax.Array, block: Blocks) -> jax.Array:
        found = weights.at[block.places].get(mode="fill", fill_value=0)
        return jnp.zeros((ROWS, len(self.hubs)), weights.dtype).at[block.rows, block.cols].add(found)

    def _in_blocks(self, table: jax.Array) -> jax.Array:
        count = len(self.blocks.rows)
        return jnp.pad(table, ((0, count * ROWS - len(table)), (0, 0))).reshape(count, ROWS, -1)

    def _rows_of(self, blocks: jax.Array) -> jax.Array:
        return blocks.reshape(-1, blocks.shape[-1])[: self.rest.num_rows]


def hub_edges(rows: np.ndarray, cols: np.ndarray, *, num_rows: int, num_cols: int) -> HubEdges:
    """The pattern of edges that are sorted by row and column, as `build_edges` sorts them."""
    hubs = np.argsort(-np.bincount(cols, minlength=num_cols), kind="stable")[:HUBS]
    number = np.full(num_cols, -1)
    number[hubs] = np.arange(len(hubs))
    dense = np.flatnonzero(number[cols] >= 0)
    others = np.flatnonzero(number[cols] < 0)
    rest, order = build_edges(rows[others], cols[others], num_rows=num_rows, num_cols=num_cols)
    block, count = rows[dense] // ROWS, -(-num_rows // ROWS)
    most = int(np.bincount(block, minlength=count).max())
    within = np.arange(len(dense)) - np.searchsorted(block, block)
    found = {"rows": rows[dense] % ROWS, "cols": number[cols[dense]], "places": dense}
    # No edge has this place.
    filled = {name: np.full((count, most), len(rows) if name == "places" else 0, np.int32) for name in found}
    for name, values in found.items():
        filled[name][block, within] = values
    blocks = Blocks(**{name: jnp.asarray(values) for name, values in filled.items()})
    return HubEdges(rest, jnp.asarray(others[order], jnp.int32), jnp.asarray(hubs, jnp.int32), blocks, len(rows))


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)
