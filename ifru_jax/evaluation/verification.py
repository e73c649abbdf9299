"""Was it forgotten? All measures of an unlearned model against retrained ones, each with a verdict.

Every limit comes from the retrained models, since two of them differ as well:

    distances   ratio to the distance between two retrained models, at most what a systematic shift as large as the noise of one
                training gives, or what a retrained model has among the others (`closeness`)
    figures     inside the interval in which one more retrained model lies (`spread`); of figures of quality only the lower end
                counts. α = 0.05 is shared by all of them, so that a retrained model passes *all* in 95 of 100 cases.

A measure proves something only where the original model fails it: `informative` says so. No user, item or interaction is in the
result, only counts, averages and verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.evaluation import fidelity
from ifru_jax.evaluation.closeness import ratio_and_limit
from ifru_jax.evaluation.correlation import discordance
from ifru_jax.evaluation.groups import found_of_items, grouped_metrics
from ifru_jax.evaluation.levels import comparable
from ifru_jax.evaluation.lists import Scorer, list_overlap, score_block_of, top_lists
from ifru_jax.evaluation.masks import survivors
from ifru_jax.evaluation.membership import AttackResult, Candidates, Shadows, audit
from ifru_jax.evaluation.parameters import share_left
from ifru_jax.evaluation.ranking import averages, user_ranking
from ifru_jax.evaluation.spread import prediction_interval
from ifru_jax.metrics import auc
from ifru_jax.training import Trained
from ifru_jax.training.losses import LossLike, as_loss

_auc = jax.jit(auc)

ALPHA = 0.05
FEWEST_CASES = 20
"""Fewer forgotten pairs make no distance in units of noise: one pair may by chance be far from one retrained model. Nor does a
group of items of which retrained models find fewer relevant pairs make a share: by chance they find equally many."""

GONE = 1e-3
"""A score that is this small beside the spread of scores says nothing about its user or item any more."""

Group = Literal["closeness", "forgetting", "membership", "quality"]
Verdict = Literal["pass", "fail", "not judged"]


@dataclass(frozen=True)
class Measure:
    """One measure of the unlearned model.

    Attributes:
      group: what it is about.
      value: of the unlearned model; None where it does not apply.
      original: of the model before.
      retrained: mean over the retrained models (1 for distances, which are in units of theirs).
      low, high: between which the value passes; None is no limit on that side.
      z: distance from the retrained mean in units of a retrained model's uncertainty; None for distances.
      verdict: "pass", "fail", or "not judged" where there is no value or no limit.
      informative: whether the original model fails it, so that passing proves something; None if not judged.
    """

    group: Group
    value: float | None
    original: float | None
    retrained: float | None
    low: float | None = None
    high: float | None = None
    z: float | None = None
    verdict: Verdict = "not judged"
    informative: bool | None = None


@dataclass(frozen=True)
class Verification:
    """The answer of `verify`.

    Attributes:
      passed: whether no measure failed and at least one was judged.
      failed: names of the measures that failed.
      measures: by name.
      attacks: what each membership attack achieved against "original", "unlearned" and "retrained" (a list), with intervals.
      counts: sizes, never ids.
      linearity: how well the step predicted what it did, if it was given.
    """

    passed: bool
    failed: tuple[str, ...]
    measures: dict[str, Measure]
    attacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    linearity: dict[str, float | None] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same in types of JSON, without NaN."""
        return asdict(self) | {"failed": list(self.failed)}


