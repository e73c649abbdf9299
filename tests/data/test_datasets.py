from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ifru_jax.data import Dataset, Interactions, load_dataset, protocol_split
from ifru_jax.data.datasets import LABEL_ABOVE
from ifru_jax.errors import DataError, DataWarning


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder, and no way to download."""
    monkeypatch.setenv("IFRU_JAX_DATA", str(tmp_path))
    monkeypatch.setenv("IFRU_JAX_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def write(path, users, items, ratings):
    frame = pl.DataFrame({"user": users, "item": items, "rating": ratings})
    frame.write_csv(path, compression="gzip") if path.suffix == ".gz" else frame.write_csv(path)
    return path


def complete(num_users, num_items):
    users, items = np.divmod(np.arange(num_users * num_items), num_items)
    return users, items


def test_folder(folder):
    users, items = complete(6, 6)
    write(folder / "amazon.csv.gz", users, items, 1 + (users + items) % 5)
    write(folder / "mine.csv.gz", users, items, 1 + (users + items) % 5)
    assert load_dataset("amazon").label_above == 4
    mine = load_dataset("mine")
    assert (mine.name, mine.label_above, len(mine.interactions), mine.given_test) == ("mine", 3, 36, None)


def test_published_split(folder):
    users, items = complete(6, 8)
    keep = (users + items) % 2 == 0
    write(folder / "gowalla-train.csv.gz", users[keep], items[keep], np.ones(24, int))
    write(folder / "gowalla-test.csv.gz", [0, 1], [1, 0], [1, 1])
    dataset = load_dataset("gowalla")
    assert dataset.label_above is None
    split = protocol_split(dataset)
    assert [len(part) for part in split.parts] == [44, 4, 4]  # a tenth of 24 is valid, one negative each
    assert [part.labels.mean() for part in split.parts] == [0.5] * 3
    assert all(part.groups is not None for part in split.parts)


def test_path(folder):
    users, items = complete(6, 6)
    for suffix, ratings, above in [
        ("a.csv", 1 + users % 10 * 9 // 5, 5.5),
        ("b.csv", users % 2, 0.5),
        ("c.csv", np.ones(36, int), None),
    ]:
        dataset = load_dataset(write(folder / suffix, users, items, ratings))
        assert (dataset.name, dataset.label_above) == (suffix[0], above)
    with pytest.raises(DataError, match="there is no such file"):
        load_dataset(folder / "missing.csv")
    with pytest.raises(DataError, match="there is no such file"):
        load_dataset(str(folder / "missing"))


def test_protocol_split_makes_labels_and_split():
    users, items = complete(30, 20)
    ratings = 1 + (users + items) % 5
    dataset = Dataset("x", Interactions.from_arrays(users, items, ratings), label_above=3)
    split = protocol_split(replace(dataset, stable=False))
    assert [len(part) for part in split.parts] == [360, 120, 120]
    split = protocol_split(dataset)
    assert [len(part) for part in split.parts] == pytest.approx([360, 120, 120], abs=25)
    assert set(split.train.labels.tolist()) == {0, 1}
    assert split.train.labels.mean() == pytest.approx(0.4, abs=0.05)
    assert protocol_split(dataset, label_above=1).train.labels.mean() == pytest.approx(0.8, abs=0.05)
    assert not np.array_equal(protocol_split(dataset, seed=1).train.users, split.train.users)


def test_protocol_split_of_implicit_data_samples_negatives():
    users, items = complete(30, 20)
    half = (users + items) % 2 == 0
    split = protocol_split(Dataset("x", Interactions.from_arrays(users[half], items[half], np.full(300, 5.0)), stable=False))
    assert [len(part) for part in split.parts] == [360, 120, 120]
    assert set(split.train.labels.tolist()) == {0, 1}


def test_protocol_split_errors():
    users, items = complete(6, 6)
    data = Interactions.from_arrays(users, items, 1 + users % 5)
    for above in (0, 5, 9):
        with pytest.raises(DataError, match="leaves x with one kind of label: its ratings go from 1 to 5"):
            protocol_split(Dataset("x", data), label_above=above)
    for above in (float("nan"), float("inf"), "3"):
        with pytest.raises(DataError, match=r"the threshold .* is no finite number: give one on the scale"):
            protocol_split(Dataset("x", data), label_above=above)
    with pytest.raises(DataError, match="7-core"):
        protocol_split(Dataset("x", data, 3), k=7)


def test_a_threshold_of_ratings_that_are_all_alike_is_to_be_left_out():
    users, items = complete(6, 8)
    half = (users + items) % 2 == 0
    data = Interactions.from_arrays(users[half], items[half], np.full(24, 4))
    with pytest.raises(DataError, match=r"label_above = 3 leaves x with one .*: all its ratings are 4, .* leave label_above out"):
        protocol_split(Dataset("x", data), label_above=3, k=0)
    assert protocol_split(Dataset("x", data), k=0).train.labels.mean() == 0.5  # with sampled negatives


def test_ratings_are_judged_after_the_core_and_the_split():
    """One user, outside the core, has the only rating up to the threshold."""
    users, items = complete(6, 6)
    data = Interactions.from_arrays(np.append(users, 9), np.append(items, 0), np.append(np.full(36, 4), 1))
    with pytest.raises(DataError, match=r"label_above = 2\.5 leaves interactions with one kind of label: all its ratings are 4"):
        protocol_split(data, k=2)


def test_implicit_data_has_no_ratings_of_0(folder):
    users, items = complete(6, 8)
    half = (users + items) % 2 == 0
    dataset = load_dataset(write(folder / "a.csv", users[half], items[half], np.zeros(24, int)))
    with pytest.raises(DataError, match=r"the ratings of a go from 0 to 0, and without .* unrated=0, .* or with rating=None"):
        protocol_split(dataset, k=0)
    assert len(protocol_split(load_dataset(folder / "a.csv", rating=None), k=0).train)


def test_names(folder):
    with pytest.raises(DataError, match=r"unknown data set 'bookcrosing': did you mean bookcrossing\?") as caught:
        load_dataset("bookcrosing")
    assert all(name in str(caught.value) for name in LABEL_ABOVE)
    with pytest.raises(DataError, match=r"unknown data set 'zzz': Give one of .*NAME.csv.gz in the folder IFRU_JAX_DATA"):
        load_dataset("zzz")
    for name in ("bookcrossing", "amazon"):
        with pytest.raises(DataError, match=f"{name} can't be downloaded .* put {name}.csv.gz"):
            load_dataset(name)
    for name in ("ml-100k", "gowalla"):
        with pytest.raises(DataError, match=r"can't be downloaded .*IFRU_JAX_DATA"):
            load_dataset(name)


def test_missing_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("IFRU_JAX_DATA", str(tmp_path / "missing"))
    with pytest.raises(DataError, match="which is no folder"):
        load_dataset("amazon")


@pytest.mark.parametrize(
    ("name", "train", "valid", "test", "users", "items"),
    [
        ("ml-100k", 59_572, 19_858, 19_857, 943, 1_349),
        ("bookcrossing", 53_131, 17_604, 17_598, 6_336, 6_901),
        ("amazon", 117_464, 39_154, 39_155, 6_170, 2_746),
    ],
)
def test_sizes_of_the_shared_data(shared_data, monkeypatch, name, train, valid, test, users, items):
    monkeypatch.setenv("IFRU_JAX_DATA", str(shared_data))
    split = protocol_split(load_dataset(name))
    assert [len(part) for part in split.parts] == [train, valid, test]
    assert (split.train.num_users, split.train.num_items) == (users, items)


def test_a_path_is_read_by_the_arguments_of_interactions(folder):
    users, items = complete(6, 6)
    text = "".join(f"{user}::{item}::{1 + user % 5}\n" for user, item in zip(users, items, strict=True))
    (folder / "x.dat").write_text(text)
    dataset = load_dataset(folder / "x.dat", columns=("user", "item", "rating"))
    assert (dataset.name, dataset.label_above, len(dataset.interactions)) == ("x", 3, 36)
    (folder / "parts").mkdir()
    for part in (0, 1):
        write(folder / "parts" / f"{part}.csv", users[part::2], items[part::2], 1 + users[part::2] % 5)
    assert len(load_dataset(str(folder / "parts")).interactions) == 36
    with pytest.raises(DataError, match="separator is about files, and movielens-small is none"):
        load_dataset("movielens-small", separator=",")


def test_a_threshold_that_leaves_few_of_one_label_is_told():
    users, items = complete(40, 30)
    plays = np.where(np.arange(1200) % 300 == 0, 5000, 1 + np.arange(1200) % 7)
    data = Interactions.from_arrays(users, items, plays)
    with pytest.warns(
        DataWarning, match=r"0\.\d+% of the train interactions of interactions are positive, those above 2500.5"
    ) as caught:
        protocol_split(data)
    assert caught[0].filename == __file__
    with pytest.warns(DataWarning, match=r"99\.\d+% of the train interactions"):
        protocol_split(Dataset("x", data.with_labels(np.where(plays == 5000, 0, 1)), label_above=0.5))
    protocol_split(data, label_above=3)


def test_what_is_left_out_is_counted():
    users, items = complete(30, 20)
    rows = [*zip(users, items, strict=True), (30, 0), (31, 0), (31, 1), (0, 20)]
    users, items = map(np.array, zip(*rows, strict=True))
    split = protocol_split(Dataset("x", Interactions.from_arrays(users, items, 1 + (users + items) % 5), label_above=3))
    assert [(part.why, part.interactions, part.users, part.items) for part in split.dropped] == [("not in the 5-core", 4, 2, 1)]
    assert repr(split).endswith("left out: 4 interactions with 2 users and 1 items not in the 5-core")
    kept = protocol_split(Dataset("x", Interactions.from_arrays(users[::3], items[::3])), k=0)  # with sampled negatives
    observed = sum(int((part.labels > 0.5).sum()) for part in kept.parts)
    assert observed + sum(part.interactions for part in kept.dropped) == len(rows[::3])
