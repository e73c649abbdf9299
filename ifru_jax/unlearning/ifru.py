"""IFRU: recommendation unlearning by one damped second-order step.

    scope → b = direct + spillover → solve f(H) b → update → swap the graph → report

Source: Zhang et al., "Recommendation Unlearning via Influence Function" (arXiv 2307.02147, ACM TORS 2024).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.graph import Change
from ifru_jax.influence import Influence, importance_scope, right_hand_side
from ifru_jax.models import Params, Recommender, Scorer
from ifru_jax.models.tables import Rows
from ifru_jax.solvers import Solution, check
from ifru_jax.sparse import on_device, on_host
from ifru_jax.status import Status
from ifru_jax.training import LossLike, Objective, TrainConfig, Trained, bce, train
from ifru_jax.training.record import Record
from ifru_jax.unlearning.along import SegmentSolve, along_training
from ifru_jax.unlearning.astray import warn_astray, went_astray
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.in_parts import cut_request, forget_each, most_at_once, named_plainly
from ifru_jax.unlearning.linearity import beyond, with_linearity
from ifru_jax.unlearning.local.step import confined_update
from ifru_jax.unlearning.method import check_model
from ifru_jax.unlearning.prepare import Prepared, prepare
from ifru_jax.unlearning.report import Report, Scope, Solve, alongside
from ifru_jax.unlearning.step import StepProblem, Update, moved, solve_step
from ifru_jax.unlearning.stopping import gone_on


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
    update = (confined_update if state.confined else whole_update)(state, change, clock)
    status = check(update.solution)
    status = max(status, Status.UNRESOLVED) if update.unresolved else status
    if update.norm_step == 0 and change.leaves_rows:
        warnings.warn(
            f"the step is exactly 0 ({status.name}): nothing that the other rows learned from the request was undone. Look whether "
            "the scores depend on what may change, and whether the loss has a gradient there.",
            RuntimeWarning,
            stacklevel=2,
        )
    unlearned = state.after(change, update.params, update.propagations, update.record, update.on_the_way)
    clock.part("update", update.params)
    evidence = {"norm_step": update.norm_step, "influence": update.influence, "scope": update.scope}
    evidence["solve"] = Solve.of(update.solution)
    return unlearned, Report.of(change, status, state.model.tables, clock.seconds(), **evidence)


class _Step(NamedTuple):
    """δ over all rows, its evidence, and the record of a training that would have gone there."""

    delta: Params
    solution: Solution
    influence: Influence
    record: Record | None = None


def whole_update(state: Prepared, change: Change, clock: Clock) -> Update:
    """θ' by products over all retained interactions."""
    after, config = change.after, state.step
    objective = on_device(replace(state.objective, chunk_size=config.chunk_size or "automatic"))
    clock.part("graph", after.batch)
    scope, left_out = importance_scope(change.before, change.places, config.scope, max_nodes=config.max_nodes)
    rows = after.masks(scope)
    clock.part("scope")
    tried = _along(state, objective, change) if state.follows else None
    astray = tried is not None and _is_astray(objective, state, tried.delta, change)
    step = _from_the_end(state, objective, change, rows, clock) if tried is None or astray else tried
    clock.part("solve", step.delta)
    params = moved(state.model, state.params, step.delta, after.examples)
    solution = _with_products_of(step.solution, tried.solution) if tried is not None and astray else step.solution
    evidence = solution, float(on_host(_norm(step.delta))), step.influence, Scope.of(scope, left_out_nodes=left_out)
    return Update(params, *evidence, record=step.record, unresolved=astray)


def _along(state: Prepared, objective: Objective, change: Change) -> _Step:
    """Along the recorded training and on to where it would have stopped."""
    assert state.record is not None
    step, adaptive = state.step, state.record.adaptive
    solve = SegmentSolve(step.segment_steps, step.segment_tolerance, step.spillover, adaptive)
    found = along_training(objective, state.record, change, solve=solve)
    record = state.record.without(change.after, found.segments)
    params = moved(state.model, state.params, found.delta, change.after.examples)
    further, record = gone_on(objective, params, record, change.after)
    return _Step(_added(found.delta, further), found.solution, found.influence, record)


def _is_astray(objective: Objective, state: Prepared, delta: Params, change: Change) -> bool:
    """Whether the step along the training is not to be taken; says so."""
    params = moved(state.model, state.params, delta, change.after.examples)
    share = on_device(np.asarray(len(change) / len(change.before), jnp.result_type(float)))
    astray = went_astray(objective, state.params, params, change.after.batch, share)
    if astray:
        warn_astray(stacklevel=5)
    return astray


def _from_the_end(state: Prepared, objective: Objective, change: Change, rows: Rows, clock: Clock) -> _Step:
    rhs, influence = right_hand_side(objective, state.params, change, spillover=state.step.spillover)
    clock.part("influence", rhs)
    problem = StepProblem(objective, state.params, rhs, change.after.batch, rows, on_device(state.floor))
    delta, solution = solve_step(state.step, problem)
    return _Step(delta, solution, influence)


_added, _norm = jax.jit(optax.tree.add), jax.jit(optax.tree.norm)


def _with_products_of(solution: Solution, tried: Solution) -> Solution:
    products = int(on_host(solution.num_steps)) + int(on_host(tried.num_steps))
    return replace(solution, num_steps=on_device(np.int32(products)))


def _in_parts(state: Prepared, parts: Sequence[ForgetRequest], clock: Clock) -> tuple[Prepared, Report]:
    one_step = prepare(state, config=replace(state.step, max_share=None))
    unlearned, report = forget_each(one_step, parts, forget)
    unlearned = prepare(unlearned, config=state.step)
    clock.part("split", unlearned.params)
    before, within = clock.seconds(), report.seconds
    # What the parts took themselves is told apart.
    return unlearned, replace(
        report, seconds={**before, **within} | {"split": before["split"] - within["total"], "total": before["total"]}
    )
