"""What ifru_jax asks of a model: parameters from a key, logits from parameters, and which parameters are tables.

    s_θ(u, i; G) = score(params, pairs, graph)

Everything else — training, influence, curvature, unlearning — sees a model only through this protocol. `score` must be
deterministic and twice differentiable in `params`.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import numpy as np
from jax.typing import ArrayLike

from ifru_jax.data.interactions import Interactions
from ifru_jax.graph import Graph, Pairs

# By name; a parameter of a submodule is "submodule/parameter".
Params = dict[str, Any]
Side = Literal["user", "item"]


@runtime_checkable
class Recommender(Protocol):
    """A differentiable recommender. Instances are hashable: they are static arguments of compiled functions."""

    @property
    def tables(self) -> Mapping[str, Side]:
        """Names of the parameters with one row per user or per item. All others are shared."""
        ...

    @property
    def num_hops(self) -> int:
        """How many edges away an interaction can change a score: layers of propagation; 0 without a graph."""
        ...

    @property
    def history_length(self) -> int:
        """Items of a history that it reads at a time; above 0 the graph comes with the users' histories."""
        ...

    @property
    def turning(self) -> bool:
        """Whether its rows turn rather than grow, as those do that are divided by their length: the shorter, the further.

        Requests that follow its training then look for the middle of each segment instead of counting on the pace of the one
        before, go on in more stages, and take Adam's P as it was.
        """
        ...

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        """Fresh parameters for tables of this size."""
        ...

    def score(self, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
        """Logits [n] of n pairs. The tables may hold any number of rows: a neighbourhood has fewer than the data."""
        ...


class Scorer(Protocol):
    """A model that serves, whatever it is made of; `Trained` is one."""

    @property
    def interactions(self) -> Interactions:
        """What it stands for: the interactions it was trained on, or what requests have left of them."""
        ...

    def score_rows(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Logits float [n] of n pairs of rows."""
        ...

    def score_grid(self, users: np.ndarray) -> ArrayLike:
        """Logits float [b, num_items] of b user rows with every item; −∞ where the user or the item has no interaction."""
        ...
