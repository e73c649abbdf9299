"""The call: which ratings made the model show this, and what if they go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ifru_jax.data import ForgetRequest, Interactions
from ifru_jax.data.forget import Ids, listed
from ifru_jax.errors import DataError, check_kind, check_whole
from ifru_jax.explaining.answer import Among, answer
from ifru_jax.explaining.counterfactual import Counterfactual
from ifru_jax.explaining.explanation import Explanation, Reason
from ifru_jax.explaining.question import Question
from ifru_jax.forks import check_not_forked
from ifru_jax.serving import recommend
from ifru_jax.training import Trained
from ifru_jax.unlearning import forget, prepare

Removed = Iterable[int | str | tuple[int | str, int | str]]


@dataclass(frozen=True)
class _Wanted:
    """How many reasons, or items of a list."""

    k: int


def explain(
    trained: Trained,
    *,
    user: int | str,
    item: Ids | None = None,
    rather_than: int | str | None = None,
    k: int = 10,
    among: Among = "own",
    without: Removed | None = None,
    titles: Mapping[Any, str] | None = None,
) -> Explanation:
    """Why a model scores an item as it does for a user, by the ratings that it learned from.

    The influence of a rating is what it adds: the score now, less the score of a model trained without it, to the first order of
    the step that `unlearn` takes, along the training where it was recorded, and in a graph model with all that the rating carries
    from neighbour to neighbour. What several ratings add is the sum, as long as they are few; for a real answer ask `without`.

    Args:
      trained: what `fit`, `load` or `unlearn` returned.
      user: original id.
      item: original id; None takes the first of the user's list. Several: the NDCG of the list, were these the right items.
      rather_than: another item: explains how far `item` is above it.
      k: reasons to name; with `without` also the length of the lists.
      among: the user's "own" ratings, by a problem of the user's size where that will do, in milliseconds; those of "neighbours"
        too, of anybody on the user's items, and of those who rated the item on anything; or "all". The last two take the whole
        problem, and so the user's own ratings from it too.
      without: ratings that are taken away: items of the user, or (user, item) of anybody.
      titles: of items, by their id.

    Returns:
      The reasons and, with `without`, the list as it would be. With `among` other users are named in it.

    Raises:
      DataError: an id that the model doesn't know, a rating that isn't there, nobody's list, or an argument without a meaning.
      NumericsError: the solve was not finite.
    """
    check_not_forked()
    check_kind("trained", trained, Trained, "give what fit, load or unlearn returned")
    if titles is not None:
        check_kind("titles", titles, Mapping, "give a dictionary of titles by item id")
    _check(k, among)
    data = trained.interactions
    row = int(data.user_index([user])[0])
    question = _question(trained, row, user, item, rather_than)
    away = None if without is None else ForgetRequest.of(data, interactions=_pairs(user, without))
    state = prepare(trained)
    found = answer(state, question, among)
    looked_at = data.select(found.places)
    order = np.argsort(-np.abs(found.influences), kind="stable")
    users, items = _ids(data)

    def reason(z: int) -> Reason:
        user, item = users[looked_at.users[z]].item(), items[looked_at.items[z]].item()
        return Reason(user, item, float(looked_at.labels[z]), float(found.influences[z]))

    return Explanation(
        kind=question.kind,
        user=users[row].item(),
        items=tuple(items[list(question.items)].tolist()),
        value=question.value(state),
        reasons=tuple(map(reason, order[:k])),
        own=found.own,
        others=found.others,
        interactions=looked_at,
        influences=found.influences,
        course="along the training" if state.follows else "from its end",
        histories=state.training_set.graph.history is not None,
        without=None if away is None else _without(state, question, away, k),
        titles=titles or {},
    )


def _check(k: int, among: str) -> None:
    check_whole(_Wanted(k), "k")
    if k < 1:
        raise DataError(f"k is {k}: name at least one reason.")
    if among not in get_args(Among):
        raise DataError(f"among is {among!r}: choose among {', '.join(get_args(Among))}.")


def _question(trained: Trained, row: int, user: int | str, item: Ids | None, rather_than: int | str | None) -> Question:
    data = trained.interactions
    if item is None:
        (best,) = recommend(trained, users=[user], k=1).values()
        if not best:
            raise DataError(f"there is nothing to recommend to user {user}: name the item that is to be explained.")
        item = best[0][0]
    several = not isinstance(item, int | str | np.integer)
    named = data.item_index(listed(item))
    if several:
        if rather_than is not None:
            raise DataError("rather_than compares two items: give a single item with it.")
        if not len(named):
            raise DataError("no item is named: give one, or those that would be right.")
        return Question("NDCG", row, tuple(np.unique(named).tolist()))
    if rather_than is None:
        return Question("score", row, tuple(named.tolist()))
    return Question("difference", row, (int(named[0]), int(data.item_index([rather_than])[0])))


def _pairs(user: int | str, without: Removed) -> list[tuple[int | str, int | str]]:
    given = [without] if isinstance(without, int | str | np.integer) else without
    return [one if isinstance(one, tuple) else (user, one) for one in given]  # pyright: ignore[reportReturnType]


def _without(trained: Trained, question: Question, away: ForgetRequest, k: int) -> Counterfactual:
    """The list by the step that forgets; of a user whose last rating goes it is empty."""
    users, items = _ids(trained.interactions)
    unlearned, report = forget(trained, away)
    before, after = (tuple(recommend(of, users=[users[question.user].item()], k=k).popitem()[1]) for of in (trained, unlearned))
    removed = tuple((users[u].item(), items[i].item()) for u, i in away.pairs)
    return Counterfactual(removed, question.value(unlearned), before, after, report)


def _ids(data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Original ids of all rows of users, and of items."""
    users = np.arange(data.num_users) if data.user_ids is None else data.user_ids
    return users, np.arange(data.num_items) if data.item_ids is None else data.item_ids
