"""What comes in, and what it was before: all that is needed to give a model back as it was.

A `Source` names nobody: rows, ids and interactions are in the model alone, so that it may be kept after an erasure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from ifru_jax.exact import ALSModel
from ifru_jax.interop.evidence import Evidence
from ifru_jax.interop.places import Place
from ifru_jax.unlearning import Prepared

System = Literal["implicit", "safetensors", "npz", "torch", "flax", "orbax"]


@dataclass(frozen=True, eq=False)
class Source:
    """Where a model comes from.

    Attributes:
      system: whose kind of file it was.
      settings: everything in the file that is no table, by name and in order; arrays, or texts.
      places: where the parameters are in the file, by their name in the model; see `interop.places`.
      dtypes: of the tables in the file, by their name there.
      pad: rows of nobody before the first user or item, by name of the table in the file, as they were.
      shapes: of tensors in the file that one parameter alone does not tell.
    """

    system: System
    settings: Mapping[str, np.ndarray | str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    dtypes: Mapping[str, np.dtype] = field(default_factory=dict)
    pad: Mapping[str, np.ndarray] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Imported(NamedTuple):
    """A model that came in.

    Attributes:
      model: for `unlearn`, `recommend`, `score` and `evaluate`.
      source: for `export`, which gives the model back as it came.
      evidence: whether it is what it was.
    """

    model: Prepared | ALSModel
    source: Source
    evidence: Evidence
