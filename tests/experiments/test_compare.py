"""The two commands, as a user calls them, on a small file."""

import json
from pathlib import Path

import numpy as np
import pytest
import tyro

from experiments.compare import Compare, compare
from experiments.run.command_line import status_of
from ifru_jax import DataWarning
from ifru_jax.data import ForgetRequest
from ifru_jax.unlearning.in_parts import split_request

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("model", "forget"), [("mf", "noise:0.05"), ("lightgcn", "user:0.1"), ("mf", "item:0.05")])
def test_compare_writes_what_it_promises(ratings, tmp_path, model, forget):
    options = Compare(
        data=str(ratings), out=tmp_path, model=model, forget=forget, methods="original,retrain,ifru,ifru-stream", seeds=2
    )
    assert status_of(compare, options) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.jsonl", "summary.json", "report.html", "report.json", "report.md", "comparison.png", "comparison.svg",
    }  # fmt: skip
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["dataset"], summary["forget"], summary["seeds"]) == ("ratings", forget, 2)
    assert summary["model"] == {"mf": "mf", "lightgcn": "lightgcn-1"}[model]
    assert list(summary["methods"]) == ["original", "retrain", "ifru", "ifru-stream"]
    ifru, retrain = summary["methods"]["ifru"], summary["methods"]["retrain"]
    for figure in ("auc", "gap", "rms", "forget_rms", "seconds.total", "seconds.first_call", "seconds.prepare"):
        assert ifru[figure]["mean"] > 0
    assert (ifru["forget_gap"]["mean"] is None) == forget.startswith(("user", "item"))
    assert retrain["gap"]["mean"] == pytest.approx(1)
    parts = [
        v["mean"]
        for k, v in ifru.items()
        if k in {f"seconds.{p}" for p in ("split", "scope", "graph", "influence", "solve", "update")}
    ]
    assert sum(parts) == pytest.approx(ifru["seconds.total"]["mean"])
    everything = "".join(path.read_text() for path in tmp_path.glob("*.*") if path.suffix in {".json", ".jsonl", ".md"})
    assert "secret" not in everything, "a result names a user or an item"
    assert not any("NaN" in path.read_text() for path in tmp_path.glob("*.json*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": "ifru,magic"}, "there is no method 'magic'"),
        ({"data": "no-such-data"}, "no-such-data"),
        ({"forget": "noise:2"}, "noise:2"),
        ({"seeds": 0}, "seeds is 0"),
        ({"label_above": 7.0}, "one kind of label"),
        ({"forget": "file:missing.csv"}, "missing.csv"),
    ],
)
def test_bad_options_say_so_before_anything_is_written(ratings, tmp_path, capsys, change, message):
    out = tmp_path / "out"
    assert status_of(compare, Compare(**({"data": str(ratings), "out": out} | change))) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_file_of_interactions_is_forgotten(ratings, tmp_path):
    rows = ratings.read_text().splitlines()
    from ifru_jax.data import load_dataset, protocol_split

    train = protocol_split(load_dataset(ratings)).train
    wanted = [f"{train.user_ids[u]},{train.item_ids[i]}" for u, i in zip(train.users[:7], train.items[:7], strict=True)]
    assert all(any(row.startswith(pair) for row in rows) for pair in wanted)
    request = tmp_path / "request.csv"
    request.write_text("\n".join(["user,item", *wanted]) + "\n")
    assert status_of(compare, Compare(data=str(ratings), out=tmp_path / "out", forget=f"file:{request}", seeds=1)) == 0
    records = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {r["forget"] for r in records} == {"file"}
    assert [r["evidence"]["forgotten"] for r in records if r["method"] == "ifru"] == [7]
    assert [r["seed"] for r in records if r["method"] == "retrain"] == [0, 1], "two retrained models even with one seed"


def test_kept_models_are_not_trained_again(ratings, tmp_path, monkeypatch):
    options = Compare(data=str(ratings), out=tmp_path / "out", models=tmp_path / "models", seeds=1)
    assert status_of(compare, options) == 0
    first = json.loads((tmp_path / "out" / "summary.json").read_text())
    monkeypatch.setattr("ifru_jax.training.trained.fit_params", None)
    assert status_of(compare, options) == 0
    again = json.loads((tmp_path / "out" / "summary.json").read_text())
    for method in ("original", "retrain", "ifru"):
        for figure in ("auc", "gap", "forget_slope", "seconds.training"):
            assert first["methods"][method].get(figure) == again["methods"][method].get(figure)


def test_a_request_is_split_without_loss():
    request = ForgetRequest(pairs=np.stack([np.arange(23), np.arange(23)], axis=1), users=np.arange(30, 33))
    parts = split_request(request, 10)
    assert len(parts) == 10
    np.testing.assert_array_equal(np.unique(np.concatenate([p.pairs for p in parts]), axis=0), request.pairs)
    np.testing.assert_array_equal(np.unique(np.concatenate([p.users for p in parts])), request.users)


def test_files_are_read_by_the_options_of_the_command(ratings, tmp_path):
    """A file without a header in another encoding, and a request whose column has a name of its own."""
    rows = [line.split(",") for line in ratings.read_text().splitlines()[1:]]
    rows.append(["zz-seldom", rows[0][1], "1"])
    (tmp_path / "r.dat").write_text("".join("::".join(["é" + row[0], *row[1:]]) + "\n" for row in rows), encoding="latin-1")
    (tmp_path / "e.csv").write_text("who;when\n" + "".join(f"é{user};now\n" for user in sorted({row[0] for row in rows})[:3]))
    arguments = ["--data", str(tmp_path / "r.dat"), "--columns", "user", "item", "rating", "--encoding", "latin-1"]
    arguments += ["--forget", f"file:{tmp_path / 'e.csv'}", "--request.user", "who", "--out", str(tmp_path / "out"), "--seeds", "1"]
    options = tyro.cli(Compare, args=[*arguments, "--no-verify"])
    with pytest.warns(DataWarning, match="'when' were ignored"):
        compare(options)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["dataset"] == "r"
    records = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert all(record["evidence"]["forgotten"] > 3 for record in records if record["method"] == "ifru")
    assert "Left out of the data: 1 interactions with 1 users not in the 5-core." in (tmp_path / "out" / "report.md").read_text()
