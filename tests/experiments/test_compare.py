"""The two commands, as a user calls them, on a small file."""

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import tyro

from experiments.compare import Compare, compare
from experiments.reporting.records import environment, read_records
from experiments.run.command_line import status_of
from experiments.run.unfinished import Unfinished
from ifru_jax import DataError, DataWarning
from ifru_jax.data import ForgetRequest, Interactions
from ifru_jax.locks import alone
from ifru_jax.training import Tried, train
from ifru_jax.unlearning.in_parts import split_request

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("model", "forget"), [("mf", "noise:0.05"), ("lightgcn", "user:0.1"), ("mf", "item:0.05")])
def test_compare_writes_what_it_promises(ratings, tmp_path, model, forget, request):
    if not forget.startswith("noise"):
        request.getfixturevalue("compiled_once")
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
        ({"label_above": 7.0, "objective": "bpr"}, "is above 7: the highest is 1, choose a threshold below it"),
        ({"label_above": float("nan"), "objective": "bpr"}, "the threshold nan is no finite number"),
        ({"forget": "file:missing.csv"}, "missing.csv"),
    ],
)
def test_bad_options_say_so_before_anything_is_written(ratings, tmp_path, capsys, change, message):
    out = tmp_path / "out"
    assert status_of(compare, Compare(**({"data": str(ratings), "out": out} | change))) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.usefixtures("compiled_once")
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


@pytest.mark.usefixtures("compiled_once")
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


def interrupted_after(monkeypatch, count):
    """As if Ctrl-C was pressed once so many records are on disk."""
    add = Unfinished.add

    def until(self, record):
        add(self, record)
        if len(read_records(self.folder / "results.jsonl")) == count:
            raise KeyboardInterrupt

    monkeypatch.setattr(Unfinished, "add", until)


def names_of(records):
    return [(record["method"], record["seed"]) for record in records]


@pytest.mark.usefixtures("compiled_once")
def test_an_interrupted_run_goes_on_where_it_stopped(ratings, tmp_path, monkeypatch, capsys):
    """Nothing is trained again, a method that was interrupted between seeds begins anew, and the results are those of one run."""
    options = Compare(data=str(ratings), out=tmp_path / "out", methods="ifru,scif", seeds=2)
    whole = replace(options, out=tmp_path / "whole")
    assert status_of(compare, whole) == 0
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.jsonl").write_text("an earlier run")
    with monkeypatch.context() as patch:
        interrupted_after(patch, 5)  # two originals, two retrained, the first seed of ifru
        assert status_of(compare, options) == 130
    told = " ".join(capsys.readouterr().err.split())
    assert "interrupted: what is done is in" in told
    assert told.endswith("unfinished; the same command goes on from there.")
    unfinished = tmp_path / "out" / "unfinished"
    assert len(read_records(unfinished / "results.jsonl")) == 5
    assert (tmp_path / "out" / "results.jsonl").read_text() == "an earlier run"
    assert not (tmp_path / "out" / ".lock").exists()

    with monkeypatch.context() as patch:
        interrupted_after(patch, 7)
        patch.setattr("ifru_jax.training.trained.fit_params", None)
        assert status_of(compare, options) == 130
        assert "done are original, retrain" in " ".join(capsys.readouterr().out.split())
        assert names_of(read_records(unfinished / "results.jsonl"))[4:] == [("ifru", 0), ("ifru", 1), ("scif", 0)]
        with open(unfinished / "results.jsonl", "ab") as file:
            file.write(b'{"dataset": "a torn li')
    with pytest.warns(UserWarning, match="torn"):
        compare(options)
    assert "done are original, retrain, ifru" in " ".join(capsys.readouterr().out.split())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
    found, expected = (read_records(folder / "results.jsonl") for folder in (tmp_path / "out", tmp_path / "whole"))
    assert names_of(found) == names_of(expected)
    for one, other in zip(found, expected, strict=True):
        assert one["figures"].keys() == other["figures"].keys()
        for figure in {"auc", "gap", "rms", "undone"} & {name for name, value in other["figures"].items() if value is not None}:
            assert one["figures"][figure] == pytest.approx(other["figures"][figure], rel=1e-4)
    for folder in (tmp_path / "out", tmp_path / "whole"):
        assert json.loads((folder / "report.json").read_text())["verification"].keys() == {"ifru", "scif"}


