"""Systems whose models come in: each trains as its users do, and serves what comes back by way of a file.

| file | system | models |
|---|---|---|
| `implicit.py` | the package implicit | ALS, BPR |
| `recbole.py` | the package recbole | BPR, LightGCN, NeuMF |
| `lightgcn_pytorch.py` | a clone of https://github.com/gusye1234/LightGCN-PyTorch | LightGCN |
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ifru_jax import Interactions
from ifru_jax.exact import ALSModel
from ifru_jax.interop import ImplicitOptions, Imported, Source
from ifru_jax.training import Trained


class System(Protocol):
    """A model of a system with its hyper-parameters.

    Attributes:
      settings: hyper-parameters, for the records.
    """

    settings: dict[str, Any]

    @property
    def named(self) -> type[int] | type[str]:
        """Makes the id that the system has of a row."""
        ...

    def versions(self) -> dict[str, str]:
        """What it runs with, by name."""
        ...

    def fitted(self, train: Interactions, seed: int) -> Any:
        """A model of the system, trained by it on these positives, whose ids are rows."""
        ...

    def scores(self, model: Any) -> np.ndarray:
        """Logits [num_users, num_items] that the system serves; 0 of users and items that it has not seen."""
        ...

    def imported(self, model: Any, train: Interactions, folder: Path, options: ImplicitOptions) -> Imported:
        """The model by way of a file in this folder."""
        ...

    def served(self, model: Any, back: tuple[Trained | ALSModel, Source], rest: Interactions, folder: Path) -> np.ndarray:
        """`scores` of what came back of a model by way of a file in this folder, where `rest` is left of the interactions."""
        ...
