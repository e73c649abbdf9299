"""b of requests of every size, over the whole graph, on neighbourhoods, and in the form that an estimate chooses.

The value is the time of the chosen form in units of the better of the two: 1 is a right choice, and no case should be above 1.2.
Models are not trained: the time of b does not depend on what the parameters are.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from experiments.benchmark.figure import Figure, spread
from experiments.benchmark.requests import random_interactions, random_users
from experiments.run.trials import seconds_of
from ifru_jax.data import ForgetRequest, load_dataset, protocol_split, sample_negatives
from ifru_jax.data.forget_sets import random_interactions as random_share
from ifru_jax.graph import Change
from ifru_jax.influence import SpilloverForm, right_hand_sides
from ifru_jax.models import lightgcn
from ifru_jax.training import Trained

MANY = 64
# Calls of milliseconds are at the mercy of whatever else happens.
REPEATS, REPEATS_OF_SHORT, SHORT = 5, 25, 0.1
FORMS: tuple[SpilloverForm, ...] = ("whole-graph", "neighbourhood", "auto")
KINDS: dict[str, Callable[[Trained], Sequence[ForgetRequest]]] = {
    "rating": lambda trained: random_interactions(trained, 1, positive=True),
    "user": lambda trained: random_users(trained, 1),
    f"{MANY}-ratings": lambda trained: random_interactions(trained, MANY, positive=True),
    "2-percent": lambda trained: [random_share(trained.interactions, 0.02)],
}


def spillover(data: str, *, target: float = 1.2) -> dict[str, Figure]:
    """A figure per kind of request, with LightGCN-1; the first call of every form compiles and is not counted."""
    trained = _untrained(data)
    found = {}
    for kind, requests in KINDS.items():
        changes = [Change.of(trained.training_set, request) for request in requests(trained)]
        # The data after is made for the rest of a request too.
        jax.block_until_ready([change.after.batch for change in changes])
        # Neighbourhoods of so many interactions repeat most of the graph: minutes, and never the better form.
        forms: list[SpilloverForm] = [
            form for form in FORMS if kind != "2-percent" or form != "neighbourhood" or len(trained.interactions) < 10**5
        ]
        once = partial(_round, trained, changes, forms)
        once()  # compiles
        taken = [once() for _ in range(REPEATS_OF_SHORT if max(once().values()) < SHORT else REPEATS)]
        medians = {form: float(np.median([seconds[form] for seconds in taken])) for form in forms}
        best = min(forms[:-1], key=medians.__getitem__)
        ratio = np.array([seconds["auto"] / seconds[best] for seconds in taken])
        details: dict[str, Any] = {f"seconds.{form}": value for form, value in medians.items()}
        found[f"-{kind}"] = Figure(
            float(np.median(ratio)), target, "times the better form", spread(ratio), "the better of both forms", details, True
        )
    return found


def _round(trained: Trained, changes: Sequence[Change], forms: Sequence[SpilloverForm]) -> dict[SpilloverForm, float]:
    return {form: seconds_of(partial(_all, trained, changes, form)) for form in forms}


def _all(trained: Trained, changes: Sequence[Change], form: SpilloverForm) -> None:
    for rhs, _ in right_hand_sides(trained.objective, trained.params, changes, spillover=form):
        jax.block_until_ready(rhs)


def _untrained(data: str) -> Trained:
    split = protocol_split(load_dataset(data))
    if (split.train.labels > 0.5).all():
        split = sample_negatives(split)
    model = lightgcn(num_layers=1)
    params = model.init(jax.random.key(0), split.train.num_users, split.train.num_items)
    return Trained.of(model, params, split.train)
