"""Where the parameters of a model are in the tensors of a file.

    "net.weight"          a tensor
    "net.weight.T"        its transpose: PyTorch has the kernels of its layers as [out, in], Flax as [in, out]
    "net.weight[0:64]"    these places of its last axis, the others being 1, as where one layer has the weights of several parts

>>> arrays = {"top.weight": np.arange(5.0)[None]}
>>> places = {"gmf": Place.of("top.weight[0:3]"), "mlp": Place.of("top.weight[3:5]")}
>>> parts = {name: place.read(arrays) for name, place in places.items()}
>>> parts["mlp"]
array([3., 4.])
>>> written(parts, places, {"top.weight": (1, 5)})["top.weight"]
array([[0., 1., 2., 3., 4.]])
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

from ifru_jax.errors import DataError, ModelError

_TEXT = re.compile(r"^(?P<tensor>.*?)(?P<transposed>\.T)?(\[(?P<start>\d+):(?P<stop>\d+)\])?$", re.DOTALL)


class Place(NamedTuple):
    """Where a parameter is.

    Attributes:
      tensor: by its name in the file.
      transposed: whether it is its transpose.
      span: places of its last axis; None for all.
    """

    tensor: str
    transposed: bool = False
    span: tuple[int, int] | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """As the module says."""
        found = _TEXT.match(text)
        assert found
        span = None if found["start"] is None else (int(found["start"]), int(found["stop"]))
        return cls(found["tensor"], found["transposed"] is not None, span)

    def read(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The parameter.

        Raises:
          DataError: no such tensor.
          ModelError: one that has no such places.
        """
        if self.tensor not in arrays:
            raise DataError(
                f"there is no {self.tensor!r} among {', '.join(arrays) or 'nothing'}: declare what the tables are called."
            )
        table = arrays[self.tensor]
        if self.transposed and table.ndim != 2:
            raise ModelError(f"{self.tensor} has shape {table.shape}: only a matrix has a transpose.")
        table = table.T if self.transposed else table
        if self.span is None:
            return table
        start, stop = self.span
        if table.ndim == 0 or table.size != table.shape[-1] or not start < stop <= table.size:
            raise ModelError(f"{self.tensor} has shape {table.shape}: it has no places {start} to {stop} in one row.")
        return table.reshape(-1)[start:stop]


def written(
    params: Mapping[str, np.ndarray], places: Mapping[str, Place], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The tensors of a file, in the order of the parameters.

    Args:
      params: by name.
      places: of each of them.
      shapes: of tensors that several parameters are in, or that are written with axes of 1.
    """
    found: dict[str, np.ndarray] = {}
    for name, value in params.items():
        place = places[name]
        value = value.T if place.transposed else value
        if place.span is None:
            found[place.tensor] = value.reshape(shapes.get(place.tensor, value.shape)) if value.size <= 1 else value
        else:
            whole = found.setdefault(place.tensor, np.zeros(shapes[place.tensor], value.dtype))
            whole.reshape(-1)[slice(*place.span)] = value
    return found
