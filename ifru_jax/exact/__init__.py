"""Models whose forgetting is exact: what a request changes is solved anew in closed form, and no derivative is taken.

Each is a `Method`, made of hyper-parameters; its state is an `ExactModel`, which `unlearn`, `recommend`, `score` and `evaluate`
take as they take a `Trained`.

>>> import jax, numpy as np, ifru_jax
>>> from ifru_jax.exact import EASE
>>> rng = np.random.default_rng(0)
>>> users, items = np.divmod(rng.choice(600, 200, replace=False), 20)
>>> split = ifru_jax.random_split(ifru_jax.Interactions.from_arrays(users, items))
>>> model = EASE(reg=10.0).fit(jax.random.key(0), split)
>>> unlearned, report = ifru_jax.unlearn(model, users=[3])
>>> report.status.name
'RETRAINED'

`save` and `load` keep one in a file, and a `Store` with its history.
"""

from ifru_jax.exact.als import ALS, ALSModel
from ifru_jax.exact.ease import EASE, EASEModel
from ifru_jax.exact.files import load, save
from ifru_jax.exact.item_knn import ItemKNN, ItemKNNModel
from ifru_jax.exact.model import ExactMethod, ExactModel

__all__ = [
    "ALS",
    "EASE",
    "ALSModel",
    "EASEModel",
    "ExactMethod",
    "ExactModel",
    "ItemKNN",
    "ItemKNNModel",
    "load",
    "save",
]