@pytest.mark.usefixtures("compiled_once")
def test_another_run_is_not_taken_for_the_interrupted_one(ratings, tmp_path, monkeypatch, capsys):
    options = Compare(data=str(ratings), out=tmp_path / "out", seeds=1, verify=False)
    with monkeypatch.context() as patch:
        interrupted_after(patch, 1)
        assert status_of(compare, options) == 130
    capsys.readouterr()
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    changed = tmp_path / "changed" / "ratings.csv"
    changed.parent.mkdir()
    changed.write_text("\n".join(ratings.read_text().splitlines()[:-3]) + "\n")
    others = [
        (replace(options, seeds=2), "seeds was 1 and is 2"),
        (replace(options, model="lightgcn", forget="user:0.1"), "forget was noise:0.02 and is user:0.1"),
        (replace(options, data=str(changed)), "data and request was"),
    ]
    for other, message in others:
        assert status_of(compare, other) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert message in told
        assert "give another --out, or delete the folder" in told
    with monkeypatch.context() as patch:
        patch.setattr("experiments.compare.environment", lambda: environment() | {"jax": "0.1"})
        assert status_of(compare, options) == 2
        assert f"jax was {jax.__version__} and is 0.1" in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    (tmp_path / "out" / "unfinished" / "run.json").write_text("edited")
    assert status_of(compare, options) == 2
    assert "run.json is not JSON" in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("compiled_once")
def test_a_second_run_into_the_same_folder_is_refused(ratings, tmp_path, monkeypatch, capsys):
    """While the first one is at work, and no longer."""
    options = Compare(data=str(ratings), out=tmp_path / "out", seeds=1, verify=False, methods="original,retrain")
    statuses = []
    add = Unfinished.add

    def meanwhile(self, record):
        if not statuses:
            statuses.append(status_of(compare, options))
        add(self, record)

    monkeypatch.setattr(Unfinished, "add", meanwhile)
    assert status_of(compare, options) == 0
    assert statuses == [2]
    assert "is being written to by another run: wait for its end" in " ".join(capsys.readouterr().err.split())
    assert len(read_records(tmp_path / "out" / "results.jsonl")) == 3
    assert status_of(compare, options) == 0


def test_a_killed_run_leaves_no_lock(tmp_path):
    code = """
        import sys, time
        from ifru_jax.locks import alone
        with alone(sys.argv[1], "another"):
            print("in", flush=True)
            time.sleep(60)
    """
    path = tmp_path / ".lock"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    with pytest.raises(DataError, match="another"), alone(path, "another"):
        pass
    process.kill()
    process.wait()
    assert path.exists()
    for _ in range(2):
        with alone(path, "another"):
            assert path.exists()
        assert not path.exists()


def test_a_request_is_split_without_loss():
    request = ForgetRequest(pairs=np.stack([np.arange(23), np.arange(23)], axis=1), users=np.arange(30, 33))
    parts = split_request(request, 10, Interactions(np.arange(40), np.arange(40), np.ones(40), 40, 40))
    assert len(parts) == 10
    np.testing.assert_array_equal(np.unique(np.concatenate([p.pairs for p in parts]), axis=0), request.pairs)
    np.testing.assert_array_equal(np.unique(np.concatenate([p.users for p in parts])), request.users)


@pytest.mark.usefixtures("compiled_once")
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


def test_hyper_parameters_are_searched_once_and_told(ratings, tmp_path, monkeypatch, compiled_once, capsys):
    searches = []

    def tuned(key, model, split, config, *, loss, watched):
        searches.append(config)
        found = replace(config, learning_rate=5e-3, epochs=2)
        with watched(found):
            return train(key, model, split, found, loss=loss), (Tried(found, 0.75),)

    monkeypatch.setattr("experiments.run.searched.tuned", tuned)
    options = Compare(data=str(ratings), out=tmp_path, methods="original,retrain", seeds=1, tune=True, verify=False)
    assert status_of(compare, options) == 0
    assert status_of(compare, options) == 0
    assert len(searches) == 1
    kept = json.loads((tmp_path / "tuning.json").read_text())
    assert kept["best"]["learning_rate"] == kept["tried"][0]["config"]["learning_rate"] == 5e-3
    assert "chosen on the validation data of this run: learning rate 0.005" in (tmp_path / "report.md").read_text()
    # Another model has a search of its own.
    assert status_of(compare, replace(options, model="bias-mf")) == 0
    assert len(searches) == 2
    for content, words in (("{", "is not JSON"), ("[]", "is no search of ours")):
        (tmp_path / "tuning.json").write_text(content)
        assert status_of(compare, options) == 2
        assert words in " ".join(capsys.readouterr().err.split())
        assert (tmp_path / "tuning.json").read_text() == content
