"""Over the devices of a mesh."""

from .fault import faults
from .tests import MESH, READING, SHARDS, SHARED, SHARING

OVER_DEVICES = [
    *faults(
        "checkpoint/folder.py",
        SHARDS,
        ("shards that have changed are read", "if digest.hex() != expected[file]", "if file not in expected"),
        ("shards that were replaced stay", "if _SHARDS.match(one.name) and one.name != kept", "if kept is None"),
    ),
    *faults(
        "sparse/primitives.py",
        READING,
        ("coefficients of edges are rounded with the rows", "lambda params: (1, 2)", "lambda params: (0, 2)"),
    ),
    *faults(
        "curvature/metric.py",
        MESH,
        ("rows that fill up a table count in the median", "jnp.where(jnp.arange(len(of)) < count, of, beyond)", "of"),
    ),
    *faults(
        "sparse/mesh_edges.py",
        MESH,
        (
            "numbers of the interactions start anew on every device",
            "(self.starts[:-1, None] + jnp",
            "(0 * self.starts[:-1, None] + jnp",
        ),
        ("rows of items are those of other slots", "[local.cols]", "[local.cols[::-1]]"),
        ("places leave out where a device's begin", "+ numbers - self.starts[block]", "+ numbers"),
        (
            "sums into items stay where they were made",
            "sent.mask.astype(halo.dtype), _exchanged(halo), sent",
            "sent.mask.astype(halo.dtype), halo, sent",
        ),
    ),
    *faults(
        "sparse/mesh_edges.py",
        SHARED,
        (
            "a share's columns begin where those of all do",
            "first = starts[own[0]] if self.shared else 0",
            "first = 0 * starts[own[0]]",
        ),
    ),
    *faults(
        "graph/training_set.py",
        SHARED,
        (
            "weights of edges are of the degrees in a share",
            "_added_up(degrees(host[1], len(positives)), interactions)",
            "degrees(host[1], len(positives))",
        ),
    ),
    *faults(
        "influence/spillover.py",
        SHARED,
        ("nodes are reached in the share that an edge left alone", "reached = edges.ends.anywhere(data)", "reached = edges.ends"),
    ),
    *faults(
        "data/selection.py",
        SHARED,
        ("what is in another share is missing", "return data.added_up(here.astype(np.int32)) > 0", "return here"),
    ),
    *faults(
        "data/large/sharing.py",
        SHARING,
        (
            "what train has nothing of goes to the last row",
            "there = (users >= 0) & (items >= 0)",
            "there = (users >= 0) | (items >= 0)",
        ),
        ("all is handed to the process that read it", "tables.owners[users] * len(PARTS)", "0 * tables.owners[users] * len(PARTS)"),
        (
            "labels of other processes don't count",
            "negatives, positives = sum_over_processes(kinds, mesh).tolist()",
            "negatives, positives = kinds.tolist()",
        ),
        (
            "labels of all that was read are judged",
            "shuffle.data.labels[piece][part == 0]",
            "shuffle.data.labels[piece][part >= 0]",
        ),
    ),
    *faults(
        "evaluation/lists_over_mesh.py",
        MESH,
        ("items are numbered anew on every device", "return values, found + first", "return values, found"),
    ),
    *faults(
        "training/over_mesh.py",
        MESH,
        (
            "rows that fill up a table are drawn",
            "return jnp.where(there.reshape(-1, *[1] * (table.ndim - 1)), table, 0)",
            "return table",
        ),
        (
            "a file has the rows that fill up tables",
            "value[: sizes[tables[name]]] if name in tables else value",
            "value",
        ),
    ),
]