def verify(
    original: Scorer,
    unlearned: Scorer,
    retrained: Sequence[Scorer],
    split: Split,
    request: ForgetRequest,
    *,
    shadows: Shadows | None = None,
    membership: bool = True,
    twin: Trained | None = None,
    linearity: Mapping[str, float | None] | None = None,
    loss: LossLike | None = None,
    k: int = 20,
) -> Verification:
    """Compares an unlearned model with retrained ones.

    Args:
      original: the model that was asked to forget; anything with `score(users, items)` on rows of the tables of `split`.
      unlearned: what it became.
      retrained: at least two models trained without the forgotten interactions, with different seeds, none of them the original's.
        With two hardly any figure can fail; five make verdicts sharp.
      split: train with the forgotten interactions (as the original saw it), valid and test.
      request: what was forgotten.
      shadows: of `train_shadows`, for LiRA and RMIA; without them only the loss attack and the oracle are run.
      membership: False leaves membership inference out; so does a request after which nothing can be asked.
      twin: a model retrained from the original's initialisation, for the distance of parameters.
      linearity: figures of the step's own prediction, passed through.
      loss: of all models; None takes that of a `Trained` original. Where it leaves the level of each user's scores free, AUC, gaps
        and losses are of scores without levels. Attacks are on the scores as they are served, levels included.
      k: length of the recommendation lists.

    Returns:
      All measures with verdicts; `as_dict` is JSON.

    Raises:
      DataError: fewer than two retrained models, nothing forgotten, or a request that `split.train` does not hold.
      NumericsError: scores that are not finite.
    """
    if len(retrained) < 2:
        raise DataError(f"{len(retrained)} retrained models: give at least two, since the noise between them sets every limit.")
    if loss is None and isinstance(original, Trained):
        loss = original.loss
    fixes_levels = loss is None or as_loss(loss).fixes_levels
    views = _Views.of(split, request, k, fixes_levels=fixes_levels)
    models = {"original": original, "unlearned": unlearned}
    seen = {name: views.of_model(model) for name, model in models.items()}
    seen_retrained = [views.of_model(model) for model in retrained]

    figures = [_Figure("forgetting", "forget_loss", lambda m: m.forget_loss, resolution=lambda m: m.forget_loss_error)]
    figures.append(_Figure("closeness", "score_std", lambda m: fidelity.score_std(m.test)))
    # One of the figures of the lists is judged; they rise and fall together, and each would widen the limits of all.
    reported = [f"{name}@{k}" for name in ("recall", "hr", "mrr", "map")]
    found = {name: np.mean([view.found[name] for view in seen_retrained]) for name in seen_retrained[0].found}
    reported += [name for name, count in found.items() if count < FEWEST_CASES]
    for name in seen["original"].quality:
        if name not in reported:
            figures.append(_Figure("quality", name, lambda m, name=name: m.quality[name], lower_only=True))
    attacks: dict[str, dict[str, Any]] = {}
    if membership and len(views.forgotten):
        candidates = Candidates.of(split, request) if shadows is None else shadows.candidates
        results = {name: audit(model, candidates, views.retained, shadows=shadows) for name, model in models.items()}
        results_retrained = [audit(model, candidates, views.retained, shadows=shadows) for model in retrained]
        attacks = {name: {attack: r.as_dict() for attack, r in achieved.items()} for name, achieved in results.items()}
        attacks["retrained"] = {attack: [r[attack].as_dict() for r in results_retrained] for attack in results_retrained[0]}
        for view, achieved in zip([*seen.values(), *seen_retrained], [*results.values(), *results_retrained], strict=True):
            view.attacks = achieved
        figures += _attack_figures(with_shadows=shadows is not None)

    measures = _distances(seen["original"], seen["unlearned"], seen_retrained, views)
    if len(views.gone):
        measures["gone_scores"] = _gone_scores(seen["original"], seen["unlearned"], seen_retrained)
    alpha = ALPHA / len(figures)
    for figure in figures:
        measures[figure.name] = figure.measure(seen["original"], seen["unlearned"], seen_retrained, alpha)
    if twin is not None and isinstance(unlearned, Trained) and isinstance(original, Trained):
        left = share_left(unlearned.params, original.params, twin.params)
        measures["parameters_left"] = Measure("closeness", left, 1.0, None)
    for name in reported:
        value, before = seen["unlearned"].quality[name], seen["original"].quality[name]
        measures[name] = Measure("quality", value, before, _mean([view.quality[name] for view in seen_retrained]))
    order = ("closeness", "forgetting", "membership", "quality")
    measures = dict(sorted(measures.items(), key=lambda item: order.index(item[1].group)))
    failed = tuple(name for name, measure in measures.items() if measure.verdict == "fail")
    judged = any(measure.verdict != "not judged" for measure in measures.values())
    counts = views.counts | {"retrained_models": len(retrained), "shadow_models": 0 if shadows is None else len(shadows)}
    return Verification(judged and not failed, failed, measures, attacks, counts, None if linearity is None else dict(linearity))


