"""A bulk request: forget 2 % of ml-1m (the label noise of the IFRU paper), against two retrainings and in full gradients."""

import jax
import numpy as np

from experiments.benchmark.figure import Figure, spread
from experiments.benchmark.trained import STORE, setup_of
from experiments.run.baselines import gradient_seconds, retrain, train_original
from experiments.run.models import ModelName
from experiments.run.yardsticks import Yardsticks
from ifru_jax.unlearning import IFRU

REPEATS = 7
SEEDS = 2
FIDELITY = ("auc", "gap", "forget_gap", "forget_slope")


def bulk(model: ModelName, layers: int, *, protocol_target: float, fastest_target: float) -> dict[str, Figure]:
    """Cost in full-gradient evaluations, and speed-ups; with gap, forget gap and forget slope of the same run.

    A retraining is timed here, except where the baseline is the very configuration that is compared with: then its time is the
    one that the kept models took.
    """
    setup = setup_of("ml-1m", model, layers)
    choice = setup.params.best
    originals = [train_original(setup, seed, store=STORE) for seed in range(SEEDS)]
    retrainings = [retrain(setup, original, seed, store=STORE) for seed, original in enumerate(originals)]
    retrained = [state for state, _ in retrainings]
    method = IFRU(setup.build(choice.init_std), choice.train)
    states = [method.prepare(original, setup.split, jax.random.key(0)) for original in originals]
    method.forget(states[0], setup.other)
    results = [method.forget(states[0], setup.request) for _ in range(REPEATS)]
    seconds = np.array([report.seconds["total"] for _, report in results])

    yardsticks = Yardsticks.of(setup, originals, retrained)
    # The spread of retraining and every method's own seed need all of them.
    unlearned = [results[0][0], *(method.forget(state, setup.request)[0] for state in states[1:])]
    each = [yardsticks.figures(*one) for one in zip(unlearned, yardsticks.originals, strict=True)]
    details = {name: float(np.mean([one[name] or np.nan for one in each])) for name in FIDELITY}
    details |= {f"seconds.{part}": value for part, value in results[len(results) // 2][1].seconds.items()}
    gradient = gradient_seconds(originals[0])
    cost = seconds / gradient
    unit, baseline = "full gradients", f"a full gradient, {gradient:.3f} s"
    found = {"-gradients": Figure(float(np.median(cost)), 30, unit, spread(cost), baseline, details, smaller_is_better=True)}
    roles = (("protocol", setup.params.protocol, protocol_target), ("fastest", setup.params.fastest, fastest_target))
    for role, other, target in roles:
        if other == choice:
            taken = float(np.median([report.seconds["total"] for _, report in retrainings]))
        else:
            retrain(setup, originals[0], 0, choice=other, epochs=1)
            taken = retrain(setup, originals[0], 0, choice=other)[1].seconds["total"]
        ratio = taken / seconds
        facts = {"seconds.ours": float(np.median(seconds)), "seconds.baseline": taken}
        found[f"-{role}"] = Figure.of(ratio, target, "times faster", f"{role} retraining", details | facts)
    return found
