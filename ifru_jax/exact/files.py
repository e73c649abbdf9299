"""An exact model as one file: NumPy arrays and a JSON description with a checksum, no pickle (`array_files`).

It holds the interactions, the hyper-parameters, and what does not follow from these; after a request nothing of the forgotten.
"""

import json
import os
from dataclasses import asdict

import numpy as np

from ifru_jax.array_files import read_arrays, write_arrays
from ifru_jax.data.saved import from_saved, saved
from ifru_jax.errors import DataError, check_kind
from ifru_jax.exact.als import ALS
from ifru_jax.exact.ease import EASE
from ifru_jax.exact.item_knn import ItemKNN
from ifru_jax.exact.model import ExactMethod, ExactModel
from ifru_jax.exact.observed import observed
from ifru_jax.files import as_json

_FORMAT = 1
_METHODS: dict[str, type[ExactMethod]] = {kind.__name__: kind for kind in (ALS, EASE, ItemKNN)}


def save(model: ExactModel, path: str | os.PathLike[str]) -> None:
    """Writes an exact model (by convention `.npz`), all or nothing.

    Raises:
      DataError: no exact model, no such folder, `path` is something else than a file, or the file can't be written.
    """
    check_kind(
        "model", model, ExactModel, "give what a method of ifru_jax.exact or unlearn returned; ifru_jax.save writes any other"
    )
    check_kind("path", path, (str, os.PathLike), "give the path of a file")
    arrays, described = saved(model.interactions)
    method = model.method
    # Of a class of somebody else a file can't hold the code.
    if (name := type(method).__name__) not in _METHODS or type(method) is not _METHODS[name]:
        raise DataError(f"{name} does not ship with ifru_jax, so that no file can hold what it is.")
    description = {"exact": name, "format": _FORMAT, "method": asdict(method)} | described  # type: ignore[call-overload]
    arrays |= {f"model/{name}": value for name, value in model.arrays().items()}
    write_arrays(path, arrays | {"description": np.asarray(as_json(description))})


def is_exact(path: str | os.PathLike[str]) -> bool:
    """Whether a file has an exact model, and not any other.

    Raises:
      DataError: no such file, or one that is damaged.
    """
    check_kind("path", path, (str, os.PathLike), "give the path that was passed to save")
    arrays, _ = read_arrays(path)
    try:
        return "exact" in json.loads(str(arrays["description"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no saved model ({error}): it is damaged or something else.") from error


def load(path: str | os.PathLike[str]) -> ExactModel:
    """Reads what `save` wrote, bit for bit.

    Raises:
      DataError: no such file, one that `save` did not write, or one that is damaged.
      ModelError: tables that don't fit the interactions.
    """
    check_kind("path", path, (str, os.PathLike), "give the path that was passed to save")
    arrays, sealed = read_arrays(path)
    try:
        description = json.loads(str(arrays["description"]))
        name = description.get("exact")
    except (ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no saved model ({error}): it is damaged or something else.") from error
    if name is None:
        raise DataError(f"{path} is no exact model: read it with ifru_jax.load.")
    if name not in _METHODS or description.get("format") != _FORMAT:
        raise DataError(
            f"{path} is {name!r} in format {description.get('format')}, this version reads {_FORMAT}: upgrade ifru_jax."
        )
    if not sealed:
        raise DataError(f"{path} is damaged: its checksum is missing. Use a copy of it, or fit and save anew.")
    try:
        method = _METHODS[name](**description["method"])
        of_model = {key.removeprefix("model/"): value for key, value in arrays.items() if key.startswith("model/")}
        return method.model_class.of_arrays(observed(from_saved(arrays, description)), method, of_model)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} lacks a part of a saved model ({error}): it is damaged or something else.") from error