@dataclass(eq=False)
class _ModelView:
    """What is compared of one model."""

    test: np.ndarray
    forgotten: np.ndarray
    gone: np.ndarray
    forget_loss: float | None
    forget_loss_error: float
    lists: np.ndarray
    quality: dict[str, float | None]
    found: dict[str, int]
    attacks: dict[str, AttackResult] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Views:
    """The pairs and users on which models are compared: those whose user and item still have a retained interaction."""

    retained: Interactions
    train: Interactions
    test: Interactions
    forgotten: Interactions
    gone: Interactions
    users: np.ndarray
    counts: dict[str, int]
    k: int
    fixes_levels: bool

    @classmethod
    def of(cls, split: Split, request: ForgetRequest, k: int, *, fixes_levels: bool) -> _Views:
        gone = request.select(split.train)
        if not gone.any():
            raise DataError(f"{request} forgets nothing: there is nothing to verify.")
        retained, forgotten = split.train.select(~gone), split.train.select(gone)
        test = split.test.select(survivors(retained, split.test))
        kept = survivors(retained, forgotten)
        users = np.flatnonzero(retained.user_degrees())
        counts = {
            "forgotten_interactions": len(forgotten),
            "forgotten_compared": int(kept.sum()),
            "touched_users": len(np.unique(forgotten.users)),
            "retained_interactions": len(retained),
            "test_interactions": len(test),
            "compared_users": len(users),
        }
        return cls(
            retained=retained,
            train=split.train,
            test=test,
            forgotten=forgotten.select(kept),
            gone=forgotten.select(~kept),
            users=users,
            counts=counts,
            k=k,
            fixes_levels=fixes_levels,
        )

    def of_model(self, model: Scorer) -> _ModelView:
        pooled = comparable(model, self.fixes_levels, self.train.num_users, self.train.num_items)
        test, forgotten = (np.asarray(pooled.score(p.users, p.items), np.float64) for p in (self.test, self.forgotten))
        # Rows without data are zeros, and so are their scores with whatever level.
        gone = np.asarray(model.score(self.gone.users, self.gone.items), np.float64)
        bad = sum(int((~np.isfinite(scores)).sum()) for scores in (test, forgotten, gone))
        if bad:
            raise NumericsError(
                f"{bad} scores of a model are not finite: it has diverged; lower the learning rate or raise the damping."
            )
        losses = np.logaddexp(0, forgotten) - self.forgotten.labels * forgotten
        # Candidates are what no training set holds, the forgotten ones included: the same lists' choice for every model.
        lists = top_lists(score_block_of(model, self.train.num_items), self.train, self.users, k=self.k)
        ranking = user_ranking(lists, self.users, self.train, self.test)
        return _ModelView(
            test=test,
            forgotten=forgotten,
            gone=gone,
            forget_loss=fidelity.forget_loss(forgotten, self.forgotten.labels),
            forget_loss_error=float(losses.std(ddof=1) / math.sqrt(len(losses))) if len(losses) > 1 else 0.0,
            lists=lists,
            quality={"auc": self._auc(test)} | averages(ranking, k=self.k) | grouped_metrics(ranking, self.retained, k=self.k),
            found=found_of_items(ranking, self.retained, k=self.k),
        )

    def _auc(self, scores: np.ndarray) -> float | None:
        pooled = float(_auc(scores, self.test.labels))
        return None if math.isnan(pooled) else pooled


