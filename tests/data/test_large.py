"""Parquet that is streamed: the same interactions as when it is read at once, in shares, in bounded memory; and what is refused."""

import tracemalloc
from itertools import pairwise

import jax
import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError, TrainConfig, fit, mf, read_interactions, unlearn
from ifru_jax.data import Split, stream_interactions
from ifru_jax.data.large.row_groups import RowGroup, row_groups, share_of
from ifru_jax.data.large.vocabulary import write_vocabulary
from ifru_jax.training import FullSoftmax

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=5)


@given(
    st.lists(st.sets(st.integers(0, 300), min_size=1) | st.sets(TEXTS, min_size=1), min_size=1, max_size=8),
    st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_a_vocabulary_is_the_union_however_little_is_held(tmp_path_factory, chunks, most):
    path = tmp_path_factory.mktemp("vocabulary") / "ids.npy"
    arrays = [np.array(sorted(chunk)) for chunk in chunks]
    expected = np.unique(np.concatenate([a.astype(np.result_type(*arrays)) for a in arrays]))
    assert write_vocabulary(path, iter(arrays), most=most) == len(expected)
    found = np.load(path)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype.kind == expected.dtype.kind
    assert [file.name for file in path.parent.iterdir()] == ["ids.npy"]


def written(folder, frames, *, rows=50):
    """One file per frame, in row groups of so many rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        polars.DataFrame(frame).write_parquet(folder / f"part-{number}.parquet", row_group_size=rows)
    return folder


def some(count, seed=0, *, users=40, texts=False, start=0):
    rng = np.random.default_rng(seed)
    pairs = rng.choice(users * 60, count, replace=False)
    who = pairs // 60 + 1000
    return {
        "userId": [f"u{user}" for user in who] if texts else who,
        "movieId": pairs % 60 * 7,
        "rating": rng.integers(1, 6, count).astype(float),
        "timestamp": start + np.arange(count),
    }


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "data", [some(320), some(130, 1, users=90), some(7, 2)])


def same(found, expected):
    for name in ("users", "items", "labels", "timestamps", "user_ids", "item_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.num_users, found.num_items) == (expected.num_users, expected.num_items)


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("most", [3, 10_000])
def test_what_is_streamed_is_what_is_read(tmp_path, texts, most):
    folder = written(tmp_path / "data", [some(320, texts=texts)])
    found = stream_interactions(folder, tmp_path / "into", most=most)
    same(found, read_interactions(folder))
    assert all(isinstance(column, np.memmap) for column in (found.users, found.items, found.labels, found.timestamps))
    for name in ("users", "items", "labels"):
        assert getattr(found, name).base is not None


def test_a_column_is_of_texts_where_one_row_group_is(tmp_path):
    folder = written(tmp_path / "data", [{"user": ["7", "12", "b", "0012"], "item": [1, 2, 3, 4]}], rows=2)
    found = stream_interactions(folder, tmp_path / "into")
    same(found, read_interactions(folder))
    assert found.user_ids.tolist() == ["0012", "12", "7", "b"]
    assert found.timestamps is None
    assert (found.labels == 1).all()


def test_shares_are_all_rows_once_in_the_same_numbers(folder, tmp_path):
    whole = stream_interactions(folder, tmp_path / "whole")
    parts = [stream_interactions(folder, tmp_path / "into", process_index=k, process_count=3) for k in range(3)]
    assert min(map(len, parts)) > 0.15 * len(whole)
    for name in ("users", "items", "labels", "timestamps"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    for part in parts:
        np.testing.assert_array_equal(part.user_ids, whole.user_ids)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 6))
@settings(deadline=None)
def test_every_row_group_is_of_one_process_and_they_are_in_order(sizes, count):
    groups = [RowGroup(None, number, size) for number, size in enumerate(sizes)]
    found = []
    for index in range(count):
        try:
            found += share_of(groups, index, count)
        except DataError:
            assert max(sizes) * count > sum(sizes)
    assert found == groups


def test_no_more_than_a_row_group_and_some_ids_are_held(tmp_path):
    rng, count = np.random.default_rng(0), 200_000
    folder = written(tmp_path / "data", [{"user": rng.permutation(count), "item": rng.integers(0, 50, count)}], rows=5_000)
    row_groups(folder)  # what is imported is not counted
    tracemalloc.start()
    found = stream_interactions(folder, tmp_path / "into", most=10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.num_users == count
    # A column of ids alone has 1.6 MB.
    assert peak < 0.9e6


def test_what_is_there_is_used_again_and_what_was_cut_off_is_done_again(folder, tmp_path, monkeypatch):
    cells, asked = RowGroup.cells, []

    def failing(group, columns):
        asked.append(group)
        if len(columns) > 2 and group.number == 3:
            raise KeyboardInterrupt
        return cells(group, columns)

    monkeypatch.setattr(RowGroup, "cells", failing)
    with pytest.raises(KeyboardInterrupt):
        stream_interactions(folder, tmp_path / "into")
    monkeypatch.setattr(RowGroup, "cells", lambda group, columns: asked.append(group) or cells(group, columns))
    asked.clear()
    first = stream_interactions(folder, tmp_path / "into")
    assert len(asked) == len(row_groups(folder)[0])  # the ids were there
    asked.clear()
    same(stream_interactions(folder, tmp_path / "into"), first)
    assert not asked


@pytest.mark.filterwarnings("ignore:there is no validation")
def test_a_model_is_trained_on_it_and_forgets(folder, tmp_path):
    data = stream_interactions(folder, tmp_path / "into", rating=None)
    whole, config = Split(data, None, None), TrainConfig(epochs=1)
    trained = fit(jax.random.key(0), mf(embedding_size=2), whole, config=config, loss=FullSoftmax(), progress=False)
    unlearned, _ = unlearn(trained, users=[int(data.user_ids[3])])
    assert len(unlearned.interactions) == len(data) - (data.users == 3).sum()
    assert int(data.user_ids[3]) not in unlearned.interactions.user_ids
    assert not data.users.flags.writeable


FIRST = {"user": [5, 6], "item": [5, 6]}
BAD = [
    (FIRST, {"user": [1, None], "item": [1, 2]}, r"part-1.parquet, row group 0: user of row 1 is missing"),
    (FIRST, {"user": [1, 2, 3], "item": [1, 2, -3]}, r"part-1.parquet, row group 1: item id -3 of row 0 is negative"),
    (FIRST, {"user": [1], "item": [1], "rating": [1.0]}, r"part-1.parquet: has the columns 'user', 'item', 'rating', but"),
    (FIRST | {"rating": ["4", "5"]}, {"user": [1], "item": [1], "rating": ["much"]}, r"row group 0: rating 'much' of row 0 is not"),
    (
        {"user": ["7.0", "8"], "item": [5, 6]},
        {"user": ["a", "b"], "item": [5, 6]},
        r"part-1.parquet, row group 0: user ids are texts, but numbers in .*part-0.parquet, row group 0: write them alike",
    ),
]


@pytest.mark.parametrize(("first", "second", "message"), BAD, ids=[message[:60] for *_, message in BAD])
def test_errors_name_file_and_row_group(tmp_path, first, second, message):
    folder = written(tmp_path / "data", [first, second], rows=2)
    with pytest.raises(DataError, match=message):
        stream_interactions(folder, tmp_path / "into")


def test_times_are_in_one_unit(tmp_path):
    parts = [some(5), some(5, start=1_600_000_000_000)]
    with pytest.raises(DataError, match=r"part-1.parquet, row group 0: timestamps are milliseconds, but seconds in .*part-0"):
        stream_interactions(written(tmp_path / "data", parts), tmp_path / "into")
    # Nothing half-written is left; the vocabulary is whole, and used again.
    assert {file.name for file in (tmp_path / "into").iterdir()} == {"user_ids.npy", "item_ids.npy", "vocabulary.json"}
    stream_interactions(tmp_path / "data", tmp_path / "other", timestamp=None)


def test_what_can_not_be_streamed_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="process_index is 2 of 2 processes"):
        stream_interactions(folder, tmp_path / "into", process_index=2, process_count=2)
    with pytest.raises(DataError, match=r"there is no vocabulary in .* yet: process 0 makes it"):
        stream_interactions(folder, tmp_path / "into", process_index=1, process_count=2)
    with pytest.raises(DataError, match="of 10 has none of 1 row groups: write smaller ones"):
        stream_interactions(folder / "part-2.parquet", tmp_path / "into", process_index=1, process_count=10)
    stream_interactions(folder, tmp_path / "into")
    with pytest.raises(DataError, match="holds the vocabulary of other files or columns"):
        stream_interactions(folder / "part-0.parquet", tmp_path / "into")
    (folder / "part-9.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"part-9.parquet: can't be read as Parquet"):
        stream_interactions(folder, tmp_path / "third")
    with pytest.raises(DataError, match="movieId"):
        stream_interactions(folder / "part-0.parquet", tmp_path / "fourth", item="no such")
    with pytest.raises(DataError, match="there is no such file"):
        stream_interactions(tmp_path / "nowhere", tmp_path / "fifth")
    assert not any((tmp_path / name).exists() for name in ("third", "fourth", "fifth"))


def test_boundaries_ascend_in_the_numbers_of_a_share(folder):
    groups, names = row_groups(folder)
    assert names == ["userId", "movieId", "rating", "timestamp"]
    assert all(a.path < b.path or a.number < b.number for a, b in pairwise(groups))
    assert str(groups[1]).endswith("part-0.parquet, row group 1")
