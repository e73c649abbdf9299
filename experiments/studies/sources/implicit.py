"""Models of the package implicit, with one thread, so that a seed gives a model."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from experiments.studies.sources import version_of
from ifru_jax import Interactions, interop
from ifru_jax.data.extras import needed
from ifru_jax.exact import ALSModel
from ifru_jax.training import Trained


class Implicit:
    """ALS or BPR.

    Args:
      kind: its class, as "als.AlternatingLeastSquares".
      settings: its arguments.
    """

    named = int

    def __init__(self, kind: str, **settings: Any) -> None:
        self.kind, self.settings = kind, settings

    def versions(self) -> dict[str, str]:
        return {"implicit": version_of("implicit")}

    def _class(self) -> Any:
        module, _, name = self.kind.partition(".")
        return getattr(needed(f"implicit.{module}", "this study trains in the package implicit: pip install implicit"), name)

    def fitted(self, train: Interactions, seed: int, *, anew: bool = False) -> Any:
        found = self._class()(**self.settings, random_state=seed, num_threads=1)
        entries = train.labels, (train.users, train.items)
        found.fit(scipy.sparse.csr_matrix(entries, shape=(train.num_users, train.num_items)), show_progress=False)
        return found

    def scores(self, model: Any) -> np.ndarray:
        return model.user_factors.astype(float) @ model.item_factors.astype(float).T

    def imported(self, model: Any, train: Interactions, folder: Path, options: interop.ImplicitOptions) -> interop.Imported:
        model.save(str(folder / "before.npz"))
        return interop.from_implicit(folder / "before.npz", train, options=options)

    def served(self, model: Any, back: tuple[Trained | ALSModel, interop.Source], rest: Interactions, folder: Path) -> np.ndarray:
        interop.export(back[0], folder / "after.npz", like=back[1])
        return self.scores(type(model).load(str(folder / "after.npz")))