@dataclass(frozen=True)
class _Figure:
    """A figure whose limits are an interval from the retrained models."""

    group: Group
    name: str
    of: Callable[[_ModelView], float | None]
    lower_only: bool = False
    resolution: Callable[[_ModelView], float] = lambda _: 0.0

    def measure(self, original: _ModelView, unlearned: _ModelView, retrained: Sequence[_ModelView], alpha: float) -> Measure:
        value, before = self.of(unlearned), self.of(original)
        others = [other for view in retrained if (other := self.of(view)) is not None]
        if value is None or before is None or len(others) < len(retrained):
            return Measure(self.group, value, before, _mean([self.of(view) for view in retrained]))
        resolution = float(np.mean([self.resolution(view) for view in retrained]))
        # One tail holds all of alpha where only one side is judged.
        interval = prediction_interval(others, alpha=2 * alpha if self.lower_only else alpha, resolution=resolution)
        high = None if self.lower_only else interval.high
        return _judged(self.group, value, before, interval.mean, interval.low, high, interval.z(value))


def _attack_figures(*, with_shadows: bool) -> list[_Figure]:
    """The AUC of each kind of attack, and the true positives of those that are made for few false ones."""

    def area(attack: str) -> _Figure:
        def error(view: _ModelView) -> float:
            low, high = view.attacks[attack].auc_interval
            return (high - low) / 2 / 1.96

        return _Figure("membership", f"{attack}_auc", lambda m: m.attacks[attack].auc, resolution=error)

    def tpr(attack: str) -> _Figure:
        def error(view: _ModelView) -> float:
            found = view.attacks[attack]
            # At least one of them, since none found among n is compatible with a share of 1/n.
            share = min(max(found.tpr or 0.0, 1 / found.members), 1 - 1 / (found.members + 1))
            return math.sqrt(share * (1 - share) / found.members)

        return _Figure("membership", f"{attack}_tpr_at_1%", lambda m: m.attacks[attack].tpr, resolution=error)

    shadowed = ("lira", "rmia") if with_shadows else ()
    return [*map(area, ("loss", "oracle", *shadowed)), *map(tpr, shadowed)]


def _distances(original: _ModelView, unlearned: _ModelView, retrained: Sequence[_ModelView], views: _Views) -> dict[str, Measure]:
    """Distances to retrained models, in units of the distance between two of them."""

    def lists_differ(a: _ModelView, b: _ModelView) -> float:
        return 1 - float(list_overlap(a.lists, b.lists).mean())

    kinds: dict[str, tuple[Group, Callable[[_ModelView, _ModelView], float | None]]] = {
        "gap": ("closeness", lambda a, b: fidelity.rms(a.test, b.test)),
        f"list_distance@{views.k}": ("closeness", lists_differ),
        "order_distance": ("closeness", lambda a, b: discordance(a.test, b.test)),
        "forget_gap": ("forgetting", lambda a, b: fidelity.rms(a.forgotten, b.forgotten)),
    }
    if len(views.forgotten) < FEWEST_CASES:
        del kinds["forget_gap"]
    found = {}
    for name, (group, distance) in kinds.items():
        (value, before), limit = ratio_and_limit(distance, [unlearned, original], retrained)
        if value is None or before is None:
            found[name] = Measure(group, value, before, None)
        else:
            found[name] = _judged(group, value, before, 1.0, None, limit, None)
    return found


def _gone_scores(original: _ModelView, unlearned: _ModelView, retrained: Sequence[_ModelView]) -> Measure:
    """Root mean square of the scores of forgotten pairs whose user or item has no data left, in units of the spread of scores.

    Regularised retraining takes such rows to zero, and there is no noise between zeros to set a limit by.
    """
    value, before, *others = (
        float(np.sqrt(np.mean(np.square(view.gone))) / max(view.test.std(), 1e-12)) for view in (unlearned, original, *retrained)
    )
    return _judged("forgetting", value, before, float(np.mean(others)), None, max(*others, GONE), None)


def _judged(
    group: Group, value: float, before: float, mean: float, low: float | None, high: float | None, z: float | None
) -> Measure:
    def inside(x: float) -> bool:
        return (low is None or x >= low) and (high is None or x <= high)

    return Measure(group, value, before, mean, low, high, z, "pass" if inside(value) else "fail", not inside(before))


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present and len(present) == len(values) else None
