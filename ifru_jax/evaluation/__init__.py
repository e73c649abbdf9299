"""How good a model is, and how close to one that never saw the forgotten data. Scores in, figures out.

auc           area under the ROC curve, exact with ties, on the device
lists         top-K lists over the full ranking, and how much two models' lists agree
ranking       NDCG, Recall, HR, MRR and MAP at K over the full ranking
shares        AUC where processes have shares of the test pairs
sampling      the same of some users, with an interval for all
levels        scores of a model whose loss leaves the level of each user's scores free
strata        the same by group of users and of items
fidelity      distances to retrained models: rms, noise, gap, forget slope, forget loss
shift         the systematic distance to retraining, and the share of it that is undone, free of seed noise
discordance   how differently two models order pairs
parameters    distance of parameters, where it means something
closeness     how far from retrained models still counts as one of them, for distances
spread        the same for figures: an interval from the retrained models
membership    membership inference: loss threshold, LiRA, RMIA, a membership oracle
masks         which pairs count: survivors, and those touched by the request
figures       all figures of one method and one seed
over_seeds    those that take all seeds of a method at once
facts         what is known of the data of the models before anything is measured
views         what is compared of each model in a verification
verdicts      a measure with limits and a verdict, and the verdict of all
measures      all measures of one model, from what is seen of it
verification  the call: facts, measures, verdict
"""

from ifru_jax.evaluation.discordance import discordance
from ifru_jax.evaluation.figures import ComparedPairs, PairScores, figures
from ifru_jax.evaluation.levels import comparable
from ifru_jax.evaluation.masks import survivors
from ifru_jax.evaluation.membership import train_shadows
from ifru_jax.evaluation.over_seeds import figures_over_seeds
from ifru_jax.evaluation.ranking import ranking_metrics
from ifru_jax.evaluation.sampling import Estimate, estimated_ranking
from ifru_jax.evaluation.shares import auc_of_shares
from ifru_jax.evaluation.verdicts import VerifyConfig
from ifru_jax.evaluation.verification import verify

__all__ = [
    "ComparedPairs",
    "Estimate",
    "PairScores",
    "VerifyConfig",
    "auc_of_shares",
    "comparable",
    "discordance",
    "estimated_ranking",
    "figures",
    "figures_over_seeds",
    "ranking_metrics",
    "survivors",
    "train_shadows",
    "verify",
]
