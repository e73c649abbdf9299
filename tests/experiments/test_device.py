"""The benchmark of a device runs everything on data of any size, and keeps what it has after each figure."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark import __main__ as benchmark
from experiments.benchmark.device import hubs, large, requests, sums, workload
from experiments.benchmark.device.figures import RUNS
from experiments.run.command_line import status_of
from ifru_jax import DataError
from ifru_jax.data.synthetic import synthetic
from ifru_jax.sparse import build_edges, edge_scores, propagate, propagate_back


def test_everything_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(large, "SIZE", (300, 100, 6000))
    monkeypatch.setattr(requests, "ONE_BY_ONE", 3)
    monkeypatch.setattr(requests, "BATCHES", (4,))
    monkeypatch.setattr(sums, "LOOP", 2)
    # Several blocks, the last of them not full.
    monkeypatch.setattr(hubs, "HUBS", 16)
    monkeypatch.setattr(hubs, "ROWS", 64)
    data = synthetic(200, 100, 4000)
    arrays, out = tmp_path / "arrays.npz", tmp_path / "device.json"
    np.savez(arrays, users=data.users, items=data.items, labels=5 * data.labels)
    assert status_of(benchmark.benchmark, ("sums", "products", "requests", "large"), out, True, arrays, 2) == 0
    found = json.loads(out.read_text())
    assert found["data"] == "given"
    assert found["environment"]["backend"] == "cpu"
    assert {name.partition(".")[0] for name in found["figures"]} == {"sums", "products", "requests", "large"}
    apart = {name: figure["difference"] for name, figure in found["figures"].items() if "difference" in figure}
    assert len(apart) == 18
    assert all(difference < (0.01 if name.endswith("bfloat16") else 1e-5) for name, difference in apart.items()), apart
    assert all(figure["value"] > 0 for figure in found["figures"].values())


@pytest.mark.parametrize(("columns", "rows"), [(16, 64), (5, 7), (512, 4096)])
def test_hubs_apart_give_what_the_sparse_operations_give(monkeypatch, columns, rows):
    """With blocks that are not full, and where all columns are hubs."""
    monkeypatch.setattr(hubs, "HUBS", columns)
    monkeypatch.setattr(hubs, "ROWS", rows)
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 150, 3000), (rng.random(3000) ** 3 * 30).astype(int)
    edges, _ = build_edges(users, items, num_rows=150, num_cols=30)
    apart = hubs.hub_edges(np.asarray(edges.rows), np.asarray(edges.cols), num_rows=150, num_cols=30)
    w, x, y = (jnp.asarray(rng.normal(size=size), jnp.float32) for size in ((3000,), (30, 8), (150, 8)))
    np.testing.assert_allclose(apart.propagate(w, x), propagate(w, x, edges), atol=1e-4)
    np.testing.assert_allclose(apart.propagate_back(w, y), propagate_back(w, y, edges), atol=2e-4)
    np.testing.assert_allclose(apart.edge_scores(y, x), edge_scores(y, x, edges), atol=1e-5)


def test_names_and_files_that_are_not_there_are_refused(tmp_path, capsys):
    assert status_of(benchmark.benchmark, ("nothing",), None, True) == 2
    assert f"choose among {', '.join(RUNS)}" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(DataError, match=r"a \.npz with users, items and labels"):
        workload.Workload.of(tmp_path / "data.csv")
    np.savez(tmp_path / "half.npz", users=np.arange(3), items=np.arange(3))
    with pytest.raises(DataError, match=r"half\.npz has no array 'labels'"):
        workload.Workload.of(tmp_path / "half.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    for name in ("text.npz", "nowhere.npz"):
        with pytest.raises(DataError, match=name):
            workload.Workload.of(tmp_path / name)
    assert status_of(benchmark.benchmark, ("sums",), tmp_path, True) == 2
