"""IFRU: recommendation unlearning by one damped second-order step.

    scope → b = direct + spillover → solve f(H) b → update → swap the graph → report

Source: Zhang et al., "Recommendation Unlearning via Influence Function" (arXiv 2307.02147, ACM TORS 2024).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.graph import Examples, TrainingSet, build_examples, newly_lost
from ifru_jax.graph.groups import whole_groups
from ifru_jax.graph.inflow import Propagations
from ifru_jax.graph.neighbourhood import HostGraph, Neighbourhood, Nodes, stack
from ifru_jax.influence.scope import importance_scope
from ifru_jax.influence.spillover import (
    affected_interactions,
    blocks,
    neighbourhood_spillover,
    scatter_rows,
)
from ifru_jax.models import Params, Recommender
from ifru_jax.solvers import Solution, Status, check
from ifru_jax.training import TrainConfig, Trained, train
from ifru_jax.training.losses import Loss, LossLike, bce
from ifru_jax.training.objectives import squared_norm
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.in_parts import forget_in_parts, parts_needed
from ifru_jax.unlearning.influence_step import add_parts, direct_part, solve_part, spillover_part, update_part
from ifru_jax.unlearning.local_step import is_local, local_request, opened, pack, rows_without_data, solve_and_apply
from ifru_jax.unlearning.prepare import damping_floor, is_prepared, prepare
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.shared_weights import free_parameters


@partial(jax.jit, static_argnames=("model", "loss"))
def _neighbourhood_part(
    model: Recommender, loss: Loss, params: Params, batch: Neighbourhood, *, total: float
) -> tuple[Params, jax.Array]:
    """Spillover added up over a batch of neighbourhoods, and its norm."""
    local = neighbourhood_spillover(model, loss, params, batch, total=total)
    spillover = scatter_rows(model, params, batch, local)
    return spillover, jnp.sqrt(squared_norm(spillover))


@dataclass(frozen=True)
class IFRU:
    """IFRU as a `Method`; its state is a `Trained`."""

    model: Recommender
    train_config: TrainConfig
    config: IFRUConfig = IFRUConfig()
    loss: LossLike = bce

    def fit(self, key: jax.Array, data: Split) -> Trained:
        return self.prepare(train(key, self.model, data, self.train_config, loss=self.loss))

    def prepare(self, trained: Trained) -> Trained:
        """What may be done before any request comes."""
        return prepare(trained, config=self.config)

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        return forget(state, request, config=self.config)

    def score(self, state: Trained, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state.score(users, items)


def forget(trained: Trained, request: ForgetRequest, *, config: IFRUConfig = IFRUConfig()) -> tuple[Trained, Report]:
    """Forgets what the request names. The result takes further requests.

    Args:
      trained: a model of `prepare`, or one that this function returned.
      request: what to forget; an empty one returns the very same model.
      config: how.

    Returns:
      The model as retraining without the forgotten interactions would have left it, as closely as one step goes (or a few, where
      more than `config.max_share` is forgotten), on the retained graph and without a trace of the forgotten data; and the evidence.

    Raises:
      DataError: the request names something that isn't there, or everything, or the configuration can't apply.
      ModelError: `config.shared` names what is no shared parameter.
      NumericsError: the computation was not finite; nothing was changed.
    """
    clock = Clock()
    data = trained.interactions
    forgotten = request.select(data)
    if not forgotten.any():
        return trained, Report(retained=len(data), seconds=clock.seconds())
    local = is_local(trained, config)
    _check_applies(trained, config, local=local)
    if not is_prepared(trained, config):
        trained = prepare(trained, config=config)
        clock.part("prepare")
    count = parts_needed(forgotten, config.max_share)
    if count > 1:
        unlearned, report = forget_in_parts(trained, request, count, partial(forget, config=replace(config, max_share=None)))
        clock.part("split", unlearned.params)
        before, within = clock.seconds(), report.seconds
        # What the parts took themselves is told apart.
        seconds = before | within | {"split": before["split"] - within["total"], "total": before["total"]}
        return unlearned, replace(report, seconds=seconds)
    way = _local_update if local else _whole_update
    retained, params, propagations, scope, solution, norm_step, evidence = way(trained, forgotten, config, clock)
    status = check(solution)
    users_lost, items_lost = newly_lost(trained.training_set, retained)
    retained = retained.without_names(trained.training_set)
    unlearned = replace(trained, params=params, training_set=retained)
    if propagations is not None:
        unlearned = unlearned.with_propagations(propagations)
    clock.part("update", params)

    products = int(solution.num_steps)
    sides = set(trained.model.tables.values())
    report = Report(
        forgotten=int(forgotten.sum()),
        retained=len(retained),
        scope_users=int(scope.users.sum()),
        scope_items=int(scope.items.sum()),
        cleared_users=int(users_lost.sum()) if "user" in sides else 0,
        cleared_items=int(items_lost.sum()) if "item" in sides else 0,
        norm_step=norm_step,
        status=Status(status).name,
        num_products=products,
        damping=float(solution.damping),
        ritz_values=tuple(float(t) for t in np.asarray(solution.ritz_values) if np.isfinite(t)),
        residual=float(solution.residual),
        predicted_decrease=float(solution.predicted_decrease),
        seconds=clock.seconds(),
        **evidence,
    )
    return unlearned, report


def _check_applies(trained: Trained, config: IFRUConfig, *, local: bool) -> None:
    """Refuses what the model or its loss does not allow."""
    shared = free_parameters(trained.model, trained.params, config)
    shared = [name for name in shared if name not in trained.model.tables]
    if config.max_edges is not None and not local:
        why = f"every interaction depends on the shared parameters {', '.join(shared)}" if shared else "its loss compares all items"
        raise DataError(
            f"max_edges is {config.max_edges}, but {why}: leave max_edges out for this model"
            + (', or freeze them with shared="freeze".' if shared else ".")
        )
    if config.max_edges is not None and trained.loss.grouped:
        raise DataError(f"max_edges is {config.max_edges} and would tear apart groups that the loss compares: leave it out.")
    if config.spillover == "neighbourhood" and (trained.loss.grouped or not trained.loss.separable):
        raise DataError(
            f'{trained.loss!r} compares interactions of different neighbourhoods: leave spillover at "auto" or set "whole-graph".'
        )


# D_r with its graph, θ', its propagations if they are known, the rows in scope, the solve, the length of the step, and what else
# the report says.
_Update = tuple[TrainingSet, Params, Propagations | None, Nodes, Solution, float, dict]


def _whole_update(trained: Trained, forgotten: np.ndarray, config: IFRUConfig, clock: Clock) -> _Update:
    """θ' by products over all retained interactions."""
    retained = trained.training_set.without(forgotten)
    clock.part("graph", retained.graph, retained.examples)
    scope, left_out = importance_scope(trained.interactions, forgotten, config.scope, max_nodes=config.max_nodes)
    clock.part("scope")
    rhs, evidence = right_hand_side(trained, retained, forgotten, config)
    clock.part("influence", rhs)
    step, solution = solve_part(
        trained.model,
        trained.loss,
        config,
        trained.params,
        rhs,
        retained.examples,
        retained.graph,
        (jnp.asarray(scope.users), jnp.asarray(scope.items)),
        total=float(trained.total),
        reg=trained.config.reg,
        floor=damping_floor(trained, config),
    )
    clock.part("solve", step)
    params = update_part(trained.model, trained.params, step, retained.examples)
    norm_step = float(jnp.sqrt(squared_norm(step)))
    return retained, params, None, scope, solution, norm_step, evidence | {"left_out_nodes": left_out}


