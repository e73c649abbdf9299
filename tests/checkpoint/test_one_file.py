"""Saving and loading: same numbers elsewhere, nothing of the forgotten, nothing half-written."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from ifru_jax import (
    DataError,
    FlaxRecommender,
    ForgetRequest,
    IFRUConfig,
    ModelError,
    TrainConfig,
    Trained,
    lightgcn,
    load,
    mf,
    random_split,
    save,
    unlearn,
)
from ifru_jax.array_files import read_arrays, write_arrays
from ifru_jax.training import train
from ifru_jax.unlearning import Prepared, forget, prepare
from tests.unlearning.conftest import tastes

REQUEST = np.array([[0, 0]])


@pytest.fixture(scope="module")
def trained():
    config = TrainConfig(learning_rate=1e-2, batch_size=128, reg=1e-4, epochs=20)
    return prepare(train(jax.random.key(0), lightgcn(embedding_size=6, init_std=0.1), random_split(tastes()), config))


def some_pairs(trained, first, count):
    data = trained.interactions
    return ForgetRequest(pairs=np.stack([data.users, data.items], axis=1)[first : first + count])


def test_unlearned_in_another_process_gives_the_same_numbers(trained, tmp_path):
    save(trained, tmp_path / "model.npz")
    request = some_pairs(trained, 5, 8)
    np.save(tmp_path / "pairs.npy", request.pairs)
    script = (
        "import numpy as np, ifru_jax; from pathlib import Path; import sys; folder = Path(sys.argv[1]);"
        "trained = ifru_jax.load(folder / 'model.npz');"
        "request = ifru_jax.ForgetRequest(pairs=np.load(folder / 'pairs.npy'));"
        "unlearned, _ = ifru_jax.unlearn(trained, request); ifru_jax.save(unlearned, folder / 'unlearned.npz')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    here, _ = forget(trained, request)
    there = load(tmp_path / "unlearned.npz")
    for name in here.params:
        np.testing.assert_array_equal(here.params[name], there.params[name])
    np.testing.assert_array_equal(here.interactions.users, there.interactions.users)
    assert (there.total, there.config, there.damping) == (here.total, here.config, here.damping)
    assert there.training_set.capacities == here.training_set.capacities


def test_the_file_has_no_trace_of_the_forgotten(trained, tmp_path):
    """The id as text in the bytes of the file, and the pair among the rows of its arrays."""
    path = tmp_path / "model.npz"
    save(trained, path)
    name, item = "user-0007-secret", trained.interactions.items[trained.interactions.users == 7][0]
    as_bytes = [name.encode(), name.encode("utf-32-le")]
    assert any(form in path.read_bytes() for form in as_bytes)
    unlearned, _ = unlearn(trained, users=[name])
    save(unlearned, path)
    assert not any(form in path.read_bytes() for form in as_bytes)
    with np.load(path, allow_pickle=False) as file:
        assert not np.any(file["data/users"] == 7)
        assert not np.any(file["params/user_embedding"][7])
        for array in (file[n] for n in file.files if n.startswith("data/") and file[n].dtype.kind in "iu"):
            assert len(array) in (len(unlearned.interactions), unlearned.interactions.num_users, unlearned.interactions.num_items)

    one_pair, _ = unlearn(trained, ForgetRequest(pairs=np.array([[7, item]])))
    save(one_pair, path)
    with np.load(path, allow_pickle=False) as file:
        assert not np.any((file["data/users"] == 7) & (file["data/items"] == item))


def test_the_file_has_nothing_but_what_it_says(trained, tmp_path):
    """Every array by name and content: a moment of the optimiser holds gradients of the forgotten as well as a row does."""
    unlearned, _ = unlearn(trained, users=["user-0007-secret"])
    save(unlearned, tmp_path / "model.npz")
    expected = {f"params/{name}": value for name, value in unlearned.params.items()}
    columns = ("users", "items", "labels", "user_ids", "item_ids")
    expected |= {f"data/{name}": getattr(unlearned.interactions, name) for name in columns}
    valid = unlearned.record.valid
    assert len(valid) == (trained.record.valid.users != 7).sum() < len(trained.record.valid)
    expected |= {f"record/valid/{name}": getattr(valid, name) for name in ("users", "items", "labels")}
    for number, segment in enumerate(unlearned.record.segments):
        for part, of in (("params", segment.params), ("applied", segment.applied)):
            expected |= {f"record/{number}/{part}/{name}": value for name, value in of.items()}
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert set(file.files) == {*expected, "description"}
        for name, value in expected.items():
            np.testing.assert_array_equal(file[name], value)
        description = json.loads(str(file["description"]))
    assert set(description) == {
        "format", "model", "loss", "config", "total", "damping_scale", "damping_exponent", "sizes", "capacities", "record",
    }  # fmt: skip
    assert set(description["record"]) == {"steps", "batch_size", "peak", "pending", "adaptive"}


def test_a_model_of_ones_own_has_to_be_passed(trained, tmp_path):
    class Own(type(trained.model.module)):
        """A module that does not ship."""

    own = FlaxRecommender(Own(6, 1, 0.1), ("user_embedding",), ("item_embedding",), num_hops=1)
    path = tmp_path / "own.npz"
    save(replace(trained, objective=replace(trained.objective, model=own)), path)
    with pytest.raises(ModelError, match="does not ship"):
        load(path)
    np.testing.assert_array_equal(load(path, model=own).params["user_embedding"], trained.params["user_embedding"])
    with pytest.raises(ModelError, match=r"has parameters .* but the model wants"):
        load(path, model=mf(embedding_size=7))


def test_a_byte_that_changed_is_found(trained, tmp_path):
    """Wherever it is: headers, parameters, data, description, directory, checksum."""
    path, damaged = tmp_path / "model.npz", tmp_path / "damaged.npz"
    save(trained, path)
    content = path.read_bytes()
    for place in {*np.linspace(0, len(content) - 1, 200).astype(int), *range(len(content) - 120, len(content)), *range(40)}:
        damaged.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        with pytest.raises(DataError, match="damaged"):
            load(damaged)
    with np.load(path, allow_pickle=False) as file:
        np.savez(damaged, **file)
    with pytest.raises(DataError, match="checksum is missing"):
        load(damaged)


def test_a_damaged_file_of_the_first_version_gives_our_error_or_what_was_saved(tmp_path):
    """It has no checksum, but those of the members of the archive."""
    path = Path(__file__).parents[1] / "files" / "model-format-1.npz"
    content, whole = path.read_bytes(), load(path)
    damaged = tmp_path / "damaged.npz"
    for place in np.random.default_rng(0).choice(len(content), 300, replace=False):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        try:
            found = load(damaged)
        except (DataError, ModelError):
            continue
        for name, value in whole.params.items():
            np.testing.assert_array_equal(found.params[name], value)


def test_what_is_no_model_or_no_path_is_named(trained, tmp_path):
    with pytest.raises(DataError, match=r"trained is 'model\.npz', a str: give what fit"):
        save("model.npz", trained)  # type: ignore[arg-type]
    for call in (lambda: save(trained, None), lambda: load(trained)):  # type: ignore[arg-type]
        with pytest.raises(DataError, match=r"path is .* give the path"):
            call()
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        save(trained, tmp_path / "folder.npz")
    with pytest.raises(DataError, match="is not a file"):
        load(tmp_path / "folder.npz")
    assert [p.name for p in tmp_path.rglob("*")] == ["folder.npz"]


def test_a_link_is_written_through(trained, tmp_path):
    save(trained, tmp_path / "model-1.npz")
    (tmp_path / "latest.npz").symlink_to("model-1.npz")
    unlearned, _ = unlearn(trained, users=["user-0007-secret"])
    save(unlearned, tmp_path / "latest.npz")
    assert (tmp_path / "latest.npz").is_symlink()
    assert b"user-0007-secret" not in (tmp_path / "model-1.npz").read_bytes()


def test_bad_files(trained, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        save(trained, tmp_path / "no" / "model.npz")
    with pytest.raises(DataError, match="not a file"):
        load(tmp_path / "missing.npz")
    path = tmp_path / "model.npz"
    save(trained, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="damaged"):
        load(path)
    np.savez(path, users=np.arange(3))
    with pytest.raises(DataError, match="damaged or something else"):
        load(path)
    for content in (np.array({"format": 1}, dtype=object), np.array("[1]"), np.array('{"format": 1}')):
        np.savez(path, description=content)
        with pytest.raises(DataError, match="damaged or something else"):
            load(path)
    np.save(tmp_path / "array.npy", np.arange(3))
    with pytest.raises(DataError, match="damaged or something else"):
        load(tmp_path / "array.npy")


def test_settings_of_numpy_are_the_numbers_that_they_are(tmp_path):
    """As a grid of them gives."""
    data, model = random_split(tastes()), mf(embedding_size=np.int64(4), init_std=np.float64(0.1))
    config = TrainConfig(learning_rate=np.float32(1e-2), batch_size=np.int64(128), epochs=np.int32(2))
    given = train(jax.random.key(0), model, data, config)
    save(given, tmp_path / "model.npz")
    found = load(tmp_path / "model.npz")
    assert found.config == config
    assert type(found.config.batch_size) is int
    np.testing.assert_array_equal(found.params["user_embedding"], given.params["user_embedding"])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("total",), "551"),
        (("sizes",), [40, -50]),
        (("capacities",), [1024.5, None]),
        (("damping_scale",), True),
        (("damping_exponent",), "0.4"),
        (("record", "steps"), [10.0, None, 20.0]),
        (("record", "batch_size"), float("inf")),
        (("record", "peak"), "0.1"),
        (("record", "pending"), 1.5),
        (("record", "pending"), None),
        (("record", "adaptive"), 1),
    ],
)
def test_a_number_that_is_none_is_named(trained, tmp_path, place, value):
    """The checksum fits: the file was made by other means than `save`."""
    path = tmp_path / "model.npz"
    save(trained, path)
    arrays = read_arrays(path).arrays
    description = json.loads(str(arrays["description"]))
    inner = description
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    write_arrays(path, arrays | {"description": np.asarray(json.dumps(description))})
    with pytest.raises(DataError, match=f"{'/'.join(place)} is .*damaged or something else"):
        load(path)


def test_a_file_that_leaves_the_number_of_segments_open_loads_with_the_default(trained, tmp_path):
    """As it was written when that was the model's to say."""
    path = tmp_path / "model.npz"
    save(trained, path)
    arrays = read_arrays(path).arrays
    description = json.loads(str(arrays["description"]))
    description["config"]["record"] = None
    write_arrays(path, arrays | {"description": np.asarray(json.dumps(description))})
    found = load(path)
    assert found.config == replace(trained.config, record=TrainConfig().record)
    np.testing.assert_array_equal(found.params["user_embedding"], trained.params["user_embedding"])
    assert len(found.record.segments) == len(trained.record.segments)


