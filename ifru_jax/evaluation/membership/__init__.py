"""Membership inference: can it be told that a model was trained on the forgotten interactions?

confidence  the logit-scaled confidence that all attacks work on; a threshold on it is the loss attack
lira        likelihood ratio of trainings with and without an interaction
rmia        the interaction against interactions at large; few shadow models are enough
oracle      a classifier that was told the training data
shadows     shadow models with every interaction in half of them
attack      AUC and true positives at few false ones, with intervals
usage       what share of them is still used
memorisation  how much an interaction is learned by heart, and which are the worst
audit       all attacks on one model
"""

from ifru_jax.evaluation.membership.attack import AttackResult
from ifru_jax.evaluation.membership.audit import audit
from ifru_jax.evaluation.membership.memorisation import memorisation, most_memorised
from ifru_jax.evaluation.membership.shadows import Candidates, Shadows, train_shadows
from ifru_jax.evaluation.membership.usage import Usage, usage

__all__ = [
    "AttackResult",
    "Candidates",
    "Shadows",
    "Usage",
    "audit",
    "memorisation",
    "most_memorised",
    "train_shadows",
    "usage",
]
