"""IFRU as its authors published it, the rival of our own.

    g  = Σ_{z ∈ D_f} ∇ℓ(z; θ̂, G) + Σ_{z ∈ C} [∇ℓ(z; θ̂, G) − ∇ℓ(z; θ̂, G_r)]
    p  ← Adam on ½ pᵀHp − gᵀp from p = 0,   θ = θ̂ + p / N,   both on the rows S in scope alone
    θ' = the θ of best validation AUC, until it has not improved for more than `patience` steps

Source: Zhang et al., "Recommendation Unlearning via Influence Function" (arXiv 2307.02147) and its public code. What is peculiar to
the code, and kept:

- S: nodes whose importance s_k at the last hop k is above a quantile of those reached. Endpoints of forgotten interactions can be
  pruned. The code prunes 40 % for LightGCN and nothing for MF.
- C: of the retained interactions only those at nodes that lost more than 1 % of their positive interactions.
- H: the Hessian of the mean BCE of inner products of the *raw* embeddings, over all of D, without L2: for LightGCN it is MF's.
- Adam takes steps of 10⁴ on an objective that has no minimum where H is indefinite; what stops it is the validation AUC. The first
  candidate counts as better than nothing, so the result can be worse than doing nothing. The scripts have a rate per data set, from
  5 × 10³ to 2 × 10⁴; where `learning_rates` has several, validation AUC chooses among them too, in the time of the request.
- Removed edges go on propagating: candidates are chosen, and the result is served, on G. That is kept by default because a rival
  has to be what was published, and it is the one trace of the forgotten that any method here leaves in a model; `swap_graph` serves
  on G_r instead. A model that kept G takes no second request, and when saved it is loaded with G_r, since a file holds no graph.

Not kept: hops above one, which the code counts but doesn't use, are used; where a quantile leaves no node at all (equal
importances) every node reached stays; validation interactions of users and items that lost all theirs are forgotten too; rows
without data are set to zero; and the time is all of it, not that of the steps that improved.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.baselines.trained_method import TrainedMethod, finish
from ifru_jax.curvature import hessian_product
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NotApplicable, NumericsError, check_whole
from ifru_jax.graph import Batch, Change, Examples, Graph, Nodes, build_examples, inner_products
from ifru_jax.host_arrays import padded
from ifru_jax.influence import Influence, direct_influence, graph_influence, importance
from ifru_jax.metrics import auc
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows, confine
from ifru_jax.pytree import pytree
from ifru_jax.sparse import on_device
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained, squared_norm
from ifru_jax.training.validation import surviving
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report, Scope, Solve, Training


@dataclass(frozen=True)
class IFRUAuthorsConfig:
    """The settings of the published scripts.

    Attributes:
      num_hops: k; the scripts have 0 and 1 for MF, 1 for LightGCN.
      prune_quantile: nodes at or below this quantile of the importances are left out; None as published: none of them without a
        graph, 0.4 with one.
      min_change: share of its positive interactions that a node must lose for its neighbours to count in the spillover.
      learning_rates: of Adam on p; of several the one of best validation AUC.
      num_steps: at the most.
      patience: steps without a better validation AUC that are borne; one more ends it.
      hessian: "mf", of inner products of the raw embeddings, or "model", of the model's own scores on G.
      swap_graph: serves on G_r.
    """

    num_hops: int = 1
    prune_quantile: float | None = None
    min_change: float = 0.01
    learning_rates: tuple[float, ...] = (1e4,)
    num_steps: int = 5000
    patience: int = 10
    hessian: Literal["mf", "model"] = "mf"
    swap_graph: bool = False

    def __post_init__(self) -> None:
        check_whole(self, "num_hops", "num_steps", "patience")
        if self.num_hops < 0 or self.num_steps < 1 or self.patience < 0:
            raise DataError(
                f"num_hops is {self.num_hops}, num_steps {self.num_steps}, patience {self.patience}: at least 0, 1 and 0."
            )
        if self.prune_quantile is not None and not 0 <= self.prune_quantile < 1:
            raise DataError(f"prune_quantile is {self.prune_quantile}: give a share in [0, 1), or None.")
        if not (self.learning_rates and min(self.learning_rates) > 0 and self.min_change >= 0):
            raise DataError(
                f"learning_rates are {self.learning_rates} and min_change {self.min_change}: positive rates; no negative share."
            )
        if self.hessian not in ("mf", "model"):
            raise DataError(f"hessian is {self.hessian!r}: choose among mf, model.")


@dataclass(frozen=True)
class IFRUAuthors(TrainedMethod):
    """The published IFRU as a `Method`.

    Attributes:
      valid: the validation interactions by which candidates are chosen; the split's own.
      config: how.
    """

    valid: Interactions | None = field(default=None, kw_only=True)
    config: IFRUAuthorsConfig = field(default=IFRUAuthorsConfig(), kw_only=True)

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        config, valid, hops = self.config, self._check(state), state.model.num_hops
        kept = surviving(valid, change.after.interactions)
        if len(np.unique(kept.labels > 0.5)) < 2:
            raise DataError(f"the {len(kept)} validation interactions left have one label only: choosing by AUC needs both.")
        published = 0.4 if hops else 0.0
        quantile = published if config.prune_quantile is None else config.prune_quantile
        scope = published_scope(change, num_hops=config.num_hops, quantile=quantile)
        changed = changed_interactions(change, min_change=config.min_change) & (hops > 0)
        weights = padded(changed, change.after.capacities[0], change.after.examples.weights.dtype)
        affected = replace(change.after.examples, weights=on_device(weights))
        touched, touched_after = change.touched_examples
        problem = _PublishedProblem(
            # The code knows neither N nor L2.
            objective=replace(state.objective, total=1.0, reg=0.0),
            params=state.params,
            data=change.before.batch,
            valid=build_examples(kept),
            rows=(jnp.asarray(scope.users), jnp.asarray(scope.items)),
            total=float(state.total),
        )
        clock.part("scope", affected, touched, problem)
        rhs, norms = _right_hand_side(problem, touched, touched_after, Batch(affected, change.after.graph))
        clock.part("influence", rhs)
        tried = [_select(config, problem, rhs, rate) for rate in config.learning_rates]
        clock.part("solve", tried)
        found = max(tried, key=lambda one: float(one.best_auc))
        if not np.isfinite(found.best_auc):
            raise NumericsError(f"no candidate had finite validation scores: lower the learning rates ({config.learning_rates}).")
        way = "whole-graph" if hops else "none"
        products = sum(int(one.taken) + 1 for one in tried)
        return finish(
            state,
            change,
            found.params,
            clock,
            status=Status.VALIDATION_STOPPED if int(found.taken) < config.num_steps else Status.STEPS_SPENT,
            keep_graph=not config.swap_graph and hops > 0,
            influence=Influence(way, int(changed.sum()), *(float(norm) / state.total for norm in norms)),
            scope=Scope.of(scope),
            solve=Solve(products, residual=float(found.residual), predicted_decrease=float(found.decrease)),
            training=Training(int(found.best_step), float(found.best_auc)),
        )

    def _check(self, state: Trained) -> Interactions:
        """The validation data, if this method and this state can work with them."""
        if self.valid is None:
            raise DataError("the published IFRU chooses its step by validation AUC: give IFRUAuthors(…, valid=split.valid).")
        sides = sorted(state.model.tables.values())
        shared = sorted(set(state.params) - set(state.model.tables))
        if self.config.hessian == "mf" and (sides != ["item", "user"] or shared):
            raise NotApplicable(
                f"the published Hessian is that of inner products of one user and one item table, but this model has "
                f"{sides} tables and the shared parameters {shared}: choose hessian='model'."
            )
        edges = int(np.asarray(state.training_set.graph.edges.mask).sum())
        if edges != len(state.training_set.positives):
            raise DataError(
                "this model still propagates over edges that were removed, as the published code leaves it, and takes no further "
                "request: use IFRUAuthorsConfig(swap_graph=True) for requests one after the other."
            )
        return self.valid


def published_scope(change: Change, *, num_hops: int, quantile: float) -> Nodes:
    """Nodes whose importance at hop k is above a quantile of the importances reached there; at 0 all that were reached.

    Args:
      change: what is forgotten, of which data.
      num_hops: k.
      quantile: in [0, 1).
    """
    users, items = importance(change.before, change.places, num_hops=num_hops)[-1]
    scores = np.concatenate([users, items])
    reached = scores > 0
    kept = scores > (np.quantile(scores[reached], quantile) if quantile > 0 else 0)
    if not kept.any():
        kept = reached
    return Nodes(kept[: len(users)], kept[len(users) :])


def changed_interactions(change: Change, *, min_change: float) -> np.ndarray:
    """bool [r]: C, the retained interactions at a node that lost more than `min_change` of its positive interactions."""
    data, left, gone = change.before.interactions, change.after.interactions, ~change.retained
    positive = data.labels > 0.5

    def lost_much(rows: np.ndarray, size: int) -> np.ndarray:
        before = np.bincount(rows[positive], minlength=size)
        lost = np.bincount(rows[positive & gone], minlength=size)
        return lost > min_change * np.maximum(before, 1)

    users, items = lost_much(data.users, data.num_users), lost_much(data.items, data.num_items)
    return users[left.users] | items[left.items]


@pytree
class _PublishedProblem:
    """What candidates are computed from.

    Attributes:
      objective: the sum of the losses, without L2.
      params: θ̂.
      data: D on G.
      valid: the validation pairs.
      rows: S, bool [num_users] and [num_items].
      total: N.
    """

    objective: Objective
    params: Params
    data: Batch
    valid: Examples
    rows: Rows
    total: jax.Array | float

    def confined(self, values: Params) -> Params:
        """Values shaped like the parameters, zero outside S and in shared ones."""
        return confine(self.objective.model.tables, values, self.rows)


@jax.jit
def _right_hand_side(
    problem: _PublishedProblem, touched: Examples, touched_after: Examples, affected: Batch
) -> tuple[Params, tuple[jax.Array, ...]]:
    """g, a sum and no mean, and the norms of its two parts and its own, all on the rows in scope."""
    objective, params, before = problem.objective, problem.params, problem.data.graph
    direct = problem.confined(direct_influence(objective, params, Batch(touched, before), touched_after))
    spillover = optax.tree.zeros_like(direct)
    if objective.model.num_hops:
        spillover = problem.confined(graph_influence(objective, params, affected, before))
    rhs = optax.tree.add(direct, spillover)
    return rhs, tuple(optax.tree.norm(part) for part in (direct, spillover, rhs))


def published_hessian(problem: _PublishedProblem, kind: str) -> Callable[[Params], Params]:
    """v ↦ H v on the rows in scope: the mean loss over D of raw inner products ("mf") or of the model, without L2."""
    objective, data = problem.objective, problem.data
    sides = {side: name for name, side in objective.model.tables.items()}

    def mean_loss(p: Params) -> jax.Array:
        if kind == "model":
            return objective.losses(p, data) / problem.total
        scores = inner_products(p[sides["user"]], p[sides["item"]], data.examples.pairs)
        return objective.summed(scores, data.examples) / problem.total

    product = hessian_product(mean_loss, problem.params)
    return lambda v: problem.confined(product(problem.confined(v)))


class _Found(NamedTuple):
    """The candidate that was chosen, after how many steps, out of how many, and how far from solving H p = g it is."""

    params: Params
    best_auc: jax.Array
    best_step: jax.Array
    taken: jax.Array
    residual: jax.Array
    decrease: jax.Array


@partial(jax.jit, static_argnums=0)
def _select(config: IFRUAuthorsConfig, problem: _PublishedProblem, rhs: Params, learning_rate: jax.Array | float) -> _Found:
    """Adam on the quadratic form, and the candidate of best validation AUC."""
    product, optimiser = published_hessian(problem, config.hessian), optax.adam(learning_rate)
    objective, valid, graph = problem.objective, problem.valid, problem.data.graph

    def moved(p: Params) -> Params:
        return jax.tree.map(lambda value, change: value + change / problem.total, problem.params, p)

    def valid_auc(p: Params, graph: Graph) -> jax.Array:
        scores = objective.model.score(moved(p), valid.pairs, graph)
        return auc(scores, valid.labels, valid.weights > 0, within=None if objective.loss.fixes_levels else valid.pairs.users)

    def running(state: tuple) -> jax.Array:
        *_, taken, stale = state
        return (taken < config.num_steps) & (stale <= config.patience)

    def step(state: tuple) -> tuple:
        p, opt_state, best_p, best_auc, best_step, taken, stale = state
        slope = optax.tree.sub(product(p), rhs)
        updates, opt_state = optimiser.update(slope, opt_state)
        p = optax.tree.add(p, updates)
        value = valid_auc(p, graph)
        better = value > best_auc
        best_p = jax.tree.map(lambda new, best: jnp.where(better, new, best), p, best_p)
        taken = taken + 1
        return (
            p, opt_state, best_p, jnp.where(better, value, best_auc), jnp.where(better, taken, best_step),
            taken, jnp.where(better, 0, stale + 1),
        )  # fmt: skip

    zero = optax.tree.zeros_like(rhs)
    nothing = jnp.asarray(-jnp.inf, jnp.result_type(float))
    start = (zero, optimiser.init(zero), zero, nothing, jnp.int32(0), jnp.int32(0), jnp.int32(0))
    _, _, best, best_auc, best_step, taken, _ = jax.lax.while_loop(running, step, start)
    image = product(best)
    length = jnp.sqrt(squared_norm(rhs))
    residual = optax.tree.norm(optax.tree.sub(image, rhs)) / jnp.where(length > 0, length, 1)
    decrease = jnp.asarray(optax.tree.vdot(best, rhs) - 0.5 * optax.tree.vdot(best, image)) / problem.total**2
    return _Found(moved(best), best_auc, best_step, taken, residual, decrease)
