"""`ifru` from a shell: what it prints, how it ends, and that its help starts nothing."""

import json
import math
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ifru_jax
from ifru_jax.command import COMMANDS, run
from ifru_jax.command.line import Exit
from ifru_jax.store import ErrorBudget, Store, make_key
from tests.store.conftest import prepared

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a key and a store, of which tests take copies."""
    home = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(20 * 12)[:140], 12)
    split = ifru_jax.random_split(ifru_jax.Interactions.from_arrays(100 + users, items, rng.integers(2, size=140)))
    make_key(home / "key")
    Store.create(
        home / "shop", prepared(split.train), split=split, key=home / "key", grace="30d", budget=ErrorBudget(settle_at=0.5)
    ).close()
    return home


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("IFRU_KEY", "key")
    monkeypatch.setenv("IFRU_JAX_CACHE", "off")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def ifru(home, capsys):
    """Runs a command; its status, and what it printed: with --json, as JSON."""

    def call(*arguments):
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return status, json.loads(told.out) if "--json" in arguments else told.out, told.err

    return call


def test_a_request_from_first_to_last(ifru):
    assert ifru("preview", "shop", "--user", 103, "--quick")[0] == Exit.DONE
    status, told, _ = ifru("forget", "shop", "--user", 103, 104, "--json")
    assert (status, told["complete"], told["number"]) == (Exit.DONE, True, 2)
    assert [one["found"] for one in told["answers"]] == ["there", "there"]
    assert told["report"]["forgotten"] > 0
    status, told, _ = ifru("recommend", "shop", "--user", 103, 105, "-k", 2, "--json")
    assert [(one["user"], len(one["items"])) for one in told] == [("103", 0), ("105", 2)]
    assert ifru("erased", "shop", "--user", 103, "--json")[:2] == (Exit.DONE, {"erased": True, "line": 2, "time": told_time(ifru)})
    assert ifru("erased", "shop", "--user", 105)[0] == Exit.NO
    assert "as it was before line 2" in ifru("undo", "shop")[1]
    assert ifru("erased", "shop", "--user", 103)[0] == Exit.NO
    status, told, _ = ifru("verify-record", "shop", "--json")
    assert (status, told["holds"], told["lines"], told["sealed"]) == (Exit.DONE, True, 3, True)
    assert ifru("verify-record", "shop", "--head", told["head"])[0] == Exit.DONE
    assert ifru("verify-record", "shop", "--head", "0" * 64)[0] == Exit.NO


def test_why_an_item_and_what_the_list_would_be_without_a_rating(ifru):
    status, told, _ = ifru("explain", "shop", "--user", 103, "-k", 3, "--json")
    best = ifru("recommend", "shop", "--user", 103, "-k", 1, "--json")[1][0]["items"][0]
    assert (status, told["user"], told["items"]) == (Exit.DONE, 103, [best["item"]])
    assert told["value"] == pytest.approx(best["score"], abs=1e-6)
    assert len(told["reasons"]) == 3
    away = told["reasons"][0]["item"]
    status, without, _ = ifru("explain", "shop", "--user", 103, "--without", away, "-k", 3, "--json")
    assert without["without"]["removed"] == [[103, away]]
    assert status == Exit.DONE
    assert ifru("explain", "shop", "--user", 103, "--item", 999)[0] == Exit.ERROR
    assert "Why: score" in ifru("explain", "shop", "--user", 103)[1]
    assert len(ifru("history", "shop", "--json")[1]) == 1


def told_time(ifru):
    return ifru("history", "shop", "--json")[1][1]["time"]


def test_tables_are_for_people(ifru):
    status, told, _ = ifru("forget", "shop", "--user", 103)
    assert status == Exit.DONE
    assert "user 103" in told
    assert "interactions forgotten" in told
    assert "It can be undone until" in told
    assert "103" not in ifru("history", "shop")[1]
    assert "1 users" in ifru("history", "shop")[1]
    assert "done already" in ifru("forget", "shop", "--user", 103)[1]
    assert "nothing is known of this user" in ifru("recommend", "shop", "--user", 103)[1]
    assert ifru("preview", "shop", "--user", 104, "--json")[1]["overlap"]["mean"] > 0
    told = ifru("preview", "shop", "--user", 104)[1]
    assert "top lists keep" in told
    assert "everybody" not in told
    assert "Nothing was written." in told


def test_what_is_not_in_the_data_is_an_error_or_a_part(ifru):
    status, out, err = ifru("forget", "shop", "--user", 103, 9999)
    assert (status, out) == (Exit.ERROR, "")
    assert "user 9999 is not in the data" in err
    assert "--missing report" in err
    status, told, _ = ifru("forget", "shop", "--user", 103, 9999, "--missing", "report", "--json")
    assert (status, told["complete"]) == (Exit.PARTLY, False)


def test_requests_from_files(ifru, home):
    (home / "erase.csv").write_text("customer\n103\n")
    told = ifru("forget", "shop", "--file", "erase.csv", "--json")[1]
    assert (told["answers"][0]["ids"], told["elsewhere"]) == ([103], ["erase.csv"])
    (home / "odd.csv").write_text("who\n104\n")
    assert ifru("forget", "shop", "--file", "odd.csv")[0] == Exit.ERROR
    assert ifru("forget", "shop", "--file", "odd.csv", "--reading.user", "who")[0] == Exit.DONE


def test_messages_name_options_as_a_shell_takes_them(ifru, home):
    """Those of a file of requests are named otherwise than those of data."""
    (home / "fractions.csv").write_text("user\titem\trating\n1\t2\t3,5\n2\t3\t4,5\n")
    assert 'or --decimal ",".' in ifru("train", "fractions.csv", "--store", "new")[2]
    (home / "choice.csv").write_text("user,item,score,stars\n1,2,3,5\n2,3,4,5\n")
    assert "choose one by --rating, or" in ifru("train", "choice.csv", "--store", "new")[2]
    (home / "asked.csv").write_text('user,item,new_label\n103,i1,"0,5"\n')
    assert "--reading.decimal" in ifru("correct", "shop", "--file", "asked.csv")[2]


def test_pairs_and_corrections(ifru, home):
    with Store.open("shop", read_only=True) as store:
        data = store.model.interactions
        pairs = [(int(data.user_ids[data.users[k]]), int(data.item_ids[data.items[k]]), float(data.labels[k])) for k in (0, -1)]
    assert ifru("forget", "shop", "--interaction", *pairs[0][:2], "--json")[1]["report"]["forgotten"] == 1
    user, item, label = pairs[1]
    status, told, _ = ifru("correct", "shop", "--label", user, item, 1 - label, "--json")
    assert (status, told["report"]["corrected"], told["kind"]) == (Exit.DONE, 1, "correct")
    assert ifru("correct", "shop", "--label", user, item, label, "--quick", "--json")[1]["report"]["scope"]["users"] == 1
    assert ifru("correct", "shop")[0] == Exit.ERROR


def test_scan_compact_export(ifru, home):
    there = ifru("history", "shop", "--json")[1][0]["counts"]["users"]
    ifru("forget", "shop", "--user", 103)
    assert ifru("scan", "shop", "--user", 103, "--json")[0] == Exit.NO  # within the grace period
    status, told, _ = ifru("compact", "shop", "--json")
    assert (status, told["counts"]["users"]) == (Exit.DONE, there - 1)
    assert [ifru("export", "shop", "--to", "served.npz")[0] for _ in range(2)] == [Exit.DONE, Exit.DONE]
    assert ifru("scan", "served.npz", "--user", 103)[0] == Exit.DONE
    assert ifru("forget", "shop", "--user", 104, "--json")[1]["elsewhere"] == [str((home / "served.npz").resolve())]


def test_quick_answers_are_settled_and_all_is_a_page(ifru, home):
    status, told, _ = ifru("settle", "shop")
    assert (status, "Nothing is to be settled" in told) == (Exit.DONE, True)
    assert ifru("forget", "shop", "--user", 103, "--quick", "--json")[1]["report"]["scope"]["users"] == 1
    assert "quick" in ifru("history", "shop")[1]
    assert "away from it" in ifru("settle", "shop")[1]
    assert ifru("settle", "shop", "--json")[:2] == (Exit.DONE, {"number": None})
    assert [ifru("report", "shop")[0] for _ in range(2)] == [Exit.DONE, Exit.DONE]
    assert (home / "report.html").read_text().startswith("<!doctype html>")
    assert ifru("end-grace", "shop", "--json")[1] == {"destroyed": 1}


def test_the_budget_of_errors_is_shown_and_settles(ifru, tmp_path):
    status, told, _ = ifru("forget", "shop", "--user", 103, "--quick")
    assert status == Exit.DONE
    assert "from what settles them, of 50.00% allowed" in told
    assert "from what settles them" in ifru("history", "shop")[1]
    assert "from what settles them" in ifru("preview", "shop", "--user", 104)[1]
    spent = ifru("preview", "shop", "--user", 104, "--json")[1]["spent"]
    assert spent["budget"]["settle_at"] == 0.5
    assert 0 < spent["distance"] < 0.5
    with Store.open("shop", key="key") as store:
        model = store.model
    Store.create("strict", model, key="key", budget=ErrorBudget(settle_at=0)).close()
    told = ifru("forget", "strict", "--user", 105, "--quick")[1]
    assert "settled at once (line 3 of the record)" in told
    assert "the budget was spent" in ifru("history", "strict")[1]


def test_somebody_else_writes(ifru, home):
    with Store.open("shop", key="key"):
        status, _, err = ifru("forget", "shop", "--user", 103)
        assert (status, f"process {os.getpid()}" in err) == (Exit.BUSY, True)
        assert ifru("recommend", "shop", "--user", 103)[0] == Exit.DONE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("forget", "shop"), "names nobody"),
        (("forget", "nowhere", "--user", 1), "nowhere is no store"),
        (("undo", "shop"), "nothing can be undone"),
        (("verify", "shop"), "nothing was asked of this store yet"),
        (("erased", "shop"), "give a user, an item, or both"),
        (("erased", "shop", "--user", ""), "an id is ''"),
        (("forget", "shop", "--user", ""), "an id is ''"),
        (("correct", "shop", "--label", 103, "i1", "nan"), "the new label of user 103 with item i1 is nan"),
        (("scan", "--user", 103), "there is nowhere to look"),
        (("key", "key"), "never overwritten"),
        (("key", "nowhere/key"), "give a name in a folder that is there"),
        (("history", "."), ". is no store"),
        (("frget",), "there is no command 'frget'. Did you mean forget?"),
        (("train", "movielens-small", "--store", "shop"), "there already and not empty"),
        (("train", "movielens-small", "--store", "new", "--grace", "soon"), "no span of time"),
        (("train", "movielens-small", "--store", "new", "--grace", "99999999d"), "more than a hundred years"),
        (("train", "movielens-small", "--store", "new", "--layers", 2), "mf has none"),
        (("train", "movielens-small", "--store", "new", "--model", "lightgcn", "--sparse"), "leave --sparse out"),
        (("train", "movielens-small", "--store", "new", "--embedding-size", 0), "embedding_size is 0"),
        (("export", "shop", "--to", "shop/model.npz"), "is in the store"),
        (("export", "shop", "--to", "key"), "this store did not write it"),
        (("export", "shop", "--to", "nowhere/served.npz"), "does not exist"),
        (("report", "shop", "--to", "shop/store.sqlite"), "is in the store"),
        (("report", "shop", "--to", "key"), "this store did not write it"),
    ],
)
def test_errors_are_one_line(ifru, arguments, message, monkeypatch):
    monkeypatch.setattr("ifru_jax.progress.PATIENCE", math.inf)  # on a busy machine some of them take longer than two seconds
    status, out, err = ifru(*arguments)
    assert (status, out) == (Exit.ERROR, "")
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_wrong_key_is_told(ifru, home, monkeypatch):
    make_key(home / "other")
    assert "not the key" in ifru("forget", "shop", "--user", 103, "--key", "other")[2]
    monkeypatch.delenv("IFRU_KEY")
    assert "give the key file, or only read" in ifru("forget", "shop", "--user", 103)[2]
    assert ifru("history", "shop")[0] == Exit.DONE


@pytest.mark.parametrize(
    ("above", "message"),
    [
        (5, "label_above = 5.0 leaves ratings with one kind of label: its ratings go from 1 to 5, choose a threshold in between"),
        (0.5, "label_above = 0.5 leaves ratings with one kind of label"),
        ("nan", "the threshold nan is no finite number: give one on the scale of the ratings"),
    ],
)
def test_a_threshold_that_leaves_one_kind_of_label_makes_no_store(ifru, home, above, message):
    rows = [f"{p // 6},{p % 6},{1 + p % 5}\n" for p in range(36)]
    (home / "ratings.csv").write_text("user,item,rating\n" + "".join(rows))
    there = sorted(home.rglob("*"))
    status, out, err = ifru("train", "ratings.csv", "--store", "new", "--label-above", above)
    assert (status, out) == (Exit.ERROR, "")
    assert message in err
    assert sorted(home.rglob("*")) == there


@pytest.mark.slow
def test_train_and_verify(ifru, home):
    rng = np.random.default_rng(0)
    pairs = rng.permutation(40 * 30)[:700]
    (home / "ratings.csv").write_text("user,item,rating\n" + "".join(f"{p // 30},{p % 30},{rng.integers(1, 6)}\n" for p in pairs))
    status, told, _ = ifru(
        "train", "ratings.csv", "--store", "new", "--key", "key", "--grace", "1d", "--epochs", 3, "--sparse", "--json"
    )
    assert (status, told["store"]) == (Exit.DONE, "new")
    assert 0 < told["test"]["auc"] < 1
    told = ifru("forget", "new", "--user", 1, 2, 3, "--json")[1]
    assert told["elsewhere"] == [str((home / "ratings.csv").resolve())]
    status, told, _ = ifru("verify", "new", "--seeds", 2, "--json")
    assert all(fact["holds"] for fact in told["facts"].values())
    assert status == {"passed": 0, "failed": 1, "cannot tell": 3}[told["verdict"]]
    last = ifru("history", "new", "--json")[1][-1]
    assert (last["kind"], last["step"], last["verdict"]) == ("verify", 2, told["verdict"])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example_and_starts_nothing(capsys, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        run([name, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert f"usage: ifru {name}" in told
    assert f"    ifru {name} " in told
    assert not list(tmp_path.iterdir())


def test_the_overview_names_every_command(capsys):
    assert run([]) == run(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n{name} " in told for name in COMMANDS)
    assert "Exit status" in told


@pytest.mark.slow
def test_the_module_is_the_command(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ifru_jax", "history", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere is no store" in done.stderr
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"ifru": "ifru_jax.__main__:main"}


def test_without_its_extra_it_says_what_to_install(monkeypatch, capsys):
    from ifru_jax.__main__ import main

    monkeypatch.setitem(sys.modules, "tyro", None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert 'the command ifru needs tyro: pip install ".[cli]"' in capsys.readouterr().err
