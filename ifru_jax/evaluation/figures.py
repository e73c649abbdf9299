"""The figures of one method and one seed, from scores alone.

Where a figure is taken: AUCs, gap, rms, noise, score_std and share_removed over the test pairs whose user and item
remain; forget_gap, forget_noise and forget_slope over the forgotten pairs whose user and item remain; forget_loss and
forget_rms over all forgotten pairs. For method seed k,

    forget_slope: change of the method    c   = s_k − o_k
                  change of retraining    c_r = mean_j r_j − mean_k o_k

with o the original models and r the retrained ones. A figure that does not apply is None, never NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.evaluation import fidelity, masks
from ifru_jax.metrics import auc_or_none


@dataclass(frozen=True, eq=False)
class ComparedPairs:
    """The pairs on which methods are compared, on the host; the same for every method and seed.

    Attributes:
      test_labels: [n_test] in {0, 1}.
      forgotten_labels: [n_forgotten], the labels with which these interactions were trained on.
      test_survives, forgotten_survives: bool, user and item still have a retained interaction.
      test_touched_or, test_touched_and: bool [n_test], user or/and item occur in the forgotten interactions.
    """

    test_labels: np.ndarray
    forgotten_labels: np.ndarray
    test_survives: np.ndarray
    forgotten_survives: np.ndarray
    test_touched_or: np.ndarray
    test_touched_and: np.ndarray

    @classmethod
    def of(cls, retained: Interactions, forgotten: Interactions, test: Interactions) -> Self:
        """Labels and masks of a forget request; all three must number the same users and items, or DataError."""
        return cls(
            test_labels=test.labels,
            forgotten_labels=forgotten.labels,
            test_survives=masks.survivors(retained, test),
            forgotten_survives=masks.survivors(retained, forgotten),
            test_touched_or=masks.touched_or(forgotten, test),
            test_touched_and=masks.touched_and(forgotten, test),
        )


@dataclass(frozen=True, eq=False)
class PairScores:
    """Logits of one model: test [n_test] and forgotten [n_forgotten], in the order of `ComparedPairs`."""

    test: np.ndarray
    forgotten: np.ndarray


def figures(
    scores: PairScores,
    pairs: ComparedPairs,
    *,
    original: PairScores | None,
    originals: Sequence[PairScores],
    retrained: Sequence[PairScores],
    itself: int | None = None,
    ranking: Mapping[str, float | None] | None = None,
) -> dict[str, float | None]:
    """Figures of one method and one seed.

    Args:
      scores: of the method's model.
      pairs: labels and masks.
      original: the model this one started from (for retraining: the original it is paired with), or None; then
        forget_slope and share_removed do not apply.
      originals: the original models of all seeds.
      retrained: the retrained models of all seeds; with fewer than two there is no noise, hence no gap.
      itself: position in `retrained` of the model in question when it is one of them; compared with the others only.
      ranking: what `ranking_metrics` answered, passed through.

    Returns:
      auc, auc_or, auc_and, gap, rms, noise, score_std, share_removed; forget_loss, forget_loss_retrained, forget_gap,
      forget_rms, forget_noise, forget_slope; nonfinite_scores, the count of NaN and infinite scores, which explains
      figures that are None; and the ranking metrics.

    Raises:
      DataError: scores whose length differs from that of the pairs.
    """
    for model in (scores, *([] if original is None else [original]), *originals, *retrained):
        for name, expected in (("test", pairs.test_labels.shape), ("forgotten", pairs.forgotten_labels.shape)):
            if np.shape(getattr(model, name)) != expected:
                raise DataError(f"{name} scores have shape {np.shape(getattr(model, name))}, but its pairs {expected}.")
    kept, labels = pairs.test_survives, pairs.test_labels
    models = _stack([model.test for model in retrained], kept)
    distance = fidelity.mean_rms(scores.test[kept], models, itself=itself)
    # The original is compared with the same models, so that a retrained one is not set against a longer list.
    original_distance = None if original is None else fidelity.mean_rms(original.test[kept], models, itself=itself)

    there, forgotten_labels = pairs.forgotten_survives, pairs.forgotten_labels
    forgotten = _stack([model.forgotten for model in retrained], there)
    every = _stack([model.forgotten for model in retrained], np.ones(len(forgotten_labels), bool))
    slope = None
    if original is not None and originals and retrained:
        before = _stack([model.forgotten for model in originals], there)
        slope = fidelity.forget_slope((scores.forgotten - original.forgotten)[there], forgotten.mean(0) - before.mean(0))
    return {
        "auc": auc_or_none(scores.test, labels, kept),
        "auc_or": auc_or_none(scores.test, labels, kept & pairs.test_touched_or),
        "auc_and": auc_or_none(scores.test, labels, kept & pairs.test_touched_and),
        "gap": fidelity.gap(scores.test[kept], models, itself=itself),
        "rms": distance,
        "noise": fidelity.noise(models),
        "score_std": fidelity.score_std(scores.test[kept]),
        "share_removed": fidelity.share_removed(distance, original_distance),
        "forget_loss": fidelity.forget_loss(scores.forgotten, forgotten_labels),
        "forget_loss_retrained": fidelity.mean_or_none([fidelity.forget_loss(model, forgotten_labels) for model in every]),
        "forget_gap": fidelity.gap(scores.forgotten[there], forgotten, itself=itself),
        "forget_rms": fidelity.mean_rms(scores.forgotten, every, itself=itself),
        "forget_noise": fidelity.noise(forgotten),
        "forget_slope": slope,
        "nonfinite_scores": float(sum((~np.isfinite(s)).sum() for s in (scores.test, scores.forgotten))),
        **(ranking or {}),
    }


def _stack(models: Sequence[np.ndarray], where: np.ndarray) -> np.ndarray:
    """float64 [R, n_kept], also for R = 0."""
    return np.asarray([model[where] for model in models], np.float64).reshape(len(models), int(where.sum()))
