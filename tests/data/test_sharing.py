"""A split that is streamed: that of `random_split`, each process with the interactions of its users, in bounded memory."""

import tracemalloc
from dataclasses import replace

import jax
import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, Interactions, balanced, random_split, stream_interactions, stream_split
from ifru_jax.data import Dropped, binarize, k_core
from ifru_jax.data.draws import drawing
from ifru_jax.data.large.sharing import PARTS, Shuffle, Tables, check_train_labels, read_share, write_exchange, write_share
from ifru_jax.data.numbering import places_in

MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("rows",))
SHARES = (0.5, 0.3, 0.2)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    users, items = rng.geometric(0.05, 700), rng.geometric(0.1, 700)
    columns = {"user": [f"u{user}" for user in users], "item": items, "rating": rng.integers(1, 6, 700), "time": np.arange(700)}
    (tmp_path / "data").mkdir()
    for number, part in enumerate(polars.DataFrame(columns).iter_slices(300)):
        part.write_parquet(tmp_path / "data" / f"{number}.parquet", row_group_size=90)
    return tmp_path / "data"


def rows(data):
    """The interactions, whatever their order."""
    return sorted(zip(*(getattr(data, name).tolist() for name in ("users", "items", "labels", "timestamps")), strict=True))


@pytest.mark.parametrize("k", [0, 5])
@pytest.mark.parametrize("mesh", [None, MESH], ids=["alone", "balanced"])
def test_it_is_the_split_of_all_interactions(folder, tmp_path, monkeypatch, mesh, k):
    monkeypatch.setattr("ifru_jax.data.large.sharing.PIECE", 64)
    found = stream_split(folder, tmp_path / "into", mesh=mesh, k=k, label_above=3, shares=SHARES, seed=5)
    data = stream_interactions(folder, tmp_path / "into")
    core = k_core(data, k)
    expected = random_split(binarize(core, above=3), shares=SHARES, seed=5)
    expected = expected if mesh is None else balanced(expected, 1)
    expected = replace(expected, dropped=(*Dropped.between(data, core, f"in the {k}-core"), *expected.dropped))
    assert repr(found) == repr(expected)
    assert bool(k) == ("5-core" in repr(found))
    for one, other in zip(found.parts, expected.parts, strict=True):
        assert rows(one) == rows(other)
        np.testing.assert_array_equal(one.user_ids, other.user_ids)
        np.testing.assert_array_equal(one.item_ids, other.item_ids)
        assert one.share is None
        assert isinstance(one.users, np.memmap)
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == [
        "item_ids.npy", "rows-0-of-1", "split-0-of-1", "user_ids.npy", "vocabulary.json"
    ]  # fmt: skip


