"""What a comparison asks of a method beyond `fit` and `forget`: to prepare, and to serve. The one place that looks for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ifru_jax.training import Trained
from ifru_jax.unlearning import Method


class ServedModel(Protocol):
    """A model that serves, whatever its state is; `Trained` is one."""

    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Logits float [n] of n pairs of rows."""
        ...

    def score_grid(self, users: np.ndarray) -> ArrayLike:
        """Logits float [b, num_items] of b users with every item."""
        ...


def served(method: Method, state: Any, num_items: int) -> ServedModel:
    """The model of a state that may be no `Trained`."""
    return state if isinstance(state, Trained) else _OfMethod(method, state, num_items)


def prepared(method: Method, original: Trained) -> Any:
    """The state of a method that starts from the trained original."""
    prepare: Callable[[Trained], Trained] | None = getattr(method, "prepare", None)
    return original if prepare is None else prepare(original)


@dataclass(frozen=True, eq=False)
class _OfMethod:
    """A full ranking goes through `score_grid` where the method has one."""

    method: Method
    state: Any
    num_items: int

    def score(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.method.score(self.state, users, items)

    def score_grid(self, users: np.ndarray) -> ArrayLike:
        of_method: Callable[..., jax.Array] | None = getattr(self.method, "score_grid", None)
        if of_method is not None:
            return of_method(self.state, users)
        items = np.tile(np.arange(self.num_items, dtype=np.int32), len(users))
        return jnp.asarray(self.score(np.repeat(users, self.num_items), items)).reshape(len(users), self.num_items)
