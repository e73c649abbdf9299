"""A membership oracle: a classifier that was told which interactions the model was trained on, asked about the forgotten ones.

    P(member | x) = σ(w · f(x)),   w fitted on retained interactions (members) and held-out ones (non-members) of the same model

Who erases knows the training data and needs no shadow model: the oracle is fitted on the very model it judges. If it takes the
forgotten interactions for members as it does those of the original model, they are still in it. Its features f are what a model and
its data tell about a pair without looking inside: φ, φ², y, y φ and the logarithms of the degrees of user and item.

Source of the idea: Li, Chen, Zheng et al., "Selective and collaborative influence function for efficient recommendation
unlearning" (SCIF, arXiv 2304.10199), who define a Membership Inference Oracle for recommenders. Features and classifier are ours: a
ridge logistic regression (by scikit-learn), so that anything with scores can be judged and nothing depends on a seed.

>>> import numpy as np
>>> x = np.array([[2.0], [1.5], [-1.0], [-2.0]])
>>> fitted = fit_oracle(x[:2], x[2:])
>>> (fitted(np.array([[3.0], [-3.0]])) > 0).tolist()
[True, False]
"""

import warnings
from collections.abc import Callable

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.evaluation.membership.confidence import confidence

RIDGE = 1e-3


def features(logits: np.ndarray, pairs: Interactions, retained: Interactions) -> np.ndarray:
    """float64 [n, 6] of the pairs [n] with these logits [n]; degrees are those of the retained interactions."""
    phi = confidence(logits, pairs.labels)
    user = np.log1p(retained.user_degrees()[pairs.users])
    item = np.log1p(retained.item_degrees()[pairs.items])
    return np.stack([phi, np.square(phi), pairs.labels, pairs.labels * phi, user, item], axis=1)


def fit_oracle(members: np.ndarray, nonmembers: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fits the classifier.

    Args:
      members: features [m, d] of interactions the model was trained on.
      nonmembers: features [n, d] of interactions it never saw; both kinds weigh the same in all.

    Returns:
      Features [k, d] ↦ log-odds [k] of being a member.

    Raises:
      DataError: fewer than two of a kind, features that are not finite, or scikit-learn is not installed.
      NumericsError: the fit did not converge.
    """
    if min(len(members), len(nonmembers)) < 2 or members.shape[1:] != nonmembers.shape[1:]:
        raise DataError(f"features of members {members.shape} and non-members {nonmembers.shape}: give at least two of each.")
    x = np.concatenate([members, nonmembers])
    if not np.isfinite(x).all():
        raise DataError("the oracle's features are not finite: the model has diverged.")
    needed("sklearn", "the membership oracle needs scikit-learn (or leave membership out, VerifyConfig(membership=False))")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Both kinds weigh the same in its sum over interactions; liblinear holds the ridge for the intercept too.
    classifier = LogisticRegression(C=1 / (RIDGE * len(x)), class_weight="balanced", solver="liblinear", tol=1e-8)
    fitted = make_pipeline(StandardScaler(), classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            fitted.fit(x, np.arange(len(x)) < len(members))
        except ConvergenceWarning as error:
            raise NumericsError(f"the membership oracle did not converge ({error}): give it more interactions.") from error
    return fitted.decision_function
