"""IFRU: recommendation unlearning by one damped second-order step.

    scope → b = direct + spillover → solve f(H) b → update → swap the graph → report

Source: Zhang et al., "Recommendation Unlearning via Influence Function" (arXiv 2307.02147, ACM TORS 2024).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.models import Recommender, Scorer
from ifru_jax.solvers import check
from ifru_jax.status import Status
from ifru_jax.training import LossLike, TrainConfig, Trained, bce, train
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.in_parts import cut_request, forget_each, most_at_once, named_plainly
from ifru_jax.unlearning.linearity import beyond, with_linearity
from ifru_jax.unlearning.local.step import confined_update
from ifru_jax.unlearning.method import check_model
from ifru_jax.unlearning.prepare import Prepared, prepare
from ifru_jax.unlearning.report import Report, Solve, alongside
from ifru_jax.unlearning.whole import whole_update


@dataclass(frozen=True)
class IFRU:
    """IFRU as a `Method`; its state is a `Prepared`."""

    model: Recommender
    train_config: TrainConfig
    config: IFRUConfig = IFRUConfig()
    loss: LossLike = bce

    def fit(self, key: jax.Array, data: Split) -> Prepared:
        return prepare(train(key, self.model, data, self.train_config, loss=self.loss), config=self.config)

    def prepare(self, trained: Trained, data: Split, key: jax.Array) -> Prepared:
        check_model(self.model, trained.model)
        return prepare(trained, config=self.config)

    def forget(self, state: Prepared, request: ForgetRequest) -> tuple[Prepared, Report]:
        check_model(self.model, state.model)
        return forget(state, request, config=self.config)

    def served(self, state: Prepared) -> Scorer:
        check_model(self.model, state.model)
        return state


def forget(trained: Trained, request: ForgetRequest, *, config: IFRUConfig | None = None) -> tuple[Prepared, Report]:
    """Forgets, or corrects, what the request names. The result takes further requests.

    Args:
      trained: a trained model, best one of `prepare`, or one that this function returned.
      request: what to forget; an empty one returns the very same model.
      config: how; None: as the model was prepared for, or the defaults.

    Returns:
      The model as retraining without the forgotten interactions would have left it, as closely as one step goes (or a few, where
      more than `config.max_share` is forgotten), on the retained graph and without a trace of the forgotten data; and the evidence.

    Raises:
      DataError: the request names something that isn't there, or everything, or the configuration can't apply.
      ModelError: `config.shared` names what is no shared parameter.
      NumericsError: the computation was not finite; nothing was changed.
    """
    return _forget(trained, request, config)


def _forget(
    trained: Trained, request: ForgetRequest, config: IFRUConfig | None = None, *, last: bool = True
) -> tuple[Prepared, Report]:
    """`forget`, of a whole request or of a part.

    Args:
      last: whether the request is carried out with this; False for a part that others follow.
    """
    clock = Clock()
    change = trained.resolved(request)
    if not len(change):
        return trained, Report.of_nothing(len(trained.training_set), clock.seconds())  # pyright: ignore[reportReturnType]
    state = prepare(trained, config=config)
    if state is not trained:
        clock.part("prepare", state.propagations)
    most = most_at_once(len(change.before), state.step.max_share)
    if len(change) > most:
        unlearned, report = _in_parts(state, cut_request(named_plainly(change), trained.interactions, most), clock)
        report = beyond(with_linearity(report, trained, unlearned), len(change.before))
        # A part can't know what another names.
        return unlearned, replace(report, **alongside(change))
    update = confined_update(state, change, clock) if state.confined else whole_update(state, change, clock, last=last)
    status = check(update.solution)
    status = max(status, Status.UNRESOLVED) if update.unresolved else status
    if update.norm_step == 0 and change.leaves_rows:
        warnings.warn(
            f"the step is exactly 0 ({status.name}): nothing that the other rows learned from the request was undone. Look whether "
            "the scores depend on what may change, and whether the loss has a gradient there.",
            RuntimeWarning,
            stacklevel=3,
        )
    unlearned = state.after(change, update.params, update.propagations, update.record, update.on_the_way)
    clock.part("update", update.params)
    evidence = {"norm_step": update.norm_step, "influence": update.influence, "scope": update.scope}
    evidence["solve"] = Solve.of(update.solution)
    return unlearned, Report.of(change, status, state.model.tables, clock.seconds(), **evidence)


def _in_parts(state: Prepared, parts: Sequence[ForgetRequest], clock: Clock) -> tuple[Prepared, Report]:
    one_step = prepare(state, config=replace(state.step, max_share=None))
    # What all of it did to the length of the training is seen in the end.
    unlearned, report = forget_each(one_step, parts, partial(_forget, last=False), last=_forget)
    unlearned = prepare(unlearned, config=state.step)
    clock.part("split", unlearned.params)
    before, within = clock.seconds(), report.seconds
    # What the parts took themselves is told apart.
    return unlearned, replace(
        report, seconds={**before, **within} | {"split": before["split"] - within["total"], "total": before["total"]}
    )
