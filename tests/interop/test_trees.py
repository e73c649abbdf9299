"""Checkpoints of Flax and Orbax; weights of Keras and state dicts of any network: read as they were written, and nothing run."""

import pickle
import warnings

import flax.serialization
import flax.traverse_util
import jax
import jax.numpy as jnp
import msgpack
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, DataWarning, ModelError
from ifru_jax.interop import Declared, export, from_tensors
from ifru_jax.interop.containers import read_npz
from ifru_jax.interop.trees import flax_bytes, read_flax, read_orbax
from ifru_jax.models import neumf
from tests.interop.conftest import drawn
from tests.interop.test_containers import Malicious

MODEL = neumf(embedding_size=3, hidden=(4,), init_std=0.3)


@pytest.fixture(scope="module")
def data():
    found = drawn(count=200)
    return found.with_labels(np.ones(len(found)))


@pytest.fixture(scope="module")
def params(data):
    return {name: np.asarray(leaf) for name, leaf in MODEL.init(jax.random.key(0), 40, 25).items()}


def tree_of(params):
    return {"params": flax.traverse_util.unflatten_dict(params, sep="/"), "step": 3}


def comes_in(path, params, data, **declared):
    users, items = np.divmod(np.arange(1000), 25)
    scores = ifru_jax.Trained.of(MODEL, params, data).score_rows(users, items)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # drawn, not trained
        model, source, evidence = from_tensors(
            path, data, Declared(model=MODEL, loss="bce", scores=(users, items, scores), **declared)
        )
    assert evidence.score_error < 1e-6
    return model, source


def test_flax(tmp_path, params, data):
    """What flax writes is read, and flax reads what goes back: bit for bit where nothing changed."""
    (tmp_path / "a.msgpack").write_bytes(flax.serialization.to_bytes(tree_of(params)))
    found = read_flax(tmp_path / "a.msgpack")
    assert {name: value.tobytes() for name, value in found.items() if name != "step"} == {
        f"params/{name}": value.tobytes() for name, value in params.items()
    }
    model, source = comes_in(tmp_path / "a.msgpack", params, data)
    export(model, tmp_path / "b.msgpack", like=source)
    back = flax.serialization.from_bytes(tree_of(params), (tmp_path / "b.msgpack").read_bytes())
    jax.tree.map(np.testing.assert_array_equal, back, tree_of(params))


def test_flax_in_pieces(tmp_path, monkeypatch):
    """Large arrays are stored in chunks; half precision and scalars are as they were."""
    monkeypatch.setattr(flax.serialization, "MAX_CHUNK_SIZE", 16)
    tree = {"a": np.arange(15, dtype=np.float32).reshape(3, 5), "b": jnp.ones(2, jnp.bfloat16), "c": np.float32(2), "d": [1, 2.0]}
    (tmp_path / "x.msgpack").write_bytes(flax.serialization.msgpack_serialize(tree | {"e": {}}))
    found = read_flax(tmp_path / "x.msgpack")
    np.testing.assert_array_equal(found["a"], tree["a"])
    assert {name: value.dtype.name for name, value in found.items()} == {
        "a": "float32", "b": "bfloat16", "c": "float32", "d/0": "int64", "d/1": "float64"
    }  # fmt: skip
    again = flax.serialization.msgpack_restore(flax_bytes(found))
    np.testing.assert_array_equal(again["a"], tree["a"])


def array(shape, dtype, content):
    return msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb((shape, dtype, content)))})


def test_files_of_flax_that_lie_or_are_cut_are_refused(tmp_path):
    trap, whole = tmp_path / "trap", flax.serialization.to_bytes({"a": np.arange(50.0)})
    deep = b"\x81\xa1a" * 5000 + b"\x01"
    for content in (
        b"", whole[:-1], whole[:20], pickle.dumps(Malicious(trap)), deep, array([1 << 40], "float32", bytes(16)),
        array([-1, -4], "float32", bytes(16)), array([2], "object", pickle.dumps(Malicious(trap))), array([1], "nothing", b"1"),
        msgpack.packb({"a": msgpack.ExtType(7, pickle.dumps(Malicious(trap)))}),
    ):  # fmt: skip
        (tmp_path / "x.msgpack").write_bytes(content)
        with pytest.raises(DataError, match="can't be read as a checkpoint of Flax"):
            read_flax(tmp_path / "x.msgpack")
    (tmp_path / "y.msgpack").write_bytes(array([1], "uint8", b"\x01") + b"")
    assert read_flax(tmp_path / "y.msgpack")["a"].tolist() == [1]
    assert not trap.exists()
    with pytest.raises(DataError, match="is not a file"):
        read_flax(tmp_path / "nothing")


@pytest.fixture(scope="module")
def checkpoint(params, tmp_path_factory):
    orbax = pytest.importorskip("orbax.checkpoint")
    folder = tmp_path_factory.mktemp("orbax") / "checkpoint"
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder, tree_of(params))
    return folder


