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
from ifru_jax.data.large.sharing import PARTS, Shuffle, Tables, read_share, write_exchange, write_share
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
    with pytest.raises(DataError, match="the threshold nan is not a number"):
        stream_split(folder, tmp_path / "refused", label_above=float("nan"))
    assert not (tmp_path / "refused").exists()
