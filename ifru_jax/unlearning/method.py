"""One contract for every way to unlearn: fit, forget, served.

A method owns its state; nobody else looks inside. `forget` returns a new state that takes further requests, `served` the model that
answers. An empty request returns the very same state, and a state of another model is refused.
"""

from typing import Protocol, TypeVar

import jax

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import ModelError
from ifru_jax.models import Recommender, Scorer
from ifru_jax.training import Trained
from ifru_jax.unlearning.report import Report

State = TypeVar("State")


class Method(Protocol[State]):
    """A way to unlearn."""

    def fit(self, key: jax.Array, data: Split) -> State:
        """Trains on `data.train`, stops by `data.valid`; does what can be done before any request comes."""
        ...

    def forget(self, state: State, request: ForgetRequest) -> tuple[State, Report]:
        """Forgets; `Report.seconds["total"]` is from the request to a state that can serve."""
        ...

    def served(self, state: State) -> Scorer:
        """The model that answers."""
        ...


class FromTrained(Method[State], Protocol[State]):
    """A method that can take over a model somebody trained."""

    def prepare(self, trained: Trained, data: Split, key: jax.Array) -> State:
        """The state of a model that was trained on `data`; `key` is for methods that train again."""
        ...


def check_model(expected: Recommender, found: Recommender) -> None:
    """Refuses a state of another model, for which the method would answer without a word.

    Raises:
      ModelError: the two differ.
    """
    if expected != found:
        raise ModelError(f"the method is for {expected!r}, but the state holds {found!r}: build the method for that model.")
