"""How good the models of a study are, before and after a request: means over its seeds."""

from collections.abc import Sequence

import numpy as np

from experiments.run.yardsticks import Yardsticks
from ifru_jax.evaluation import PairScores


def quality(yardsticks: Yardsticks, unlearned: Sequence[PairScores]) -> dict[str, float | None]:
    """Test AUC of originals, retrained and unlearned models, and what is undone on the forgotten pairs."""
    each = {"original": yardsticks.originals, "retrained": yardsticks.retrained, "unlearned": unlearned}
    figures: dict[str, float | None] = {}
    for name, scores in each.items():
        aucs = [yardsticks.figures_of(one, yardsticks.originals[k])["auc"] for k, one in enumerate(scores)]
        figures |= {f"auc.{name}": float(np.mean(aucs)), f"auc_std.{name}": float(np.std(aucs, ddof=1))}
    over_seeds = yardsticks.over_seeds(list(unlearned))
    return figures | {name: over_seeds[name] for name in ("forget_undone", "slope")}