def _local_update(trained: Trained, forgotten: np.ndarray, config: IFRUConfig, clock: Clock) -> _Update:
    """θ' by products over the interactions that depend on the rows in scope."""
    if trained.propagations is None:
        trained = opened(trained, config)
        clock.part("prepare")
    hops, data, places = trained.model.num_hops, trained.training_set, np.flatnonzero(forgotten)
    request = local_request(trained, places, config)
    problems = pack([request], trained)
    lost = rows_without_data(data.degrees_without(places))
    clock.part("scope")
    # The device solves while the host takes the interactions out of the data and the graph: "solve" is the wait that is left.
    floor = damping_floor(trained, config)
    params, steps, propagations = solve_and_apply(trained, problems, config, lost, floor=floor)
    retained = data.without(forgotten)
    clock.part("graph", retained.graph, retained.examples)
    clock.part("solve", steps)
    # On the host: every small operation on the device would be compiled for every bucket.
    found = jax.tree.map(np.asarray, steps)
    evidence = {
        "spillover": "local" if hops and config.spillover != "none" else "none",
        "affected": len(request.problem.chosen) - int(forgotten.sum()) + request.problem.left_out if hops else 0,
        "norm_direct": float(found.norm_direct[0]),
        "norm_spillover": float(found.norm_spillover[0]),
        "norm_rhs": float(found.norm_rhs[0]),
        "left_out_nodes": request.left_out,
        "left_out_edges": request.problem.left_out,
    }
    solution = jax.tree.map(lambda leaf: leaf[0], found.solution)
    norm_step = float(np.sqrt(sum(np.sum(np.square(rows)) for rows in found.rows.values())))
    return retained, params, propagations, request.scope, solution, norm_step, evidence


