"""Systems whose models come in: each trains as its users do, and serves what comes back by way of a file.

| file | system | models |
|---|---|---|
| `implicit.py` | the package implicit | ALS, BPR |
| `recbole.py` | the package recbole | BPR, LightGCN, NeuMF |
| `lightgcn_pytorch.py` | a clone of https://github.com/gusye1234/LightGCN-PyTorch | LightGCN |
"""

import hashlib
import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ifru_jax import Interactions
from ifru_jax.errors import DataError
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
        """What it runs with, by name.

        Raises:
          DataError: some of it is not there.
        """
        ...

    def fitted(self, train: Interactions, seed: int, *, anew: bool = False) -> Any:
        """A model of the system, trained by it on these positives, whose ids are rows.

        One that was trained before, by a study that was stopped, is read again where that is slow, unless it is made `anew`.
        """
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


def version_of(package: str) -> str:
    """Of an installed package.

    Raises:
      DataError: it is not.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError(f"this study trains in the package {package}: pip install {package}.") from error


def kept_in(system: str, settings: dict[str, Any]) -> Path:
    """A folder for what a system trains with these settings; studies that go on find it again."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), "ifru_jax-interop", f"{system}-{digest}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def key_of(train: Interactions, seed: int) -> str:
    """Names a training set and a seed."""
    rows = hashlib.sha256(train.users.tobytes() + train.items.tobytes()).hexdigest()[:8]
    return f"{seed}-{len(train)}-{rows}"
