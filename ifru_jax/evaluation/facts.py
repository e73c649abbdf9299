"""What can be known of a verification before anything is measured: what each model was trained on, or what it has left.

The original has to stand for D, the unlearned model and every retrained one for D_r, what the request leaves of D; and they have to
be trainings of their own: no two retrained models score alike, and neither the original nor the unlearned model is one of them. A
model that holds a forgotten interaction has not forgotten it, however it scores. A retrained model that holds one, or lacks others,
sets wrong limits: the noise between models of little data passes everything.

>>> from ifru_jax.data.interactions import Interactions
>>> data = Interactions.from_arrays(["ann", "bob", "ann"], [7, 7, 9], [1, 0, 1])
>>> difference(data.select([0, 2]), data)
(1, 0)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.row_ids import erased_mark
from ifru_jax.errors import DataError
from ifru_jax.models import Scorer
from ifru_jax.training import Trained

# Pairs on which trainings are told apart.
_PAIRS = 1000


@dataclass(frozen=True)
class Fact:
    """Something that is so or isn't.

    Attributes:
      holds: whether it is so.
      detail: what was found, in numbers; it names nobody.
    """

    holds: bool
    detail: str


def facts_of(
    original: Scorer, unlearned: Scorer, retrained: Sequence[Scorer], train: Interactions, request: ForgetRequest
) -> dict[str, Fact]:
    """Facts by name: "original_data", "unlearned_data", "retrained_data", "own_trainings".

    Args:
      original, unlearned, retrained: the models.
      train: what the original was trained on, in any order.
      request: what was forgotten or corrected.

    Raises:
      DataError: a model whose tables are others than those of `train`, or a request that `train` does not hold.
    """
    models = {"original": original, "unlearned": unlearned} | {f"retrained {k + 1}": model for k, model in enumerate(retrained)}
    for name, model in models.items():
        data = model.interactions
        if (data.num_users, data.num_items) != (train.num_users, train.num_items):
            raise DataError(f"the data of the {name} model is {data}, but split.train is {train}: their rows name others.")
    retained, touched = request.applied(train), train.select(request.touches(train))
    yardsticks = [_left(model.interactions, retained, touched) for model in retrained]
    wrong = [found for found in yardsticks if not found.holds]
    agreed = f"all {len(retrained)} have what the request leaves"
    return {
        "original_data": _same(original.interactions, train),
        "unlearned_data": _left(unlearned.interactions, retained, touched, _traces(unlearned, retained, touched)),
        "retrained_data": Fact(not wrong, f"{len(wrong)} of {len(retrained)}: {wrong[0].detail}" if wrong else agreed),
        "own_trainings": _own_trainings(original, unlearned, retrained, retained),
    }


def difference(found: Interactions, expected: Interactions) -> tuple[int, int]:
    """How many expected interactions (user, item, label; copies count) are not among those found, and the other way round."""
    rows = [_sorted(data) for data in (found, expected)]
    if np.array_equal(rows[0], rows[1]):
        return 0, 0
    every, place = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
    counts = [np.bincount(part, minlength=len(every)) for part in np.split(place.ravel(), [len(found)])]
    surplus = counts[0] - counts[1]
    return int(-surplus[surplus < 0].sum()), int(surplus[surplus > 0].sum())


def _sorted(data: Interactions) -> np.ndarray:
    """float64 [n, 3], in one order whatever the order of the data."""
    order = np.lexsort((data.labels, data.items, data.users))
    return np.stack([np.asarray(column[order], np.float64) for column in (data.users, data.items, data.labels)], axis=1)


def _same(found: Interactions, expected: Interactions) -> Fact:
    missing, extra = difference(found, expected)
    told = f"{missing} of the {len(expected)} training interactions are not in it, {extra} others are"
    return Fact(missing == extra == 0, told if missing or extra else f"it has the {len(expected)} training interactions")


def _left(data: Interactions, retained: Interactions, touched: Interactions, traces: Sequence[tuple[int, str]] = ()) -> Fact:
    """Whether a model's data is what the request leaves and nothing else; `traces` are counts of what else must not be there."""
    missing, extra = difference(data, retained)
    remaining = len(touched) - difference(data, touched)[0]
    told = [
        # A corrected interaction is among the touched ones with the label it had.
        (remaining, f"{remaining} of {len(touched)} forgotten or corrected interactions are in its data as they were"),
        (missing, f"{missing} of {len(retained)} that remain are missing"),
        (extra - remaining, f"{extra - remaining} others are in it"),
        *traces,
    ]
    wrong = [text for count, text in told if count]
    return Fact(not wrong, "; ".join(wrong) or f"it has the {len(retained)} interactions that the request leaves")


def _traces(model: Scorer, retained: Interactions, touched: Interactions) -> list[tuple[int, str]]:
    named, stale = _named(model.interactions, retained, touched), _stale_edges(model)
    return [
        (named, f"{named} ids of users or items that have no data left are in it"),
        (stale, f"{stale} edges of its graph are not in its data, or the other way round"),
    ]


def _named(data: Interactions, retained: Interactions, touched: Interactions) -> int:
    """Users and items that lost their data and whose original ids are still there."""
    sides = (
        (data.user_ids, retained.user_degrees(), touched.user_degrees()),
        (data.item_ids, retained.item_degrees(), touched.item_degrees()),
    )
    return sum(
        int(((left == 0) & (had > 0) & (ids != erased_mark(ids.dtype))).sum()) for ids, left, had in sides if ids is not None
    )


def _stale_edges(model: Scorer) -> int:
    """By how many edges the graph a model propagates over differs from the positives of its data."""
    if not isinstance(model, Trained) or not model.training_set.has_graph:
        return 0
    graph, data = model.training_set.graph, model.interactions
    present = np.asarray(graph.present) > 0
    users, items = np.asarray(graph.edges.rows)[present], np.asarray(graph.edges.cols)[present]
    edges = Interactions(users, items, np.ones(len(users)), data.num_users, data.num_items)
    positive = data.select(data.labels > 0.5)
    return sum(difference(edges, positive.with_labels(np.ones(len(positive)))))


def _own_trainings(original: Scorer, unlearned: Scorer, retrained: Sequence[Scorer], retained: Interactions) -> Fact:
    places = np.linspace(0, len(retained) - 1, min(_PAIRS, len(retained))).astype(int)
    pairs = retained.users[places], retained.items[places]
    before, after, *others = (np.asarray(model.score_rows(*pairs)) for model in (original, unlearned, *retrained))
    alike = sum(np.array_equal(a, b) for k, a in enumerate(others) for b in others[:k])
    again = sum(np.array_equal(before, other) for other in others)
    itself = sum(np.array_equal(after, other) for other in others)
    told = [
        (alike, f"{alike} pairs of retrained models score alike: give each a seed of its own"),
        (again, f"{again} retrained models score as the original does"),
        (itself, f"{itself} retrained models score as the unlearned model does, which is compared with others than itself"),
    ]
    wrong = [text for count, text in told if count]
    return Fact(not wrong, "; ".join(wrong) or f"no two of the {len(retrained)} retrained models score alike")
