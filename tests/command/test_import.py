"""`ifru import`: a file of another system becomes a store that forgets."""

import json
from pathlib import Path

import numpy as np
import pytest

from ifru_jax.command import run
from ifru_jax.command.line import Exit
from ifru_jax.exact import ALSModel
from ifru_jax.interop.containers import read_npz
from ifru_jax.store import Store
from ifru_jax.training import Trained
from tests.interop.conftest import drawn
from tests.interop.test_implicit import ALPHA, REG, als_file, bpr_file


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Models of implicit whose rows are in another order than the ids ascend, and their data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IFRU_JAX_CACHE", "off")
    data = drawn()
    als_file(tmp_path / "als.npz", data)
    bpr_file(tmp_path / "bpr.npz", data)
    users = np.random.default_rng(1).permutation(1000)[:40]
    (tmp_path / "users.txt").write_text("".join(f"{user}\n" for user in users))
    (tmp_path / "items.txt").write_text("".join(f"i{item}\n" for item in range(25)))
    rows = zip(users[data.users], data.items, data.labels, strict=True)
    (tmp_path / "ratings.csv").write_text("user,item,rating\n" + "".join(f"{u},i{i},{r:g}\n" for u, i, r in rows))
    return users


def ifru(capsys, *arguments):
    capsys.readouterr()
    status = run([str(argument) for argument in arguments])
    return status, capsys.readouterr()


IDS = ("--user-ids", "users.txt", "--item-ids", "items.txt")


@pytest.mark.parametrize("file", ["als.npz", "bpr.npz"])
def test_a_model_of_implicit_becomes_a_store_and_goes_back(folder, capsys, file):
    options = ("--source", "implicit", "--data", "ratings.csv", *IDS, "--store", "shop", "--json")
    status, told = ifru(capsys, "import", file, *options)
    assert status == Exit.DONE
    assert "warning" not in told.err
    assert json.loads(told.out)["evidence"]["auc"] > 0.7
    user = folder[7]
    assert ifru(capsys, "forget", "shop", "--user", user)[0] == Exit.DONE
    status, told = ifru(capsys, "recommend", "shop", "--user", user, folder[8], "-k", 2, "--json")
    lists = {one["user"]: one["items"] for one in json.loads(told.out)}
    assert sorted(len(items) for items in lists.values()) == [0, 2]
    assert "user_factors" in read_npz(file)  # what it came from is as it was
    assert ifru(capsys, "verify-record", "shop")[0] == Exit.DONE
    assert ifru(capsys, "export", "shop", "--to", "back.npz", "--like", "implicit")[0] == Exit.DONE
    ids = json.loads(Path("back.ids.json").read_text())
    back = read_npz("back.npz")
    assert user not in ids["user_ids"]
    assert len(ids["user_ids"]) == len(back["user_factors"]) == 39
    assert back["regularization"] == read_npz(file)["regularization"]
    status, told = ifru(capsys, "forget", "shop", "--user", folder[9], "--json")
    assert {Path(path).name for path in json.loads(told.out)["elsewhere"]} == {"back.npz", "back.ids.json", file, "ratings.csv"}


def test_als_is_answered_exactly_unless_one_says_otherwise(folder, capsys):
    for flag, kind in ((), ALSModel), (("--no-exact",), Trained):
        options = ("--source", "implicit", "--data", "ratings.csv", *IDS, "--store", f"shop{len(flag)}", *flag)
        assert ifru(capsys, "import", "als.npz", *options)[0] == Exit.DONE
        with Store.open(f"shop{len(flag)}", read_only=True) as store:
            assert isinstance(store.model, kind)
    status, told = ifru(capsys, "explain", "shop0", "--user", folder[7])
    assert status == Exit.ERROR
    assert "ask what would change by ifru preview" in " ".join(told.err.split())


def test_als_of_anybody_becomes_a_store(folder, capsys, tmp_path):
    tables = {"user_embedding": "user_factors", "item_embedding": "item_factors"}
    ids = {"user_ids": folder.tolist(), "item_ids": [f"i{item}" for item in range(25)]}
    (tmp_path / "als.json").write_text(json.dumps({"tables": tables, "loss": "als", "reg": REG, "alpha": ALPHA} | ids))
    status, told = ifru(capsys, "import", "als.npz", "--data", "ratings.csv", "--store", "shop")
    assert status == Exit.DONE, told.err
    assert ifru(capsys, "forget", "shop", "--user", folder[7])[0] == Exit.DONE


def test_what_does_not_fit_is_refused(folder, capsys):
    store = ("--store", "shop")
    for arguments, words in (
        (("als.npz", "--source", "implicit", *store), "comes without interactions"),
        (("als.npz", "--source", "tensors", "--data", "ratings.csv", *IDS, *store), "JSON file beside them"),
        (("als.npz", "--source", "lightgcn-pytorch", "--data", "ratings.csv", *IDS, *store), "numbers of its rows"),
        (("none.npz", "--source", "implicit", "--data", "ratings.csv", *store), "is not a file"),
        (("als.npz", "--source", "implicit", "--data", "ratings.csv", "--user-ids", "no.txt", *store), "an id a line"),
        (("als.npz", "--source", "tensors", *store), "als.json is not a file"),
    ):
        status, told = ifru(capsys, "import", *arguments)
        assert status == Exit.ERROR
        assert words in told.err.replace("\n", " ")
    assert ifru(capsys, "import", "als.npz", "--source", "implicit", "--data", "ratings.csv", *IDS, *store)[0] == Exit.DONE


def test_a_threshold_that_no_rating_is_above_makes_no_store(folder, capsys, tmp_path):
    there = sorted(tmp_path.rglob("*"))
    options = ("--source", "implicit", "--data", "ratings.csv", *IDS, "--store", "shop")
    for above, words in (
        (1000, "is above 1000: the highest is"),
        ("nan", "the threshold nan is no finite number: give one on the scale of the ratings"),
    ):
        status, told = ifru(capsys, "import", "als.npz", *options, "--label-above", above)
        assert status == Exit.ERROR
        assert words in told.err.replace("\n", " ")
    assert sorted(tmp_path.rglob("*")) == there


@pytest.mark.filterwarnings("default::ifru_jax.DataWarning")
def test_another_order_is_told(folder, capsys):
    """Ids that are taken in ascending order although rows are in another."""
    status, told = ifru(capsys, "import", "als.npz", "--source", "implicit", "--data", "ratings.csv", "--store", "shop")
    assert status == Exit.DONE
    assert "warning" in told.err
