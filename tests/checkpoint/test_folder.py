"""A model as a folder: the same as its file on any number of devices, and refused where anything of it is not what was written."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import ifru_jax
from ifru_jax import DataError, load, save
from tests.mesh import small

REFUSED = r"is damaged: (the checksum of shards-|\d+ of \d+ files of shards-)"


@contextmanager
def one_device_as_a_mesh():
    with ifru_jax.on_mesh(Mesh(np.array(jax.devices()[:1]), ("rows",))):
        yield


@pytest.fixture(scope="module")
def trained():
    return small.fitted("mf")


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    save(trained, folder, sharded=True)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


def same(one: ifru_jax.Trained, other: ifru_jax.Trained) -> None:
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    for ours, theirs in zip(one.record.segments, other.record.segments, strict=True):
        jax.tree.map(np.testing.assert_array_equal, (ours.params, ours.applied), (theirs.params, theirs.applied))
        assert ours.steps == theirs.steps
    assert (one.config, one.total, one.damping) == (other.config, other.total, other.damping)
    assert one.record.peak == other.record.peak
    for column in ("users", "items", "labels", "user_ids", "item_ids"):
        np.testing.assert_array_equal(getattr(one.interactions, column), getattr(other.interactions, column))
        if not column.endswith("ids"):
            np.testing.assert_array_equal(getattr(one.record.valid, column), getattr(other.record.valid, column))


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_comes_back_is_what_was_saved(trained, saved):
    found = load(saved)
    same(found, trained)
    with one_device_as_a_mesh():
        over = load(saved)
    assert over.training_set.mesh is not None
    jax.tree.map(np.testing.assert_array_equal, over.params, trained.params)


def test_for_serving_it_has_no_record(trained, tmp_path):
    save(trained, tmp_path / "model", sharded=True, for_serving=True)
    assert load(tmp_path / "model").record is None


def test_saving_again_replaces_it_and_leaves_nothing_of_the_forgotten(trained, model):
    before = {name for name in content(model) if name.startswith("shards")}
    unlearned, _ = ifru_jax.unlearn(trained, users=[3])
    (model / "shards-00000000.orbax-checkpoint-tmp").mkdir()  # of a save that was killed
    save(unlearned, model, sharded=True)
    same(load(model), unlearned)
    assert not before & content(model).keys()
    assert len(list(model.iterdir())) == 2


def test_every_byte_counts_and_every_file(saved, model):
    for name, whole in content(saved).items():
        file = model / name
        for place in {0, len(whole) // 2, len(whole) - 1}:
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(DataError, match="damaged"):
                load(model)
        file.unlink()
        with pytest.raises(DataError, match="has no model.npz" if name == "model.npz" else REFUSED):
            load(model)
        file.write_bytes(whole)
    (shards,) = (one for one in model.iterdir() if one.is_dir())
    (shards / "more").write_bytes(b"")
    with pytest.raises(DataError, match="has more, which was not written with it"):
        load(model)


def test_a_save_that_fails_leaves_what_was_there(trained, saved, model, monkeypatch):
    """Before the shards are written, while they are, and when the file is moved to its place."""
    whole = content(saved)

    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    for name in ("orbax.checkpoint.Checkpointer.save", "hashlib.file_digest", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(name, broken)
            with pytest.raises(DataError, match=r"can't be written \(No space left on device\): what was there before is whole"):
                save(trained, model, sharded=True)
            if name != "os.replace":
                with pytest.raises(DataError, match="nothing that counts was written"):
                    save(trained, model.parent / "new", sharded=True)
        assert content(model) == whole
        assert not list((model.parent / "new").rglob("*"))


def test_what_is_no_folder_of_a_model_is_named(trained, model, tmp_path):
    with pytest.raises(DataError, match=r"is a part of the model in the folder .*model: give that folder"):
        load(model / "model.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no model\.npz: it is no saved model, or was not finished"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="does not exist: make it first"):
        save(trained, tmp_path / "no" / "model", sharded=True)
    with pytest.raises(DataError, match="is no path"):
        save(trained, "a\0b", sharded=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(DataError, match=r"holds 'thesis\.tex', which is of no model"):
        save(trained, tmp_path / "full", sharded=True)
    save(trained, tmp_path / "model.npz")
    with pytest.raises(DataError, match="is a file: with sharded=True give the path of a folder"):
        save(trained, tmp_path / "model.npz", sharded=True)
    (tmp_path / "single").mkdir()
    save(trained, tmp_path / "single" / "model.npz")
    with pytest.raises(DataError, match="is no part of a folder of shards"):
        save(trained, tmp_path / "single", sharded=True)
    with pytest.raises(DataError, match=r"in one file: give .*model\.npz"):
        load(tmp_path / "single")