def test_a_class_with_the_name_of_ours_is_not_taken_for_it(trained, tmp_path):
    import flax.linen as nn

    class MF(nn.Module):
        """Not ours: scores by distance."""

        num_users: int = 0
        num_items: int = 0
        activation: object = nn.relu

        @nn.compact
        def __call__(self, pairs, graph):
            users = self.param("user_embedding", nn.initializers.normal(), (self.num_users, 6))
            items = self.param("item_embedding", nn.initializers.normal(), (self.num_items, 6))
            return -self.activation(((users[pairs.users] - items[pairs.items]) ** 2).sum(axis=1))

    own = FlaxRecommender(MF(), ("user_embedding",), ("item_embedding",))
    path = tmp_path / "own.npz"
    save(replace(trained, objective=replace(trained.objective, model=own)), path)
    with pytest.raises(ModelError, match="does not ship"):
        load(path)


def test_a_model_saved_in_float32_goes_on_in_float64(trained, tmp_path):
    save(trained, tmp_path / "model.npz")
    with jax.enable_x64(True):
        wide = load(tmp_path / "model.npz")
        unlearned, _ = forget(wide, some_pairs(wide, 5, 8))
        assert unlearned.params["user_embedding"].dtype == np.float64


def test_a_failed_save_leaves_the_old_file(trained, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    save(trained, path)
    before = path.read_bytes()

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(DataError, match=r"model\.npz can't be written \(disk full\)"):
        save(trained, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_a_file_of_the_first_version_loads_and_forgets_as_it_did():
    """Both files were written at commit 421bb65, before the redesign: a model, and its parameters once user u3 was forgotten."""
    folder = Path(__file__).parents[1] / "files"
    old = load(folder / "model-format-1.npz")
    assert old.damping.scale > 0
    # In one step, as then: of so little data one user is more than a part.
    unlearned, _ = unlearn(old, users=["u3"], config=IFRUConfig(max_share=None))
    with np.load(folder / "model-format-1-without-u3.npz", allow_pickle=False) as expected:
        for name, value in unlearned.params.items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5 * np.abs(expected[name]).max())


@pytest.mark.parametrize("plain", [False, True])
def test_a_compact_file_tells_neither_who_was_erased_nor_how_many(trained, tmp_path, plain):
    unlearned, _ = forget(trained, ForgetRequest(users=np.array([3, 4]), items=np.array([1])))
    data = unlearned.interactions
    users, items = np.flatnonzero(data.user_degrees()), np.flatnonzero(data.item_degrees())
    given = Trained.of(unlearned.model, unlearned.params, data, total=unlearned.total) if plain else unlearned
    save(given, tmp_path / "compact.npz", compact=True)
    found = load(tmp_path / "compact.npz")
    left = found.interactions
    assert (left.num_users, left.num_items, found.total) == (len(users), len(items), len(data))
    assert isinstance(found, Prepared) != plain
    for ids, now, there in ((data.user_ids, left.user_ids, users), (data.item_ids, left.item_ids, items)):
        assert sorted(now) == sorted(there if ids is None else ids[there])
        assert list(now) != sorted(now)
    rows = left.user_rows(range(3)) if data.user_ids is None else left.user_rows(data.user_ids[:3])
    columns = left.item_rows([2, 3, 4]) if data.item_ids is None else left.item_rows(data.item_ids[[2, 3, 4]])
    before = unlearned.score_rows(np.arange(3), np.array([2, 3, 4]))
    np.testing.assert_allclose(found.score_rows(rows, columns), before, rtol=1e-5, atol=1e-7)
    assert unlearned.interactions.num_users == trained.interactions.num_users
