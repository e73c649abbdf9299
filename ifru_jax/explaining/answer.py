"""What every rating that is looked at adds to what is asked: from the whole problem, or from the user's own where that will do."""

from typing import Literal, NamedTuple

import numpy as np

from ifru_jax.data import Interactions
from ifru_jax.data.groups import leads_group
from ifru_jax.explaining.question import Question
from ifru_jax.influence.targets import stacked
from ifru_jax.unlearning import Prepared
from ifru_jax.unlearning.adjoint import influences
from ifru_jax.unlearning.local.adjoint import own_influences, tells_own

Among = Literal["own", "neighbours", "all"]


class Answer(NamedTuple):
    """Influences of the ratings that are looked at.

    Attributes:
      places: int64 [k], in the interactions of the model, ascending.
      influences: float [k].
      own, others: sums of those of the user and of all others, looked at or not; None where the rows of other users, and of items
        that the user has nothing to do with, were held.
    """

    places: np.ndarray
    influences: np.ndarray
    own: float
    others: float | None


def answer(state: Prepared, question: Question, among: Among) -> Answer:
    """Of a model that is prepared for requests."""
    data, target = state.interactions, question.target(state)
    own = np.flatnonzero(data.users == question.user)
    asked = np.asarray(question.items)
    if among == "own" and tells_own(state, question.user, asked):
        found = own_influences(state, target, asked)
        seen = _observed(data, own)
        return Answer(own[seen], found[seen], float(found.sum()), None)
    found = influences(state, stacked([target]))[0]
    places = np.flatnonzero(_looked_at(data, question, among))
    of_own = float(found[own].sum())
    return Answer(places, found[places], of_own, float(np.delete(found, own).sum()))


def _observed(data: Interactions, places: np.ndarray) -> np.ndarray:
    """bool [k], without sampled negatives, which nobody rated."""
    return np.ones(len(places), bool) if data.groups is None else leads_group(data)[places]


def _looked_at(data: Interactions, question: Question, among: Among) -> np.ndarray:
    """bool [n]."""
    own, seen = data.users == question.user, _observed(data, np.arange(len(data)))
    if among == "all":
        return seen
    if among == "own":
        return seen & own
    items = np.isin(data.items, data.items[own & seen])
    users = np.isin(data.users, data.users[np.isin(data.items, question.items) & seen])
    return seen & (own | items | users)
