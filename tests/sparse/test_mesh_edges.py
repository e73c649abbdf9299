"""Patterns over a mesh against dense matrices; on many devices `tests/mesh` compares whole models."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh

from ifru_jax import DataError, on_mesh
from ifru_jax.sparse import MeshEdges, build_mesh_edges, edge_scores, propagate, propagate_back, read_in
from ifru_jax.sparse.placement import current_mesh

pytestmark = pytest.mark.usefixtures("float64")

ROWS, COLS, WIDTH = 5, 4, 3
PLACES = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), max_size=12)


def mesh() -> Mesh:
    with on_mesh(jax.make_mesh((1,), ("x",))):
        found = current_mesh()
    assert found is not None
    return found


def pattern(places, room=None) -> tuple[MeshEdges, np.ndarray]:
    """The pattern, and the edges as they stand in it."""
    edges = np.array(sorted(places), int).reshape(-1, 2)
    return build_mesh_edges(edges[:, 0], edges[:, 1], sizes=(ROWS, COLS), mesh=mesh(), room=room), edges


# Several edges at one place, and none.
@pytest.mark.parametrize("places", [[(0, 1), (0, 1), (2, 0), (2, 3), (4, 3), (4, 0)], []], ids=["some", "none"])
def test_operations_and_their_derivatives(places):
    edges, ends = pattern(places)
    rng = np.random.default_rng(0)
    weights, a, b = rng.normal(size=len(ends)), rng.normal(size=(ROWS, WIDTH)), rng.normal(size=(COLS, WIDTH))

    def matrix(w):
        return jnp.zeros((ROWS, COLS)).at[ends[:, 0], ends[:, 1]].add(w)

    def ours(w, a, b):
        w = edges.column(w, np.float64) if isinstance(w, np.ndarray) else w
        scores = edge_scores(a, b, edges)
        return jnp.sum(scores**3) + jnp.sum(propagate(w, b, edges) ** 2) + jnp.sum(propagate_back(w * scores, a, edges) ** 2)

    def dense(w, a, b):
        scores = (a @ b.T)[ends[:, 0], ends[:, 1]]
        return jnp.sum(scores**3) + jnp.sum((matrix(w) @ b) ** 2) + jnp.sum((matrix(w * scores).T @ a) ** 2)

    placed = edges.column(weights, np.dtype(np.float64))
    np.testing.assert_allclose(ours(placed, a, b), dense(weights, a, b), rtol=1e-12)
    # Padding has weight 0 and a derivative that nobody asks for.
    found, expected = (jax.grad(of, argnums=(1, 2))(w, a, b) for of, w in ((ours, placed), (dense, weights)))
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    direction = rng.normal(size=a.shape)
    found, expected = (
        jax.jvp(jax.grad(lambda a, of=of, w=w: of(w, a, b)), (a,), (direction,))[1] for of, w in ((ours, placed), (dense, weights))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(places=PLACES)
@settings(max_examples=20)
def test_places_and_numbers_are_inverse(places):
    edges, ends = pattern(places)
    numbers = jnp.arange(len(ends))
    where = edges.places(numbers)
    np.testing.assert_array_equal(edges.numbers[where], numbers)
    np.testing.assert_array_equal(np.stack([edges.rows[where], edges.cols[where]], axis=1), ends)
    assert edges.mask[where].all()
    assert int(edges.mask.sum()) == len(ends)


def test_fewer_edges_keep_the_shapes():
    """So that a deletion compiles nothing."""
    all_of_them, _ = pattern([(row, col) for row in range(ROWS) for col in range(COLS)])
    fewer, _ = pattern([(0, 1), (3, 2)], room=all_of_them.room)
    assert jax.tree.map(jnp.shape, fewer) == jax.tree.map(jnp.shape, all_of_them)


def test_what_is_no_mesh_and_what_is_not_sorted_is_refused():
    with pytest.raises(DataError, match=r"mesh is 8, a int: give a mesh"), on_mesh(8):
        pass
    with pytest.raises(DataError, match="sorted"):
        build_mesh_edges(np.array([1, 0]), np.array([0, 0]), sizes=(2, 1), mesh=mesh())
    with on_mesh(mesh()), on_mesh(None):
        assert current_mesh() is None
    assert current_mesh() is None


def test_what_is_read_in_bfloat16_is_sent_in_it_and_sums_are_not():
    edges, ends = pattern([(0, 1), (2, 0), (2, 3), (4, 3)])
    rng = np.random.default_rng(0)
    a, b = (jnp.asarray(rng.normal(size=(size, WIDTH))) for size in (ROWS, COLS))
    narrow_a, narrow_b = (x.astype(jnp.bfloat16).astype(x.dtype) for x in (a, b))

    def scores(a, b):
        return edge_scores(a, b, edges)

    with read_in("bfloat16"):
        found, back = jax.vjp(scores, a, b)
        to_rows, to_cols = back(jnp.ones_like(found))
        program = str(jax.make_jaxpr(jax.grad(lambda a, b: scores(a, b).sum(), argnums=(0, 1)))(a, b))
    np.testing.assert_allclose(found[: len(ends)], (narrow_a @ narrow_b.T)[ends[:, 0], ends[:, 1]], rtol=1e-14)
    matrix = np.zeros((ROWS, COLS))
    matrix[ends[:, 0], ends[:, 1]] = 1
    np.testing.assert_allclose(to_rows, matrix @ narrow_b, rtol=1e-14)
    np.testing.assert_allclose(to_cols, matrix.T @ narrow_a, rtol=1e-14)
    assert sorted(re.findall(r"(\w+)\[[\d,]*\] = all_to_all", program)) == ["bf16", "f64"]
