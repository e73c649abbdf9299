"""Files of other systems, read as named arrays. No file is ever run, and none is believed about its size.

What a file may do is told before it is opened: pickles are refused, an archive that unpacks to far more than it holds is refused,
and so is an array that says it is longer than what is stored of it. Torch files go through `torch.load(weights_only=True)`.
"""

import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.errors import DataError, check_kind

# An archive of numbers that packs better than this, and is larger than that, is made to fill a disk.
_RATIO, _LARGE = 100, 1 << 28
_MOST_JSON = 1 << 30
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name, in its order.

    Raises:
      DataError: no such file, Python objects in it, or one that is damaged or lies about its size.
    """
    source = existing(path)
    found = {}
    try:
        with zipfile.ZipFile(source) as archive:
            check_archive(source, archive)
            for member in archive.infolist():
                with archive.open(member) as file:
                    kind, length = np.lib.format.read_magic(file), member.file_size
                    shape, _, dtype = _header(kind, file)
                    if dtype.hasobject:
                        raise DataError(
                            f"{source} holds Python objects ({member.filename}), which would be run to be read: write it anew with "
                            "numbers and texts alone, for instance a whole number as random_state."
                        )
                    if math.prod(shape) * dtype.itemsize + file.tell() != length:
                        raise DataError(f"{source} is damaged: {member.filename} is {shape} of {dtype} in {length:,} bytes.")
                with archive.open(member) as file:
                    found[member.filename.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # a damaged archive makes all kinds of them
        raise unreadable(source, "an npz file", error) from error
    return found


def _header(kind: tuple[int, int], file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    if kind not in _HEADERS:
        raise ValueError(f"version {kind} of its header is not known")
    return _HEADERS[kind](file)


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a safetensors file by name, and its metadata.

    Raises:
      DataError: no such file, or one that is damaged.
    """
    source = existing(path)
    opened = needed("safetensors", "safetensors files need safetensors", extra="interop").safe_open
    try:
        with opened(source, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except Exception as error:  # errors of its own, which no base class holds together
        raise unreadable(source, "a safetensors file", error) from error


def read_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a state dict that `torch.save` wrote, by name; nothing else than tensors and plain values is let in.

    Raises:
      DataError: no such file, anything else in it than a dictionary of tensors, one that is damaged, or no torch to read it.
    """
    source = existing(path)
    torch = needed("torch", "files of PyTorch need torch", extra="interop")
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                check_archive(source, archive)
        found = torch.load(source, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except Exception as error:  # the restricted unpickler has many
        raise unreadable(source, "a state dict of tensors", error) from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise DataError(f"{source} holds a {type(found).__name__}, no state dict: write model.state_dict() with torch.save.")
    return {str(name): tensor.detach().numpy() for name, tensor in found.items()}


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
      DataError: no such file, or anything else in it.
    """
    source = existing(path)
    if source.stat().st_size > _MOST_JSON:
        raise DataError(f"{source} is larger than a gibibyte: that is no description of a model.")
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise unreadable(source, "JSON", error) from error
    if not isinstance(found, dict):
        raise DataError(f"{source} holds a JSON {type(found).__name__}, no object: write it as the snippets do.")
    return found


def check_archive(source: Path, archive: zipfile.ZipFile) -> None:
    """Refuses an archive that unpacks to far more than it holds, and one in which two members share a name.

    Raises:
      DataError: tells how large it is packed and unpacked.
    """
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise DataError(f"{source} holds two members of one name: it was not written by one program.")
    check_unpacked(source, sum(member.file_size for member in members), source.stat().st_size)


def check_unpacked(source: Path, unpacked: int, packed: int) -> None:
    """Refuses what unpacks to far more bytes than it holds.

    Raises:
      DataError: tells how large it is packed and unpacked.
    """
    if unpacked > max(_LARGE, _RATIO * packed):
        raise DataError(f"{source} has {packed:,} bytes and says that it unpacks to {unpacked:,}: it is not read.")


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there.

    Raises:
      DataError: there is none.
    """
    check_kind("path", path, (str, os.PathLike), "give the path of the model's file")
    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source} is not a file: give the path of the model's file.")
    return source


def unreadable(source: Path, what: str, error: Exception) -> DataError:
    """The error of a file that is not what it should be."""
    why = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError(f"{source} can't be read as {what} ({why}): it is damaged or something else.")
