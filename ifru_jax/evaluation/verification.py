"""Was it forgotten? All measures of an unlearned model against retrained ones, each with a verdict.

Every limit comes from the retrained models, since two of them differ as well:

    distances   ratio to the distance between two retrained models, at most what a systematic shift as large as the noise of one
                training gives, or what a retrained model has among the others (`closeness`)
    figures     inside the interval in which one more retrained model lies (`spread`); of figures of quality only the lower end
                counts. α = 0.05 is shared by all of them, so that a retrained model passes *all* in 95 of 100 cases.

First come the facts (`facts`): what each model was trained on or has left. A measure proves something only where the original model
fails it (`informative`), and where a model that forgot half would fail it too (`power`, at least 80 %). Without such a measure the
verdict is "cannot tell". Cleared rows (`gone_scores`) prove nothing: whoever sets one row to zero has undone nothing of what the
others learned from it. No user, item or interaction is in the result, only counts, averages and verdicts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, check_kind
from ifru_jax.evaluation import fidelity
from ifru_jax.evaluation.closeness import ratio_and_limit
from ifru_jax.evaluation.discordance import discordance
from ifru_jax.evaluation.facts import facts_of
from ifru_jax.evaluation.lists import list_overlap
from ifru_jax.evaluation.membership import Candidates, Shadows, audit
from ifru_jax.evaluation.parameters import share_left
from ifru_jax.evaluation.spread import prediction_interval
from ifru_jax.evaluation.verdicts import Group, Measure, Verification, VerifyConfig, judged
from ifru_jax.evaluation.views import ModelView, Views
from ifru_jax.forks import check_not_forked
from ifru_jax.models import Scorer
from ifru_jax.training import Trained
from ifru_jax.training.losses import as_loss

ALPHA = 0.05
FEWEST_CASES = 20
"""Fewer forgotten pairs make no distance in units of noise: one pair may by chance be far from one retrained model. Nor does a
group of items of which retrained models find fewer relevant pairs make a share: by chance they find equally many."""

GONE = 1e-3
"""A score that is this small beside the spread of scores says nothing about its user or item any more."""


def verify(
    original: Scorer,
    unlearned: Scorer,
    retrained: Sequence[Scorer],
    split: Split,
    request: ForgetRequest,
    *,
    shadows: Shadows | None = None,
    twin: Trained | None = None,
    config: VerifyConfig = VerifyConfig(),
) -> Verification:
    """Compares an unlearned model with retrained ones.

    Args:
      original: the model that was asked to forget: a `Trained`, or any `Scorer` on rows of the tables of `split`.
      unlearned: what it became.
      retrained: at least two models trained without the forgotten interactions, with different seeds, none of them the original's.
        With two hardly any figure can fail; five make verdicts sharp.
      split: train with the forgotten interactions (as the original saw it), valid and test.
      request: what was forgotten or corrected. Corrected interactions are compared under the labels they had, like forgotten
        ones; membership inference leaves them out, since the retrained models were trained on them too, under another label.
      shadows: of `train_shadows`, for LiRA and RMIA; without them only the loss attack and the oracle are run.
      twin: a model retrained from the original's initialisation, for the distance of parameters.
      config: how.

    Returns:
      A verdict with the facts and measures it rests on; `as_dict` is JSON.

    Raises:
      DataError: fewer than two retrained models, nothing forgotten or corrected, a request that `split.train` does not hold, or
        no scikit-learn for membership inference.
      NumericsError: scores that are not finite.
    """
    check_not_forked()
    check_kind("split", split, Split, "give the split that the original was trained on")
    check_kind("request", request, ForgetRequest, "make one with ForgetRequest.of(split.train, users=[…])")
    if len(retrained) < 2:
        raise DataError(f"{len(retrained)} retrained models: give at least two, since the noise between them sets every limit.")
    known = facts_of(original, unlearned, retrained, split.train, request)
    k, loss = config.k, config.loss
    if loss is None and isinstance(original, Trained):
        loss = original.loss
    fixes_levels = loss is None or as_loss(loss).fixes_levels
    views = Views.of(split, request, k, fixes_levels=fixes_levels)
    models = [original, unlearned, *retrained]
    before, after, *others = seen = [views.of_model(model) for model in models]
    attacks: dict[str, dict[str, Any]] = {}
    if config.membership and views.members:
        candidates = Candidates.of(split, request) if shadows is None else shadows.candidates
        for model, view in zip(models, seen, strict=True):
            view.attacks = audit(model, candidates, views.unchanged, shadows=shadows)
        achieved = [{name: attack.as_dict() for name, attack in view.attacks.items()} for view in seen]
        attacks = {"original": achieved[0], "unlearned": achieved[1]}
        attacks["retrained"] = {name: [of_model[name] for of_model in achieved[2:]] for name in achieved[0]}

    # One of the figures of the lists is judged; they rise and fall together, and each would widen the limits of all.
    reported = [f"{name}@{k}" for name in ("recall", "hr", "mrr", "map")]
    reported += [name for name in before.found if np.mean([view.found[name] for view in others]) < FEWEST_CASES]
    figures = [
        _Figure("forgetting", "forget_loss", lambda m: m.forget_loss, resolution=lambda m: m.forget_loss_error),
        _Figure("closeness", "score_std", lambda m: fidelity.score_std(m.test)),
        *(_quality(name) for name in before.quality if name not in reported),
        *(_attack_figures(with_shadows=shadows is not None) if attacks else ()),
    ]
    measures = _distances(before, after, others, views)
    if len(views.gone):
        measures["gone_scores"] = _gone_scores(before, after, others)
    measures |= {figure.name: figure.measure(before, after, others, ALPHA / len(figures)) for figure in figures}
    if twin is not None and isinstance(unlearned, Trained) and isinstance(original, Trained):
        measures["parameters_left"] = Measure("closeness", share_left(unlearned.params, original.params, twin.params), 1.0, None)
    measures |= {name: _quality(name).unjudged(before, after, others) for name in reported}
    order = ("closeness", "forgetting", "membership", "quality")
    measures = dict(sorted(measures.items(), key=lambda item: order.index(item[1].group)))
    counts = views.counts | {"retrained_models": len(retrained), "shadow_models": 0 if shadows is None else len(shadows)}
    return Verification.of(measures, known, attacks=attacks, counts=counts)


@dataclass(frozen=True)
class _Figure:
    """A figure whose limits are an interval from the retrained models."""

    group: Group
    name: str
    of: Callable[[ModelView], float | None]
    lower_only: bool = False
    resolution: Callable[[ModelView], float] = lambda _: 0.0

    def measure(self, original: ModelView, unlearned: ModelView, retrained: Sequence[ModelView], alpha: float) -> Measure:
        without_verdict = self.unjudged(original, unlearned, retrained)
        value, before = without_verdict.value, without_verdict.original
        if value is None or before is None or without_verdict.retrained is None:
            return without_verdict
        resolution = float(np.mean([self.resolution(view) for view in retrained]))
        others = [other for view in retrained if (other := self.of(view)) is not None]
        # One tail holds all of alpha where only one side is judged.
        interval = prediction_interval(others, alpha=2 * alpha if self.lower_only else alpha, resolution=resolution)
        high = None if self.lower_only else interval.high
        power = interval.power((before - interval.mean) / 2, lower_only=self.lower_only)
        return judged(self.group, value, before, mean=interval.mean, low=interval.low, high=high, z=interval.z(value), power=power)

    def unjudged(self, original: ModelView, unlearned: ModelView, retrained: Sequence[ModelView]) -> Measure:
        mean = fidelity.mean_or_none([self.of(view) for view in retrained])
        return Measure(self.group, self.of(unlearned), self.of(original), mean)


def _quality(name: str) -> _Figure:
    return _Figure("quality", name, lambda m: m.quality[name], lower_only=True)


def _attack_figures(*, with_shadows: bool) -> list[_Figure]:
    """The AUC of each kind of attack, and the true positives of those that are made for few false ones."""

    def area(attack: str) -> _Figure:
        def error(view: ModelView) -> float:
            low, high = view.attacks[attack].auc_interval
            return (high - low) / 2 / 1.96

        return _Figure("membership", f"{attack}_auc", lambda m: m.attacks[attack].auc, resolution=error)

    def tpr(attack: str) -> _Figure:
        def error(view: ModelView) -> float:
            found = view.attacks[attack]
            # At least one of them, since none found among n is compatible with a share of 1/n.
            share = min(max(found.tpr or 0.0, 1 / found.members), 1 - 1 / (found.members + 1))
            return math.sqrt(share * (1 - share) / found.members)

        return _Figure("membership", f"{attack}_tpr_at_1%", lambda m: m.attacks[attack].tpr, resolution=error)

    shadowed = ("lira", "rmia") if with_shadows else ()
    return [*map(area, ("loss", "oracle", *shadowed)), *map(tpr, shadowed)]


def _distances(original: ModelView, unlearned: ModelView, retrained: Sequence[ModelView], views: Views) -> dict[str, Measure]:
    """Distances to retrained models, in units of the distance between two of them."""

    def lists_differ(a: ModelView, b: ModelView) -> float:
        return 1 - float(list_overlap(a.lists, b.lists).mean())

    kinds: dict[str, tuple[Group, Callable[[ModelView, ModelView], float | None]]] = {
        "gap": ("closeness", lambda a, b: fidelity.rms(a.test, b.test)),
        f"list_distance@{views.k}": ("closeness", lists_differ),
        "order_distance": ("closeness", lambda a, b: discordance(a.test, b.test)),
        "forget_gap": ("forgetting", lambda a, b: fidelity.rms(a.forgotten, b.forgotten)),
    }
    if len(views.forgotten) < FEWEST_CASES:
        del kinds["forget_gap"]
    found = {}
    for name, (group, distance) in kinds.items():
        close = ratio_and_limit(distance, [unlearned, original], retrained)
        value, before = close.ratios
        if value is None or before is None:
            found[name] = Measure(group, value, before, None)
        else:
            found[name] = judged(group, value, before, mean=1.0, high=close.limit, power=close.power(before))
    return found


def _gone_scores(original: ModelView, unlearned: ModelView, retrained: Sequence[ModelView]) -> Measure:
    """Root mean square of the scores of forgotten pairs whose user or item has no data left, in units of the spread of scores.

    It has no power: it may fail, but zeros in these rows say nothing of all others.

    Regularised retraining takes such rows to zero, and there is no noise between zeros to set a limit by.
    """
    value, before, *others = (
        float(np.sqrt(np.mean(np.square(view.gone))) / max(view.test.std(), 1e-12)) for view in (unlearned, original, *retrained)
    )
    return judged("forgetting", value, before, mean=float(np.mean(others)), high=max(*others, GONE))