def right_hand_side(trained: Trained, retained: TrainingSet, forgotten: np.ndarray, config: IFRUConfig) -> tuple[Params, dict]:
    """b = direct + spillover, with what the report says of it."""
    model, loss, params, before = trained.model, trained.loss, trained.params, trained.training_set.graph
    data, total = trained.interactions, float(trained.total)
    examples, remaining = terms_of(trained.training_set, forgotten)
    direct, norm_direct = direct_part(model, loss, params, examples, before, total=total, remaining=remaining)
    changes_graph = model.num_hops > 0 and bool((forgotten & (data.labels > 0.5)).any())
    evidence = {"norm_direct": float(norm_direct), "spillover": "none", "affected": 0}
    if not changes_graph or config.spillover == "none":
        return direct, evidence | {"norm_rhs": float(norm_direct)}

    affected = affected_interactions(data, forgotten, num_hops=model.num_hops)
    way = config.spillover
    if way == "auto":
        # Blocks repeat what their neighbourhoods share; beyond a small part of the data one pass over the graph is cheaper.
        # A neighbourhood has no histories.
        confined = model.tables and loss.separable and not loss.grouped and before.history is None
        small = confined and affected.sum() * 2 * model.num_hops < len(data) // 4
        way = "neighbourhood" if small else "whole-graph"
    if way == "neighbourhood":
        spillover, norm_spillover = _by_neighbourhood(trained, retained, forgotten, affected, config)
    else:
        spillover, norm_spillover = spillover_part(
            model, loss, params, retained.examples, before, retained.graph, total=total, chunk_size=config.chunk_size
        )
    rhs, norm_rhs = add_parts(direct, spillover)
    return rhs, evidence | {
        "spillover": way,
        "affected": int(affected.sum()),
        "norm_spillover": float(norm_spillover),
        "norm_rhs": float(norm_rhs),
    }


def terms_of(data: TrainingSet, forgotten: np.ndarray, *, capacity: int | None = None) -> tuple[Examples, jax.Array | None]:
    """The interactions whose terms change with the deletion, and what remains of them: see `direct_influence`."""
    if data.leaders is None:
        return build_examples(data.interactions.select(forgotten), capacity=capacity), None
    touched = whole_groups(forgotten, data.leaders)
    examples = build_examples(data.interactions.select(touched), capacity=capacity, with_groups=True)
    remaining = np.zeros(examples.weights.shape, examples.weights.dtype)
    remaining[: touched.sum()] = ~forgotten[touched]  # the training set is sorted, so the order is that of the examples
    return examples, jnp.asarray(remaining)


def _by_neighbourhood(
    trained: Trained, retained: TrainingSet, forgotten: np.ndarray, affected: np.ndarray, config: IFRUConfig
) -> tuple[Params, jax.Array]:
    model, data, old = trained.model, trained.interactions, trained.training_set
    kept = ~forgotten[old.positives]
    after = np.zeros(len(old.positives))
    after[kept] = np.asarray(retained.graph.weights)[: kept.sum()]
    graph = HostGraph(
        users=data.users[old.positives],
        items=data.items[old.positives],
        before=np.asarray(old.graph.weights)[: len(old.positives)],
        after=after,
        num_users=data.num_users,
        num_items=data.num_items,
        user_features=None if old.graph.user_features is None else np.asarray(old.graph.user_features),
        item_features=None if old.graph.item_features is None else np.asarray(old.graph.item_features),
    )
    parts = blocks(graph, data, np.flatnonzero(affected), num_hops=model.num_hops, block_size=config.block_size)
    if not parts:
        return jax.tree.map(jnp.zeros_like, trained.params), jnp.zeros(())
    dtype = retained.examples.labels.dtype
    batch = stack(parts, graph, data.users, data.items, data.labels, dtype=dtype)
    return _neighbourhood_part(model, trained.loss, trained.params, batch, total=float(trained.total))
