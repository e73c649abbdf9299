"""How good a model is, and how close to one that never saw the forgotten data. Scores in, figures out.

auc           area under the ROC curve, exact with ties, on the device
lists         top-K lists over the full ranking, and how much two models' lists agree
ranking       NDCG, Recall, HR, MRR and MAP at K over the full ranking
levels        scores of a model whose loss leaves the level of each user's scores free
strata        the same by group of users and of items
fidelity      distances to retrained models: rms, noise, gap, forget slope, forget loss
discordance   how differently two models order pairs
parameters    distance of parameters, where it means something
closeness     how far from retrained models still counts as one of them, for distances
spread        the same for figures: an interval from the retrained models
membership    membership inference: loss threshold, LiRA, RMIA, a membership oracle
masks         which pairs count: survivors, and those touched by the request
figures       all figures of one method and one seed
views         what is compared of each model in a verification
verdicts      measures with limits and verdicts
verification  all measures of one model, with verdicts
"""

from ifru_jax.evaluation.closeness import distance_ratio
from ifru_jax.evaluation.discordance import discordance
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
from ifru_jax.evaluation.figures import ComparedPairs, PairScores, figures
from ifru_jax.evaluation.levels import WithoutLevels, comparable
from ifru_jax.evaluation.lists import list_overlap, top_lists
from ifru_jax.evaluation.masks import survivors, touched_and, touched_or
from ifru_jax.evaluation.membership import Candidates, Shadows, audit, train_shadows
from ifru_jax.evaluation.parameters import parameter_distance, share_left
from ifru_jax.evaluation.ranking import UserRanking, averages, ranking_metrics, user_ranking, users_with_relevant
from ifru_jax.evaluation.spread import PredictionInterval, prediction_interval
from ifru_jax.evaluation.strata import grouped_metrics, groups_by_degree
from ifru_jax.evaluation.verdicts import Measure, Verification, VerifyConfig
from ifru_jax.evaluation.verification import verify
from ifru_jax.metrics import auc

__all__ = [
    "Candidates",
    "ComparedPairs",
    "Measure",
    "PairScores",
    "PredictionInterval",
    "Shadows",
    "UserRanking",
    "Verification",
    "VerifyConfig",
    "WithoutLevels",
    "auc",
    "audit",
    "averages",
    "comparable",
    "discordance",
    "distance_ratio",
    "figures",
    "forget_loss",
    "forget_slope",
    "gap",
    "grouped_metrics",
    "groups_by_degree",
    "list_overlap",
    "mean_rms",
    "noise",
    "parameter_distance",
    "prediction_interval",
    "ranking_metrics",
    "rms",
    "score_std",
    "share_left",
    "share_removed",
    "survivors",
    "top_lists",
    "touched_and",
    "touched_or",
    "train_shadows",
    "user_ranking",
    "users_with_relevant",
    "verify",
]
