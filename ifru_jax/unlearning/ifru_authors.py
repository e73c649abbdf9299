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

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.curvature import hessian_product
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NotApplicable, NumericsError
from ifru_jax.graph import BipartiteGraph, Examples, TrainingSet, build_examples, inner_products
from ifru_jax.graph.incidence import Nodes
from ifru_jax.influence import direct_influence, gradient_change, importance
from ifru_jax.metrics import auc
from ifru_jax.models import Params, Recommender
from ifru_jax.training import Trained
from ifru_jax.training.objectives import Loss, squared_norm, summed_loss, weighted_loss
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.retrain import surviving
from ifru_jax.unlearning.trained_method import TrainedMethod, begin, finish


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

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        clock = Clock()
        valid = self._check(state)
        deletion = begin(state, request, clock)
        if isinstance(deletion, Report):
            return state, deletion
        data, old, retained = state.interactions, state.training_set, deletion.retained
        kept = surviving(valid, retained.interactions)
        if len(np.unique(kept.labels > 0.5)) < 2:
            raise DataError(f"the {len(kept)} validation interactions left have one label only: choosing by AUC needs both.")
        quantile = self.config.prune_quantile
        if quantile is None:
            quantile = 0.4 if state.model.num_hops else 0.0
        scope = published_scope(data, deletion.forgotten, num_hops=self.config.num_hops, quantile=quantile)
        changed = changed_interactions(data, deletion.forgotten, retained, min_change=self.config.min_change)
        weights = np.zeros(retained.examples.weights.shape, retained.examples.weights.dtype)
        if state.model.num_hops:
            weights[: len(changed)] = changed
        affected = Examples(retained.examples.pairs, retained.examples.labels, jnp.asarray(weights))
        gone, candidates = build_examples(data.select(deletion.forgotten)), build_examples(kept)
        clock.part("scope", affected, gone, candidates)
        rows = jnp.asarray(scope.users), jnp.asarray(scope.items)
        rhs, norms = _right_hand_side(state.model, state.loss, state.params, gone, affected, old.graph, retained.graph, rows)
        clock.part("influence", rhs)
        choices = {"num_steps": self.config.num_steps, "patience": self.config.patience, "total": float(state.total)}
        at = (state.model, state.loss, self.config.hessian, state.params, rhs, old.examples, old.graph, candidates, rows)
        tried = [_select(*at, **choices, learning_rate=rate) for rate in self.config.learning_rates]
        clock.part("solve", tried)
        found = max(tried, key=lambda one: float(one.best_auc))
        if not np.isfinite(found.best_auc):
            raise NumericsError(
                f"no candidate had finite validation scores: lower the learning rates ({self.config.learning_rates})."
            )
        direct, spillover, total_norm = (float(norm) / state.total for norm in norms)
        return finish(
            state,
            deletion,
            found.params,
            clock,
            keep_graph=not self.config.swap_graph and state.model.num_hops > 0,
            affected=int(weights.sum()),
            spillover="whole-graph" if state.model.num_hops else "none",
            scope_users=int(scope.users.sum()),
            scope_items=int(scope.items.sum()),
            norm_direct=direct,
            norm_spillover=spillover,
            norm_rhs=total_norm,
            status="VALIDATION_STOPPED" if int(found.taken) < self.config.num_steps else "STEPS_SPENT",
            num_products=sum(int(one.taken) + 1 for one in tried),
            num_steps=int(found.best_step),
            residual=float(found.residual),
            predicted_decrease=float(found.decrease),
            valid_metric=float(found.best_auc),
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


def published_scope(data: Interactions, forgotten: np.ndarray, *, num_hops: int, quantile: float) -> Nodes:
    """Nodes whose importance at hop k is above a quantile of the importances reached there; at 0 all that were reached.

    Args:
      data: all interactions, the forgotten included.
      forgotten: bool [n].
      num_hops: k.
      quantile: in [0, 1).
    """
    users, items = importance(data, forgotten, num_hops=num_hops)[-1]
    scores = np.concatenate([users, items])
    reached = scores > 0
    kept = scores > (np.quantile(scores[reached], quantile) if quantile > 0 else 0)
    if not kept.any():
        kept = reached
    return Nodes(kept[: data.num_users], kept[data.num_users :])


def changed_interactions(data: Interactions, forgotten: np.ndarray, retained: TrainingSet, *, min_change: float) -> np.ndarray:
    """bool [r]: C, the retained interactions at a node that lost more than `min_change` of its positive interactions."""
    positive = data.labels > 0.5
    left = retained.interactions

    def lost_much(rows: np.ndarray, size: int) -> np.ndarray:
        before = np.bincount(rows[positive], minlength=size)
        lost = np.bincount(rows[positive & forgotten], minlength=size)
        return lost > min_change * np.maximum(before, 1)

    users, items = lost_much(data.users, data.num_users), lost_much(data.items, data.num_items)
    return users[left.users] | items[left.items]


@partial(jax.jit, static_argnames=("model", "loss"))
def _right_hand_side(
    model: Recommender,
    loss: Loss,
    params: Params,
    gone: Examples,
    affected: Examples,
    before: BipartiteGraph,
    after: BipartiteGraph,
    rows: tuple[jax.Array, jax.Array],
) -> tuple[Params, tuple[jax.Array, ...]]:
    """g, a sum and no mean, and the norms of its two parts and its own, all on the rows in scope."""
    direct = confined(model, direct_influence(model, loss, params, gone, before, total=1.0), rows)
    if not model.num_hops:
        norm = jnp.sqrt(squared_norm(direct))
        return direct, (norm, jnp.zeros(()), norm)
    spillover = confined(model, gradient_change(model, loss, params, affected, before, after, total=1.0), rows)
    rhs = jax.tree.map(jnp.add, direct, spillover)
    norms = [jnp.sqrt(squared_norm(part)) for part in (direct, spillover, rhs)]
    return rhs, (norms[0], norms[1], norms[2])


def confined(model: Recommender, values: Params, rows: tuple[jax.Array, jax.Array]) -> Params:
    """Values shaped like the parameters, zero outside the rows in scope (bool [num_users], [num_items]) and in shared ones."""
    inside = {"user": rows[0], "item": rows[1]}

    def part(name: str) -> Any:
        if name not in model.tables:
            return jax.tree.map(jnp.zeros_like, values[name])
        return jnp.where(inside[model.tables[name]].reshape(-1, *[1] * (values[name].ndim - 1)), values[name], 0)

    return {name: part(name) for name in values}


def published_hessian(
    model: Recommender,
    loss: Loss,
    params: Params,
    examples: Examples,
    graph: BipartiteGraph,
    rows: tuple[jax.Array, jax.Array],
    *,
    hessian: str,
    total: jax.Array | float,
) -> Callable[[Params], Params]:
    """v ↦ H v on the rows in scope: the mean loss over D of raw inner products ("mf") or of the model, without L2."""
    sides = {side: name for name, side in model.tables.items()}

    def mean_loss(p: Params) -> jax.Array:
        if hessian == "model":
            return weighted_loss(model, loss, p, examples, graph) / total
        scores = inner_products(p[sides["user"]], p[sides["item"]], examples.pairs)
        return summed_loss(loss, scores, examples) / total

    product = hessian_product(mean_loss, params)
    return lambda v: confined(model, product(confined(model, v, rows)), rows)


class _Found(NamedTuple):
    """The candidate that was chosen, after how many steps, out of how many, and how far from solving H p = g it is."""

    params: Params
    best_auc: jax.Array
    best_step: jax.Array
    taken: jax.Array
    residual: jax.Array
    decrease: jax.Array


@partial(jax.jit, static_argnames=("model", "loss", "hessian"))
def _select(
    model: Recommender,
    loss: Loss,
    hessian: str,
    params: Params,
    rhs: Params,
    examples: Examples,
    graph: BipartiteGraph,
    valid: Examples,
    rows: tuple[jax.Array, jax.Array],
    *,
    total: jax.Array | float,
    learning_rate: jax.Array | float,
    num_steps: jax.Array | int,
    patience: jax.Array | int,
) -> _Found:
    """Adam on the quadratic form, and the candidate of best validation AUC."""
    product = published_hessian(model, loss, params, examples, graph, rows, hessian=hessian, total=total)
    optimiser = optax.adam(learning_rate)

    def moved(p: Params) -> Params:
        return jax.tree.map(lambda value, change: value + change / total, params, p)

    def running(state: tuple) -> jax.Array:
        *_, taken, stale = state
        return (taken < num_steps) & (stale <= patience)

    def step(state: tuple) -> tuple:
        p, opt_state, best_p, best_auc, best_step, taken, stale = state
        slope = jax.tree.map(jnp.subtract, product(p), rhs)
        updates, opt_state = optimiser.update(slope, opt_state)
        p = jax.tree.map(jnp.add, p, updates)
        scores = model.score(moved(p), valid.pairs, graph)
        value = auc(scores, valid.labels, valid.weights > 0, within=None if loss.fixes_levels else valid.pairs.users)
        better = value > best_auc
        best_p = jax.tree.map(lambda new, best: jnp.where(better, new, best), p, best_p)
        taken = taken + 1
        return (
            p, opt_state, best_p, jnp.where(better, value, best_auc), jnp.where(better, taken, best_step),
            taken, jnp.where(better, 0, stale + 1),
        )  # fmt: skip

    zero = jax.tree.map(jnp.zeros_like, rhs)
    nothing = jnp.asarray(-jnp.inf, jnp.result_type(float))
    start = (zero, optimiser.init(zero), zero, nothing, jnp.int32(0), jnp.int32(0), jnp.int32(0))
    _, _, best, best_auc, best_step, taken, _ = jax.lax.while_loop(running, step, start)
    image = product(best)
    length = jnp.sqrt(squared_norm(rhs))
    residual = jnp.sqrt(squared_norm(jax.tree.map(jnp.subtract, image, rhs))) / jnp.where(length > 0, length, 1)
    gains = jax.tree.map(lambda p, g, h: jnp.vdot(p, g) - 0.5 * jnp.vdot(p, h), best, rhs, image)
    decrease = sum(jax.tree.leaves(gains), start=jnp.zeros(())) / total**2
    return _Found(moved(best), best_auc, best_step, taken, residual, decrease)
