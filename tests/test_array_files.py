"""Arrays come back as they were, and a file that is not what was written is refused, whichever of its bytes has changed."""

import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ifru_jax import DataError
from ifru_jax.array_files import read_arrays, write_arrays

DTYPES = st.one_of(
    *(hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.boolean_dtypes(), hnp.unicode_string_dtypes(), hnp.byte_string_dtypes())
)
ARRAYS = st.dictionaries(
    st.text("abcdefgh/_0ü", min_size=1, max_size=12).filter(lambda name: not name.startswith("/")),
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=5))),
    max_size=4,
)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_folder
@given(ARRAYS)
def test_arrays_come_back_as_written(tmp_path, arrays):
    path = tmp_path / "a.npz"
    write_arrays(path, arrays)
    found, sealed = read_arrays(path)
    assert sealed
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == arrays.keys()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file, and where to put what became of it."""
    folder = tmp_path_factory.mktemp("arrays")
    write_arrays(folder / "a.npz", {"x": np.arange(40.0), "of/y": np.array("text"), "z": np.zeros((0, 3), np.int8)})
    return (folder / "a.npz").read_bytes(), folder / "b.npz"


def refused(path, content):
    """Whether it is refused, or known to have no checksum."""
    path.write_bytes(content)
    try:
        return not read_arrays(path).sealed
    except DataError:
        return True


def test_no_flip_of_a_bit_goes_unseen(written):
    """All bytes of headers, members, directory, comment and checksum; without a checksum a file is not what was written."""
    content, path = written
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        assert refused(path, damaged), place


@given(data=st.data())
def test_no_damage_goes_unseen(written, data):
    """Bytes replaced, cut out, cut off, inserted, exchanged."""
    content, path = written
    places = st.integers(0, len(content))
    low, high = sorted(data.draw(st.tuples(places, places)))
    put = data.draw(st.binary(max_size=30) | st.just(bytes(high - low)) | st.just(content[low:high][::-1]) | st.just(content))
    damaged = content[:low] + put + content[high:]
    assert damaged == content or refused(path, damaged)


@pytest.mark.parametrize("content", [b"", b"PK", b"ifru_jax sha256 ", bytes(1000), b"ifru_jax sha256 " + b"0" * 64])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_arrays(tmp_path / "a.npz")


def test_other_files_of_numpy_are_read_without_a_checksum(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    arrays, sealed = read_arrays(tmp_path / "a.npz")
    assert not sealed
    np.testing.assert_array_equal(arrays["x"], np.arange(3))
    np.save(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(DataError, match="damaged or something else"):
        read_arrays(tmp_path / "a.npy")


def test_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        write_arrays(tmp_path / "a.npz", {"x": np.array([{}])})
    assert not list(tmp_path.iterdir())
    member = io.BytesIO()
    np.lib.format.write_array(member, np.array([{}]), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", member.getvalue())
    with pytest.raises(DataError, match="damaged or something else"):
        read_arrays(tmp_path / "a.npz")


def test_a_file_that_is_none_or_may_not_be_read_is_refused(tmp_path, monkeypatch):
    for path in (tmp_path, tmp_path / "missing.npz", "/dev/zero"):
        with pytest.raises(DataError, match="is not a file"):
            read_arrays(path)
    write_arrays(tmp_path / "a.npz", {})

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    with pytest.raises(DataError, match=r"a\.npz can't be read .*Permission denied"):
        read_arrays(tmp_path / "a.npz")
    assert os.listdir(tmp_path) == ["a.npz"]