@given(st.integers(1, 4), st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_every_process_gets_what_all_read_of_its_users(tmp_path_factory, processes, seed, count, piece):
    """Any rows, any owners, and tables that leave some users and items out."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("exchange")
    read = [
        Interactions(
            rng.integers(0, 9, count), rng.integers(0, 7, count), rng.integers(1, 6, count), 9, 7,
            timestamps=rng.permutation(count).astype(float) + 1000 * process, user_ids=np.arange(9) * 3, item_ids=np.arange(7),
        )
        for process in range(processes)
    ]  # fmt: skip
    user_order, item_order = rng.permutation(9)[: rng.integers(1, 10)], rng.permutation(7)[: rng.integers(1, 8)]
    owners = np.sort(rng.integers(0, processes, len(user_order))).astype(np.int32)
    tables = Tables(places_in(user_order, 9), places_in(item_order, 7), user_order, item_order, owners)
    written, core = 0, rng.random(9) < 0.8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ifru_jax.data.large.sharing.PIECE", piece)
        for process, data in enumerate(read):
            shuffle = Shuffle(data, (core, np.ones(7, bool)), drawing(data, seed=1), (0.4, 0.7), 3)
            written += write_exchange(folder / "exchange", shuffle, tables, (process, processes))
        for process, data in enumerate(read):
            write_share(folder / f"split-{process}", folder / "exchange", data, tables, process)
    found = [[read_share(folder / f"split-{process}", part, tables, None) for part in PARTS] for process in range(processes)]
    whole = [(data, drawing(data, seed=1)(data.users, data.items)) for data in read]
    kept = 0
    for number, (low, high) in enumerate([(0, 0.4), (0.4, 0.7), (0.7, 1)]):
        wanted = []
        for data, draws in whole:
            users, items = tables.users[data.users], tables.items[data.items]
            chosen = (draws >= low) & (draws < high) & (users >= 0) & (items >= 0) & core[data.users]
            wanted += zip(users[chosen], items[chosen], data.labels[chosen] > 3, data.timestamps[chosen], strict=True)
        for process, parts in enumerate(found):
            assert rows(parts[number]) == sorted(one for one in wanted if owners[one[0]] == process)
            np.testing.assert_array_equal(parts[number].user_ids, user_order * 3)
        kept += len(wanted)
    assert kept == written


def test_no_more_than_a_piece_and_what_users_and_items_have_is_held(tmp_path, monkeypatch):
    rng, count = np.random.default_rng(0), 200_000
    columns = {"user": rng.integers(0, 500, count), "item": rng.integers(0, 50, count), "rating": rng.integers(1, 6, count)}
    polars.DataFrame(columns).write_parquet(tmp_path / "all.parquet", row_group_size=2_000)
    monkeypatch.setattr("ifru_jax.data.large.sharing.PIECE", 2_000)
    # What is imported and what reading takes (`test_large`) is not counted.
    stream_split(tmp_path / "all.parquet", tmp_path / "into", label_above=3)
    tracemalloc.start()
    split = stream_split(tmp_path / "all.parquet", tmp_path / "into", label_above=3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(split.train) > 0.55 * count
    # A column has 0.8 MB.
    assert peak < 0.6e6


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("above", [0, 0.5, 5, 30])
@pytest.mark.parametrize("mesh", [None, MESH], ids=["alone", "balanced"])
def test_a_threshold_that_leaves_one_kind_of_label_is_refused_before_the_split_is_written(folder, tmp_path, mesh, above):
    into = tmp_path / "into"
    stream_interactions(folder, into)
    before = listed(into)
    with pytest.raises(
        DataError, match=rf"label_above = {above} leaves .*data with one kind of label: its ratings go from 1 to 5, choose a thr"
    ):
        stream_split(folder, into, mesh=mesh, label_above=above)
    assert listed(into) == before
    # What was read is used by the next call.
    assert set(stream_split(folder, into, mesh=mesh, label_above=3).train.labels.tolist()) == {0, 1}


def test_what_trains_has_both_kinds_of_labels_whatever_else_there_is(tmp_path):
    """Only those outside the core, or outside train, have a rating up to the threshold."""
    users, items = np.divmod(np.arange(36), 6)
    columns = {"user": np.append(users, 9), "item": np.append(items, 0), "rating": np.append(np.full(36, 4), 1)}
    polars.DataFrame(columns).write_parquet(tmp_path / "x.parquet")
    into = tmp_path / "into"
    with pytest.raises(DataError, match=r"label_above = 3 leaves .*: all its ratings are 4, .*: leave label_above out"):
        stream_split(tmp_path / "x.parquet", into, k=2, label_above=3)
    assert not [*into.glob("split-*"), *into.glob("exchange-*")]
    split = stream_split(tmp_path / "x.parquet", into, k=0, label_above=3, shares=(1, 0, 0))
    assert np.bincount(split.train.labels.astype(int)).tolist() == [1, 36]


def test_labels_are_counted_over_all_processes(folder, tmp_path, monkeypatch):
    """This process has negatives alone, and another the positives; ratings of both are in the message."""
    data = stream_interactions(folder, tmp_path / "into")
    own = data.select(data.labels < 3)
    shuffle = Shuffle(own, (np.ones(own.num_users, bool), np.ones(own.num_items, bool)), drawing(own, seed=0), (1.0, 1.0), 2)
    monkeypatch.setattr("ifru_jax.data.large.sharing.among_processes", lambda _: (0, 2))

    def summed(*others):
        other = iter(others)
        monkeypatch.setattr("ifru_jax.data.large.sharing.sum_over_processes", lambda values, _: values + next(other))

    summed([[0, 0], [3, 5]], [0, 7])
    check_train_labels(shuffle, None, "data")
    summed([[0, 0], [0.5, 2]], [7, 0])
    with pytest.raises(DataError, match=r"label_above = 2 leaves data with one kind of label: its ratings go from 0\.5 to 2"):
        check_train_labels(shuffle, None, "data")
    summed([[0, 0], [np.inf, -np.inf]], [0, 0])  # nothing of train is there
    with pytest.raises(DataError, match="its ratings go from 1 to 2"):
        check_train_labels(shuffle, None, "data")


def test_what_is_no_split_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="three that sum to 1"):
        stream_split(folder, tmp_path / "into", shares=(0.5, 0.5, 0.5))
    with pytest.raises(DataError, match="give the mesh that on_mesh"):
        stream_split(folder, tmp_path / "into", mesh=4)
    with pytest.raises(DataError, match=r"no interaction of .* is left for train"):
        stream_split(folder, tmp_path / "into", shares=(1e-9, 0.5, 0.5))
    with pytest.raises(DataError, match="no interaction is left in the 99-core"):
        stream_split(folder, tmp_path / "into", k=99)
    with pytest.raises(DataError, match="k = -1 is negative"):
        stream_split(folder, tmp_path / "refused", k=-1)
    with pytest.raises(DataError, match="the threshold nan is no finite number: give one on the scale of the ratings"):
        stream_split(folder, tmp_path / "refused", label_above=float("nan"))
    assert not (tmp_path / "refused").exists()
