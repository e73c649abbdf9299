"""All measures of an unlearned model, each with limits from the retrained ones, from what was seen of each model (`views`).

    distances   ratio to the distance between two retrained models, at most what a systematic shift as large as the noise of one
                training gives, or what a retrained model has among the others (`closeness`)
    figures     inside the interval in which one more retrained model lies (`spread`); of figures of quality only the lower end
                counts. α = 0.05 is shared by all of them, so that a retrained model passes *all* in 95 of 100 cases.

A training that scatters more than the retrained models is farther from them on all pairs. So the gap is taken first: forgotten
pairs count by how far they are beyond it, and figures get wider intervals by it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ifru_jax.evaluation import fidelity
from ifru_jax.evaluation.closeness import FEW, SEEN_FROM, UNSEEN, Closeness, half_way, ratio_and_limit, scatter
from ifru_jax.evaluation.discordance import discordance
from ifru_jax.evaluation.lists import list_overlap
from ifru_jax.evaluation.spread import PredictionInterval, prediction_interval
from ifru_jax.evaluation.verdicts import Group, Limits, Measure, judged
from ifru_jax.evaluation.views import ModelView

ALPHA = 0.05
FEWEST_CASES = 20
"""Fewer forgotten pairs make no distance in units of noise: one pair may by chance be far from one retrained model. Nor does a
group of items of which retrained models find fewer relevant pairs make a share: by chance they find equally many."""

GONE = 1e-3
"""A score that is this small beside the spread of scores says nothing about its user or item any more."""

ORDER = ("closeness", "forgetting", "membership", "quality")


class Compared(NamedTuple):
    """Views of the models of a verification; `retrained` are at least two."""

    original: ModelView
    unlearned: ModelView
    retrained: Sequence[ModelView]

    def values(self, of: Callable[[ModelView], float | None]) -> tuple[float | None, float | None, list[float | None]]:
        """A figure of the unlearned model, of the original, and of the retrained ones."""
        return of(self.unlearned), of(self.original), [of(view) for view in self.retrained]


class Scatters(NamedTuple):
    """How many times the noise of a retrained model each has, at most, read off its gap; of "half", one halfway between."""

    unlearned: float
    original: float
    half: float


def measures_of(models: Compared, *, k: int) -> dict[str, Measure]:
    """Measures by name, in the order of their groups; attacks are measures of models that were attacked."""
    found, gap = _distances(models, k)
    unlearned, original = gap.ratios
    scatters = Scatters(scatter(unlearned), scatter(original), scatter(half_way(original or 1.0)))
    if len(models.original.gone):
        found["gone_scores"] = _gone_scores(models)
    # One of the figures of the lists is judged; they rise and fall together, and each would widen the limits of all.
    reported = [name for name in models.original.quality if name in {f"{figure}@{k}" for figure in ("recall", "hr", "mrr", "map")}]
    reported += [n for n in models.original.found if np.mean([view.found[n] for view in models.retrained]) < FEWEST_CASES]
    figures = [
        _Figure("forgetting", "forget_loss", lambda m: m.forget_loss, resolution=lambda m: m.forget_loss_error),
        _Figure("closeness", "score_std", lambda m: fidelity.score_std(m.test)),
        *(_quality(name) for name in models.original.quality if name not in reported),
        *_attack_figures(models.original.attacks),
    ]
    found |= {figure.name: figure.measure(models, scatters, ALPHA / len(figures)) for figure in figures}
    if len(models.retrained) < FEW and found["gap"].outside and found["gap"].verdict != "fail":
        found |= {figure.name: found[figure.name].in_doubt() for figure in figures}
    found |= {name: _quality(name).unjudged(models) for name in reported}
    return in_order(found)


def in_order(measures: dict[str, Measure]) -> dict[str, Measure]:
    """By group."""
    return dict(sorted(measures.items(), key=lambda item: ORDER.index(item[1].group)))


@dataclass(frozen=True)
class _Figure:
    """A figure whose limits are an interval from the retrained models."""

    group: Group
    name: str
    of: Callable[[ModelView], float | None]
    lower_only: bool = False
    resolution: Callable[[ModelView], float] = lambda _: 0.0

    def measure(self, models: Compared, scatters: Scatters, alpha: float) -> Measure:
        value, before, others = models.values(self.of)
        known = [other for other in others if other is not None]
        if value is None or before is None or len(known) < len(others):
            return self.unjudged(models)
        resolution = float(np.mean([self.resolution(view) for view in models.retrained]))
        # One tail holds all of alpha where only one side is judged.
        alpha = 2 * alpha if self.lower_only else alpha
        intervals = [prediction_interval(known, alpha=alpha, resolution=resolution, scatter=one) for one in scatters]
        own, of_original, of_half = intervals
        return judged(
            self.group,
            value,
            before,
            mean=own.mean,
            limits=Limits(own.low, None if self.lower_only else own.high),
            z=own.z(value),
            informative=not self._holds(of_original, before),
            power=of_half.power((before - own.mean) / 2, lower_only=self.lower_only),
        )

    def _holds(self, interval: PredictionInterval, value: float) -> bool:
        return value >= interval.low and (self.lower_only or value <= interval.high)

    def unjudged(self, models: Compared) -> Measure:
        value, before, others = models.values(self.of)
        return Measure(self.group, value, before, fidelity.mean_or_none(others))


def _quality(name: str) -> _Figure:
    return _Figure("quality", name, lambda m: m.quality[name], lower_only=True)


def _attack_figures(attacks: dict) -> list[_Figure]:
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

    areas = [area(name) for name in ("loss", "oracle", "lira", "rmia") if name in attacks]
    return areas + [tpr(name) for name in ("lira", "rmia") if name in attacks]


def _distances(models: Compared, k: int) -> tuple[dict[str, Measure], Closeness]:
    """Distances to retrained models, in units of the distance between two of them; and the gap, which others are set beside."""

    def close(distance: Callable[[ModelView, ModelView], float | None]) -> Closeness:
        return ratio_and_limit(distance, [models.unlearned, models.original], models.retrained)

    def lists_differ(a: ModelView, b: ModelView) -> float:
        return 1 - float(list_overlap(a.lists, b.lists).mean())

    gap = close(lambda a, b: fidelity.rms(a.test, b.test))
    unseen = len(models.retrained) < SEEN_FROM
    found = {
        "gap": _distance("closeness", gap, unseen=unseen),
        f"list_distance@{k}": _distance("closeness", close(lists_differ), unseen=unseen),
        "order_distance": _distance("closeness", close(lambda a, b: discordance(a.test, b.test)), unseen=unseen),
    }
    if len(models.original.forgotten) >= FEWEST_CASES:
        found["forget_gap"] = _distance("forgetting", close(lambda a, b: fidelity.rms(a.forgotten, b.forgotten)), beside=gap)
    return found, gap


def _distance(group: Group, close: Closeness, *, unseen: bool = False, beside: Closeness | None = None) -> Measure:
    """A distance that may be that of a training that scatters more (`unseen`), or that is judged by how far it is above another."""
    value, before = close.ratios
    if value is None or before is None:
        return Measure(group, value, before, None)
    apart = close if beside is None else close.beside(beside)
    others = [1.0, 1.0] if beside is None else [max(ratio or 1.0, 1.0) for ratio in beside.ratios]
    return judged(
        group,
        value,
        before,
        mean=1.0,
        limits=Limits(high=apart.limit * others[0], sure_above=max(UNSEEN, apart.limit) if unseen else None),
        informative=before > apart.limit * others[1],
        power=apart.power(half_way(before) / half_way(others[1])),
    )


def _gone_scores(models: Compared) -> Measure:
    """Root mean square of the scores of forgotten pairs whose user or item has no data left, in units of the spread of scores.

    It has no power: it may fail, but zeros in these rows say nothing of all others.

    Regularised retraining takes such rows to zero, and there is no noise between zeros to set a limit by.
    """

    def size(view: ModelView) -> float:
        return float(np.sqrt(np.mean(np.square(view.gone))) / max(view.test.std(), 1e-12))

    value, before = size(models.unlearned), size(models.original)
    others = [size(view) for view in models.retrained]
    high = max(*others, GONE)
    return judged("forgetting", value, before, mean=float(np.mean(others)), limits=Limits(high=high), informative=before > high)