def test_orbax(checkpoint, params, data, tmp_path):
    found = read_orbax(checkpoint)
    for name, value in params.items():
        np.testing.assert_array_equal(found[f"params/{name}"], value)
    model, source = comes_in(checkpoint, params, data)
    assert export(model, tmp_path / "back", like=source) == tmp_path / "back.ids.json"
    back = read_orbax(tmp_path / "back")
    assert found.keys() == back.keys()
    for name, value in found.items():
        assert (back[name].dtype, back[name].shape, back[name].tobytes()) == (value.dtype, value.shape, value.tobytes())
    with pytest.raises(DataError, match="back is a folder"):
        export(model, tmp_path / "back", like=source)
    # After an erasure it is read as it was before, and only rows that may differ do.
    unlearned, _ = ifru_jax.unlearn(model, users=[7])
    export(unlearned, tmp_path / "without", like=source)
    assert not read_orbax(tmp_path / "without")["params/gmf_user"][7].any()
    export(model, tmp_path / "plain", like="orbax")
    again, _ = comes_in(tmp_path / "plain", params, data)
    np.testing.assert_array_equal(again.params["gmf_item"], params["gmf_item"])


def test_folders_that_are_none_of_orbax_or_damaged_are_refused(checkpoint, tmp_path):
    import shutil

    trap = tmp_path / "trap"
    with pytest.raises(DataError, match="is not a folder"):
        read_orbax(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no tree of arrays|can't be read"):
        read_orbax(tmp_path / "empty")
    for place, name in enumerate(("manifest.ocdbt", "_METADATA", "d/*")):
        for content in (b"", pickle.dumps(Malicious(trap))):
            folder = tmp_path / f"broken{place}{len(content)}"
            shutil.copytree(checkpoint, folder)
            for file in folder.glob(name):
                file.write_bytes(content)
            if name == "_METADATA" and not content:
                continue
            with pytest.raises(DataError, match=r"can't be read as a checkpoint of Orbax|holds no tree"):
                read_orbax(folder)
    assert not trap.exists()


def test_a_folder_that_says_it_is_larger_than_it_is_is_refused(tmp_path, monkeypatch):
    """Zeros take no room, nor do pieces that were never written."""
    orbax = pytest.importorskip("orbax.checkpoint")
    monkeypatch.setattr("ifru_jax.interop.containers._LARGE", 1 << 20)
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "x", {"a": np.zeros(1 << 20)})
    with pytest.raises(DataError, match="says that it unpacks to 8,388,608"):
        read_orbax(tmp_path / "x")


def test_weights_of_keras_come_in_by_name(tmp_path, params, data):
    """As `numpy.savez` of the weights by their paths has them; kernels are as those of Flax, or the other way round."""
    turned = "tower/kernel_0"
    np.savez(tmp_path / "x.npz", **{f"neumf/{name}": value.T if name == turned else value for name, value in params.items()})
    tables = {name: f"neumf/{name}" + ".T" * (name == turned) for name in params}
    model, source = comes_in(tmp_path / "x.npz", params, data, tables=tables)
    export(model, tmp_path / "y.npz", like=source)
    before, after = read_npz(tmp_path / "x.npz"), read_npz(tmp_path / "y.npz")
    assert {n: v.tobytes() for n, v in before.items()} == {n: v.tobytes() for n, v in after.items()}


def test_a_state_dict_of_any_network(tmp_path, params, data):
    torch = pytest.importorskip("torch")
    kernels = [name for name in params if "kernel" in name]
    state = {f"net.{name}": torch.tensor(params[name].T.copy() if name in kernels else params[name]) for name in params}
    torch.save(state, tmp_path / "x.pt")
    model, source = comes_in(
        tmp_path / "x.pt", params, data, tables={name: f"net.{name}" + ".T" * (name in kernels) for name in params}
    )
    export(model, tmp_path / "y.pt", like=source)
    back = torch.load(tmp_path / "y.pt", weights_only=True)
    assert all(torch.equal(back[name], value) for name, value in state.items())


@pytest.mark.filterwarnings("ignore:interactions hardly:ifru_jax.DataWarning")
def test_what_remembers_users_does_not_go_back(tmp_path, params, data):
    """Moments of Adam have a row of everybody who is to be forgotten."""
    moments = {
        "opt/mu/gmf_user": np.ones((40, 3)),
        "opt/nu/items": np.ones((3, 25)),
        "opt/joint": np.ones((65, 3)),
        "rate": np.ones(2),
    }
    np.savez(tmp_path / "x.npz", **params, **moments)
    declared = Declared({name: name for name in params}, MODEL, loss="bce")
    with pytest.warns(DataWarning, match="have rows of users or items .3 such"):
        model, source, _ = from_tensors(tmp_path / "x.npz", data, declared)
    export(model, tmp_path / "y.npz", like=source)
    assert read_npz(tmp_path / "y.npz").keys() == {*params, "rate"}


def test_parameters_that_a_model_lacks_are_told(tmp_path, params, data):
    np.savez(tmp_path / "x.npz", **{name: value for name, value in params.items() if name != "mlp_output"})
    with pytest.raises(ModelError, match=r"lacks \['mlp_output'\]"):
        from_tensors(tmp_path / "x.npz", data, Declared(model=MODEL, loss="bce"))
    np.savez(tmp_path / "y.npz", **(params | {"mlp_output": np.ones(9, np.float32)}))
    with pytest.raises(ModelError, match=r"mlp_output has shape \(9,\)"):
        from_tensors(tmp_path / "y.npz", data, Declared(model=MODEL, loss="bce"))
