"""Seconds of an explanation of one score on ml-1m, warm: the user's own ratings, and all interactions.

Own ratings are a problem of the user's size, padded to one of few sizes; all are a solve of the whole problem. Either goes through
the segments of the record, each of as many products with the Hessian as its tolerance takes; see `explain`.
"""

import numpy as np

from experiments.benchmark.figure import Figure
from experiments.benchmark.trained import STORE, setup_of
from experiments.run.baselines import train_original
from experiments.run.models import ModelName
from experiments.run.trials import seconds_of
from ifru_jax import explain
from ifru_jax.explaining.explain import Among
from ifru_jax.unlearning import prepare

QUESTIONS = 15


def explaining(model: ModelName, layers: int, among: Among, *, target: float) -> dict[str, Figure]:
    """Of as many test pairs, each asked once before so that its size is compiled; the very first call is told apart."""
    setup = setup_of("ml-1m", model, layers)
    trained, test = prepare(train_original(setup, 0, store=STORE)), setup.split.test
    chosen = np.random.default_rng(0).permutation(len(test))[:QUESTIONS]
    users, items = trained.interactions.user_ids, trained.interactions.item_ids
    pairs = [
        (u if users is None else users[u].item(), i if items is None else items[i].item())
        for u, i in zip(test.users[chosen].tolist(), test.items[chosen].tolist(), strict=True)
    ]

    def asked() -> list[float]:
        return [seconds_of(lambda u=u, i=i: explain(trained, user=u, item=i, among=among)) for u, i in pairs]

    first = asked()[0]
    return {"": Figure.of(asked(), target, "s", details={"interactions": len(trained.interactions), "seconds.first_call": first})}
