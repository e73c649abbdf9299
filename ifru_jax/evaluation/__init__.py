"""How good a model is, and how close to one that never saw the forgotten data. Scores in, figures out; no model here.

auc       area under the ROC curve, exact with ties, on the device
ranking   NDCG@k and Recall@k over the full ranking
fidelity  distances to retrained models: rms, noise, gap, forget slope, forget loss
masks     which pairs count: survivors, and those touched by the request
figures   all figures of one method and one seed
"""

from ifru_jax.evaluation.fidelity import (
    forget_loss,
    forget_slope,
    gap,
    mean_rms,
    noise,
    rms,
    score_std,
    share_removed,
)
from ifru_jax.evaluation.figures import Pairs, PairScores, figures
from ifru_jax.evaluation.masks import survivors, touched_and, touched_or
from ifru_jax.evaluation.ranking import ranking_metrics
from ifru_jax.metrics import auc

__all__ = [
    "PairScores",
    "Pairs",
    "auc",
    "figures",
    "forget_loss",
    "forget_slope",
    "gap",
    "mean_rms",
    "noise",
    "ranking_metrics",
    "rms",
    "score_std",
    "share_removed",
    "survivors",
    "touched_and",
    "touched_or",
]
