"""No reader runs code from a file, and none believes what a file says of its size."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifru_jax import DataError
from ifru_jax.interop.containers import read_json, read_npz, read_safetensors, read_torch


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def npy(array):
    memory = io.BytesIO()
    np.lib.format.write_array(memory, np.asarray(array), allow_pickle=True)
    return memory.getvalue()


def archive(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as found:
        for name, content in members.items():
            found.writestr(name, content)
    return path


def test_arrays_come_as_they_were_written(tmp_path):
    arrays = {"b": np.arange(6.0).reshape(2, 3).T, "a": np.asarray("text"), "c": np.zeros((0, 3), np.float16)}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "x.npz", **arrays)
        found = read_npz(tmp_path / "x.npz")
        assert list(found) == ["b", "a", "c"]
        for name, value in arrays.items():
            np.testing.assert_array_equal(found[name], value)
            assert found[name].dtype == value.dtype


def test_a_pickle_in_an_npz_is_not_run(tmp_path):
    trap = tmp_path / "trap"
    np.savez(tmp_path / "x.npz", user_factors=np.ones(3), random_state=np.array(Malicious(trap), dtype=object))
    with pytest.raises(DataError, match="holds Python objects"):
        read_npz(tmp_path / "x.npz")
    archive(tmp_path / "y.npz", {"user_factors.npy": pickle.dumps(Malicious(trap))})
    (tmp_path / "z.npz").write_bytes(pickle.dumps(Malicious(trap)))
    for name in ("y.npz", "z.npz"):
        with pytest.raises(DataError, match="can't be read as an npz file"):
            read_npz(tmp_path / name)
    assert not trap.exists()


def test_a_pickle_under_another_name_is_not_run(tmp_path):
    trap = tmp_path / "trap"
    for reader, name in ((read_safetensors, "x.safetensors"), (read_json, "x.json"), (read_npz, "x.npz")):
        (tmp_path / name).write_bytes(pickle.dumps(Malicious(trap)))
        with pytest.raises(DataError, match="can't be read"):
            reader(tmp_path / name)
    assert not trap.exists()


def test_an_archive_that_unpacks_to_much_more_than_it_holds_is_refused(tmp_path):
    head = npy(np.zeros((0, 1)))
    bomb = archive(tmp_path / "x.npz", {"user_factors.npy": head + bytes(1 << 29)}, compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="says that it unpacks to"):
        read_npz(bomb)


def test_an_array_that_says_it_is_longer_than_it_is_is_refused(tmp_path):
    content = npy(np.zeros(10, np.float32)).replace(b"(10,)", b"(99999999999,)")
    with pytest.raises(DataError, match=r"is damaged|can't be read"):
        read_npz(archive(tmp_path / "x.npz", {"a.npy": content}))
    memory = io.BytesIO()
    np.lib.format.write_array_header_1_0(memory, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with pytest.raises(DataError, match=r"x.npz is damaged: a.npy is \(1099511627776,\) of float32"):
        read_npz(archive(tmp_path / "x.npz", {"a.npy": memory.getvalue() + bytes(40)}))


def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as found:
        found.writestr("a.npy", npy(np.ones(2)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            found.writestr("a.npy", npy(np.zeros(2)))
    with pytest.raises(DataError, match="two members of one name"):
        read_npz(tmp_path / "x.npz")


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.999))
def test_files_that_are_cut_are_refused(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    np.savez(folder / "x.npz", a=np.arange(50.0), b=np.ones((3, 4)))
    content = (folder / "x.npz").read_bytes()
    (folder / "x.npz").write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="can't be read as an npz file"):
        read_npz(folder / "x.npz")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_byte_that_changed_is_an_error_or_no_harm(tmp_path_factory, place, value):
    """Whatever comes is an error of ours or arrays of numbers."""
    folder = tmp_path_factory.mktemp("changed")
    np.savez(folder / "x.npz", a=np.arange(50.0), b=np.ones((3, 4)))
    content = bytearray((folder / "x.npz").read_bytes())
    content[place % len(content)] = value
    (folder / "x.npz").write_bytes(content)
    try:
        found = read_npz(folder / "x.npz")
    except DataError:
        return
    assert all(array.dtype.kind in "fiucbUS" for array in found.values())


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = {"a": np.ones((2, 3), np.float16), "b": np.arange(4)}
    (tmp_path / "x.safetensors").write_bytes(safetensors.save(arrays, metadata={"loss": "bpr"}))
    found, metadata = read_safetensors(tmp_path / "x.safetensors")
    assert metadata == {"loss": "bpr"}
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
    content = (tmp_path / "x.safetensors").read_bytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}}).encode()
    lies = struct.pack("<Q", len(header)) + header + bytes(16)
    for cut in (content[:-1], content[:10], b"", struct.pack("<Q", 1 << 60) + content[8:], lies):
        (tmp_path / "y.safetensors").write_bytes(cut)
        with pytest.raises(DataError, match="can't be read as a safetensors file"):
            read_safetensors(tmp_path / "y.safetensors")


def test_json(tmp_path):
    for content in (b"[1]", b"{", b"\xff", b"[" * 100_000):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(DataError, match=r"can't be read as JSON|no object"):
            read_json(tmp_path / "x.json")


def test_no_file(tmp_path):
    for reader in (read_npz, read_json, read_safetensors, read_torch):
        with pytest.raises(DataError, match="is not a file"):
            reader(tmp_path / "nothing")


def test_torch(tmp_path):
    torch = pytest.importorskip("torch")
    trap = tmp_path / "trap"
    torch.save({"a": torch.ones(2, 3, requires_grad=True)}, tmp_path / "x.pt")
    np.testing.assert_array_equal(read_torch(tmp_path / "x.pt")["a"], np.ones((2, 3)))
    torch.save({"a": torch.ones(2), "config": Malicious(trap)}, tmp_path / "y.pt")
    torch.save({"a": torch.ones(2), "config": Malicious(trap)}, tmp_path / "z.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Malicious(trap)))
    (tmp_path / "v.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:-40])
    for name in ("y.pt", "z.pt", "w.pt", "v.pt"):
        with pytest.raises(DataError, match="can't be read as a state dict"):
            read_torch(tmp_path / name)
    torch.save([torch.ones(2)], tmp_path / "u.pt")
    with pytest.raises(DataError, match="holds a list, no state dict"):
        read_torch(tmp_path / "u.pt")
    archive(tmp_path / "t.pt", {"data.pkl": bytes(1 << 29)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="says that it unpacks to"):
        read_torch(tmp_path / "t.pt")
    assert not trap.exists()
