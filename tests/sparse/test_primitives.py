"""The two primitives and every derivative of them, against the same computation on dense matrices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax.sparse import build_edges, edge_scores, kernels, propagate, propagate_back

pytestmark = pytest.mark.usefixtures("float64")

ROWS, COLS, CAPACITY, WIDTH = 5, 4, 12, 3  # an odd width: the CPU kernel scores two floats at a time

# Duplicates, empty rows and columns, no edge at all, and no padding at all are among these.
EDGE_LISTS = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), max_size=CAPACITY)
SEEDS = st.integers(0, 2**32 - 1)
ALL = (0, 1, 2)


def pattern(pairs, capacity=CAPACITY):
    rows, cols = np.array(pairs, int).reshape(-1, 2).T
    return build_edges(rows, cols, num_rows=ROWS, num_cols=COLS, capacity=capacity)[0]


def arrays(seed, dtype=np.float64, capacity=CAPACITY):
    """Edge weights, features of columns, features of rows."""
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=s), dtype) for s in [(capacity,), (COLS, WIDTH), (ROWS, WIDTH)])


def energy(operations, edges, w, x, y):
    """A scalar in which every operation depends on every argument, nonlinearly."""
    up = operations.propagate(w, x, edges)
    down = operations.propagate_back(jnp.sin(w), up + y, edges)
    return jnp.sum(jnp.cos(operations.edge_scores(up * y, down - x, edges)))


def slope_along(f, directions):
    def slope(*args):
        return sum(jnp.vdot(g, d) for g, d in zip(jax.grad(f, ALL)(*args), directions, strict=True))

    return slope


TRANSFORMS = {
    "value": lambda f, args, directions: f(*args),
    "jvp": lambda f, args, directions: jax.jvp(f, args, directions),
    "grad": lambda f, args, directions: jax.grad(f, ALL)(*args),
    "checkpoint": lambda f, args, directions: jax.grad(jax.checkpoint(f), ALL)(*args),
    "linearize": lambda f, args, directions: jax.linearize(f, *args)[1](*directions),
    "forward over reverse": lambda f, args, directions: jax.jvp(jax.grad(f, ALL), args, directions),
    "linearised gradient": lambda f, args, directions: jax.linearize(jax.grad(f, ALL), *args)[1](*directions),
    "grad of grad": lambda f, args, directions: jax.grad(slope_along(f, directions), ALL)(*args),
    "hessian": lambda f, args, directions: jax.jacfwd(jax.jacrev(f, ALL), ALL)(*args),
}


@partial(jax.jit, static_argnums=(0, 1))
def run(transform, operations, edges, args, directions):
    return TRANSFORMS[transform](partial(energy, operations, edges), args, directions)


def assert_close(got, expected, tolerance=1e-11):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), got, expected)


@pytest.mark.parametrize("transform", TRANSFORMS)
@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=10)
def test_derivatives_of_any_order_equal_the_dense_ones(sparse, dense, transform, pairs, seed):
    edges, args, directions = pattern(pairs), arrays(seed), arrays(seed + 1)
    assert_close(run(transform, sparse, edges, args, directions), run(transform, dense, edges, args, directions), 1e-10)


@pytest.mark.parametrize("choice", ["csr", "portable", "sorted", "pallas"])
@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=10)
def test_other_kernels_give_the_same(sparse, choice, pairs, seed):
    edges, args, directions = pattern(pairs), arrays(seed), arrays(seed + 1)
    with kernels(choice):
        other = run("forward over reverse", sparse, edges, args, directions)
    assert_close(other, run("forward over reverse", sparse, edges, args, directions))


@pytest.mark.parametrize("transform", ["grad", "linearised gradient"])
@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=10)
def test_float32_stays_float32(sparse, dense, transform, pairs, seed):
    args, directions = arrays(seed, np.float32), arrays(seed + 1, np.float32)
    got = run(transform, sparse, pattern(pairs), args, directions)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(got))
    # Against float64, so that an error of the sparse side isn't excused by one of the dense side.
    exact = run(transform, dense, pattern(pairs), *jax.tree.map(lambda a: a.astype(np.float64), (args, directions)))
    size = max(1.0, *(float(jnp.max(jnp.abs(leaf), initial=0)) for leaf in jax.tree.leaves(exact)))
    assert_close(got, exact, 3e-5 * size)


@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=20)
def test_outside_jit(sparse, dense, pairs, seed):
    edges, (w, x, y) = pattern(pairs), arrays(seed)
    assert_close(propagate(w, x, edges), dense.propagate(w, x, edges))
    assert_close(propagate_back(w, y, edges), dense.propagate_back(w, y, edges))
    assert_close(edge_scores(y, x, edges), dense.edge_scores(y, x, edges))


@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=3)
def test_linear_transpose_in_each_argument(sparse, dense, pairs, seed):
    edges, (w, x, y) = pattern(pairs), arrays(seed)

    def transposed(operations):
        return (
            jax.linear_transpose(lambda x: operations.propagate(w, x, edges), x)(y),
            jax.linear_transpose(lambda w: operations.propagate(w, x, edges), w)(y),
            jax.linear_transpose(lambda y: operations.propagate_back(w, y, edges), y)(x),
            jax.linear_transpose(lambda w: operations.propagate_back(w, y, edges), w)(x),
            jax.linear_transpose(lambda a: operations.edge_scores(a, x, edges), y)(w),
            jax.linear_transpose(lambda b: operations.edge_scores(y, b, edges), x)(w),
        )

    assert_close(transposed(sparse), transposed(dense))


@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=10)
def test_adjoint_identities(pairs, seed):
    edges, (w, x, y) = pattern(pairs), arrays(seed)
    through = jnp.vdot(propagate(w, x, edges), y)
    assert_close(through, jnp.vdot(x, propagate_back(w, y, edges)))
    assert_close(through, jnp.vdot(w, edge_scores(y, x, edges)))


def padded(values, capacity, filling):
    return jnp.full(capacity, filling).at[: len(values)].set(values)


@pytest.mark.parametrize("capacity", [CAPACITY + 1, 3 * CAPACITY])
@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=10)
def test_padding_changes_no_derivative(sparse, capacity, pairs, seed):
    n = len(pairs)
    (w, x, y), (dw, dx, dy) = arrays(seed), arrays(seed + 1)
    exact = run("linearised gradient", sparse, pattern(pairs), (w, x, y), (dw, dx, dy))
    args, directions = (padded(w[:n], capacity, 7.0), x, y), (padded(dw[:n], capacity, -3.0), dx, dy)
    got = run("linearised gradient", sparse, pattern(pairs, capacity), args, directions)
    assert_close((got[0][:n], *got[1:]), (exact[0][:n], *exact[1:]))
    np.testing.assert_array_equal(got[0][n:], 0)


@pytest.mark.parametrize("choice", ["auto", "csr", "portable", "sorted", "pallas"])
@given(pairs=EDGE_LISTS, seed=SEEDS)
@settings(max_examples=5)
def test_not_even_nan_leaks_from_the_padding(choice, pairs, seed):
    n, (w, x, y) = len(pairs), arrays(seed)
    edges, garbage = pattern(pairs, 2 * CAPACITY), padded(w[:n], 2 * CAPACITY, jnp.nan)
    with kernels(choice):
        for operation, features in ((propagate, x), (propagate_back, y)):
            out, back = jax.vjp(operation, garbage, features, edges)
            assert_close(out, operation(padded(w[:n], 2 * CAPACITY, 0.0), features, edges))
            slope, *_ = back(out)
            np.testing.assert_array_equal(slope[n:], 0)
        assert_close(edge_scores(y, x, edges)[n:], jnp.zeros(2 * CAPACITY - n))
        _, back = jax.vjp(lambda a, b: edge_scores(a, b, edges), y, x)
        assert_close(back(garbage), back(padded(w[:n], 2 * CAPACITY, 0.0)))


@pytest.mark.parametrize(("choice", "capacity"), [("auto", 8197), ("csr", 4096), ("csr", 8197)])
def test_chunks_of_the_cpu_kernels_meet_without_a_gap(sparse, dense, choice, capacity):
    rng = np.random.default_rng(capacity)
    rows, cols = rng.integers(0, ROWS, capacity - 2), rng.integers(0, COLS, capacity - 2)
    edges, _ = build_edges(rows, cols, num_rows=ROWS, num_cols=COLS, capacity=capacity)
    args, directions = arrays(0, capacity=capacity), arrays(1, capacity=capacity)
    args = (args[0] / capacity, *args[1:])  # sums of thousands: small weights keep the cosine from amplifying rounding
    with kernels(choice):
        got, expected = (run("forward over reverse", o, edges, args, directions) for o in (sparse, dense))
        assert_close(got, expected, 1e-8)
        assert_close(edge_scores(args[2], args[1], edges), dense.edge_scores(args[2], args[1], edges))


@pytest.mark.parametrize("size", [64, 131, 200])
def test_a_row_much_longer_than_the_average(size):
    rng, num = np.random.default_rng(size), 40
    rows, cols = np.full(size, 3), rng.integers(0, num, size)
    edges, _ = build_edges(np.r_[rows, 0, 5], np.r_[cols, 1, 2], num_rows=num, num_cols=num, capacity=size + 7)
    w, x = rng.normal(size=size + 7), rng.normal(size=(num, WIDTH))
    dense = np.zeros((num, num))
    np.add.at(dense, (np.asarray(edges.rows)[: size + 2], np.asarray(edges.cols)[: size + 2]), w[: size + 2])
    with kernels("pallas"):
        assert_close(propagate(jnp.asarray(w), jnp.asarray(x), edges), dense @ x)
        assert_close(propagate_back(jnp.asarray(w), jnp.asarray(x), edges), dense.T @ x)
        # In a batch such rows are summed in larger pieces.
        two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), (jnp.asarray(w), jnp.asarray(x), edges))
        assert_close(jax.vmap(propagate)(*two), np.stack([dense @ x, dense @ x]))


@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_any_feature_width(dense, width):
    edges, rng = pattern([(0, 0), (4, 3), (4, 3), (2, 1)]), np.random.default_rng(0)
    w, x, y = (jnp.asarray(rng.normal(size=s)) for s in [(CAPACITY,), (COLS, width), (ROWS, width)])
    assert_close(propagate(w, x, edges), dense.propagate(w, x, edges))
    assert_close(edge_scores(y, x, edges), dense.edge_scores(y, x, edges))


@pytest.mark.parametrize("choice", ["auto", "csr", "portable", "sorted", "pallas"])
def test_a_pattern_of_no_edges_and_no_padding(choice):
    _, x, y = arrays(0)
    edges = pattern([], capacity=0)
    with kernels(choice):
        np.testing.assert_array_equal(propagate(jnp.zeros(0), x, edges), np.zeros((ROWS, WIDTH)))
        assert edge_scores(y, x, edges).shape == (0,)


W, X, Y = jnp.ones(CAPACITY), jnp.ones((COLS, WIDTH)), jnp.ones((ROWS, WIDTH))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: propagate(W[:-1], X, e), r"weights \(11,\) for edges \(12,\)"),
        (lambda e: propagate(W, X[:, 0], e), r"\[nodes, d\], got \(4,\)"),
        (lambda e: propagate(W, Y, e), "5 feature rows for 4 nodes"),
        (lambda e: propagate_back(W, X, e), "4 feature rows for 5 nodes"),
        (lambda e: propagate(W.astype(np.float16), X.astype(np.float32), e), "weights are float16, features float32"),
        (lambda e: edge_scores(Y, X[:, :2], e), r"shapes \(5, 3\) and \(4, 2\)"),
        (lambda e: edge_scores(X, Y, e), r"\(4, 3\) and \(5, 3\) for \(5, 4\) nodes"),
        (lambda e: edge_scores(Y[:, 0], X[:, 0], e), r"shapes \(5,\) and \(4,\)"),
        (lambda e: edge_scores(Y.astype(np.float16), X.astype(np.float32), e), "dtypes float16 and float32"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_shapes(call, message):
    with pytest.raises(TypeError, match=message):
        call(pattern([(0, 0)]))
    with pytest.raises(TypeError, match=message):
        jax.eval_shape(call, pattern([(0, 0)]))
