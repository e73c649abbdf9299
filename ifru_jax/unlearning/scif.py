"""SCIF: a selective and collaborative influence function.

    δ_U = H_UU⁻¹ b_U,   b = (1/N) Σ_{z ∈ D_f} [∇ℓ(s_z, y_z) − ∇ℓ(s_z, ȳ_z)],   H = ∇²L(θ̂; D, G)

*Selective*: only the embeddings of the users U whose interactions are forgotten are updated; U is all that is solved for.
*Collaborative*: a forgotten interaction is not deleted but gets the label ȳ that its surroundings suggest, the mean of the user's
retained labels or, where the user has none, of the item's, so that the tie between user and item survives without what the user
said. Source: Li et al., "Selective and collaborative influence function for efficient recommendation unlearning" (2023, arXiv
2304.10199); ȳ as in its implementation beside the code of Zhang et al. (arXiv 2307.02147).

What was left open, and what is done here:

- Neither user nor item has a retained label: ȳ is the mean of all retained labels.
- ∇L(θ̂) ≠ 0 after early stopping. Only the change of the gradient counts, as for every method here. The implementation named adds
  the whole training gradient to b, with the sign that climbs the loss; it also moves the items of D_f, which the paper does not.
- For MF, H_UU has a d × d block per user, positive definite by λ₂ (items are held fixed, so the loss is convex), and needs only the
  interactions of U. With a graph, users meet in one another's scores and H_UU may be indefinite, which SCIF does not treat. If CG
  meets negative curvature, it is run again on H_UU + λI, λ twice the most negative Ritz value, and the report has that λ.
- SCIF knows no graph. Scores and H are those on the graph before; the model is served on G_r, or removed edges would go on
  propagating.
- The row of a user without retained interactions, which SCIF fills from the items that were rated, is set to zero: it would tell
  which items these were, and nobody is left to serve with it.

It applies to whatever names interactions, items included, since every interaction has a user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ifru_jax.curvature import hessian_product
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NotApplicable
from ifru_jax.graph import BipartiteGraph, Examples, build_examples
from ifru_jax.models import Params, Recommender
from ifru_jax.solvers import Solution, Status, check, conjugate_gradient, lanczos, ritz
from ifru_jax.training import Trained
from ifru_jax.training.objectives import Loss, objective, squared_norm, weighted_loss
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report
from ifru_jax.unlearning.trained_method import TrainedMethod, begin, finish, solve_evidence

# Lanczos steps to the most negative eigenvalue, where there is one.
DAMPING_STEPS = 20


@dataclass(frozen=True)
class SCIFConfig:
    """How SCIF solves.

    Attributes:
      collaborative: False deletes the interactions without replacing their labels, an ablation.
      num_steps: of conjugate gradients at the most.
      tolerance: relative residual at which they stop.
    """

    collaborative: bool = True
    num_steps: int = 100
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if self.num_steps < 1 or not self.tolerance > 0:
            raise DataError(f"num_steps is {self.num_steps} and tolerance {self.tolerance}: both must be positive.")


@dataclass(frozen=True)
class SCIF(TrainedMethod):
    """SCIF as a `Method`."""

    config: SCIFConfig = SCIFConfig()

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        if "user" not in state.model.tables.values():
            raise NotApplicable("SCIF updates the embeddings of users, but this model has no user table: choose another method.")
        clock = Clock()
        deletion = begin(state, request, clock)
        if isinstance(deletion, Report):
            return state, deletion
        data, old = state.interactions, state.training_set
        gone = data.select(deletion.forgotten)
        targets = gone.user_degrees() > 0
        forgotten = build_examples(gone)
        replaced = None
        if self.config.collaborative:
            # The order of the padded examples is that of the interactions, which are sorted.
            labels = np.zeros(forgotten.labels.shape, forgotten.labels.dtype)
            labels[: len(gone)] = collaborative_labels(gone, deletion.retained.interactions)
            replaced = Examples(forgotten.pairs, jnp.asarray(labels), forgotten.weights)
        # Without a graph only the interactions of the target users depend on their rows.
        held = old.examples if state.model.num_hops else build_examples(data.select(targets[data.users]))
        clock.part("scope", forgotten, replaced, held)
        step = partial(
            scif_step,
            state.model,
            state.loss,
            self.config,
            state.params,
            forgotten,
            replaced,
            held,
            old.graph,
            jnp.asarray(targets),
        )
        scalars = {"total": float(state.total), "reg": state.config.reg}
        params, solution, norm_rhs = step(**scalars, damping=0.0)
        if int(solution.status) == Status.NEGATIVE_CURVATURE:
            lowest = _lowest_curvature(
                state.model, state.loss, state.params, held, old.graph, jnp.asarray(targets), jax.random.key(0), **scalars
            )
            params, solution, norm_rhs = step(**scalars, damping=2 * max(0.0, -float(lowest)))
        clock.part("solve", params)
        evidence = {"status": Status(check(solution)).name, "scope_users": int(targets.sum())}
        norms = {"norm_direct": float(norm_rhs), "norm_rhs": float(norm_rhs)}
        return finish(state, deletion, params, clock, **evidence, **norms, **solve_evidence(solution))


def collaborative_labels(forgotten: Interactions, retained: Interactions) -> np.ndarray:
    """ȳ float [f] of the forgotten interactions: mean retained label of the user, else of the item, else of all."""

    def means(rows: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        counts = np.bincount(rows, minlength=size)
        return np.bincount(rows, weights=retained.labels, minlength=size) / np.maximum(counts, 1), counts > 0

    user_mean, user_known = means(retained.users, retained.num_users)
    item_mean, item_known = means(retained.items, retained.num_items)
    users, items = forgotten.users, forgotten.items
    of_item = np.where(item_known[items], item_mean[items], retained.labels.mean())
    return np.where(user_known[users], user_mean[users], of_item)


@partial(jax.jit, static_argnames=("model", "loss", "config"))
def scif_step(
    model: Recommender,
    loss: Loss,
    config: SCIFConfig,
    params: Params,
    forgotten: Examples,
    replaced: Examples | None,
    held: Examples,
    graph: BipartiteGraph,
    targets: jax.Array,
    *,
    total: jax.Array | float,
    reg: jax.Array | float,
    damping: jax.Array | float,
) -> tuple[Params, Solution, jax.Array]:
    """θ̂ with the rows of U moved by H_UU⁻¹ b_U, the evidence of the solve, and ‖b_U‖.

    Args:
      forgotten: D_f with its labels; replaced: the same with ȳ, or None.
      held: interactions whose scores depend on the rows of U, all of them.
      graph: G, before the deletion.
      targets: bool [num_users], U.
      total: N.
      reg: λ₂.
      damping: λ.
    """

    def change(p: Params) -> jax.Array:
        before = weighted_loss(model, loss, p, forgotten, graph)
        return (before - (weighted_loss(model, loss, p, replaced, graph) if replaced is not None else 0)) / total

    rhs = _of_users(model, jax.grad(change)(params), targets)
    b, unravel = ravel_pytree(rhs)
    solve = conjugate_gradient(num_steps=config.num_steps, tolerance=config.tolerance)
    product = _product(model, loss, params, held, graph, targets, total=total, reg=reg)
    solution = solve(product, b, damping=jnp.asarray(damping, b.dtype))
    moved = jax.tree.map(jnp.add, params, unravel(solution.solution))
    return moved, solution, jnp.sqrt(squared_norm(rhs))


def _of_users(model: Recommender, values: Params, targets: jax.Array) -> Params:
    """Values shaped like the parameters, zero but in the rows of U."""

    def rows(name: str):
        if model.tables.get(name) != "user":
            return jax.tree.map(jnp.zeros_like, values[name])
        return jnp.where(targets.reshape(-1, *[1] * (values[name].ndim - 1)), values[name], 0)

    return {name: rows(name) for name in values}


def _product(
    model: Recommender, loss: Loss, params: Params, held: Examples, graph: BipartiteGraph, targets: jax.Array, *, total, reg
) -> Callable[[jax.Array], jax.Array]:
    """v ↦ H_UU v on flat vectors that are zero outside the rows of U."""
    hessian = hessian_product(lambda p: objective(model, loss, p, held, graph, total=total, reg=reg), params)
    _, unravel = ravel_pytree(params)
    return lambda v: ravel_pytree(_of_users(model, hessian(unravel(v)), targets))[0]


@partial(jax.jit, static_argnames=("model", "loss"))
def _lowest_curvature(
    model: Recommender, loss: Loss, params: Params, held: Examples, graph: BipartiteGraph, targets: jax.Array, key, *, total, reg
) -> jax.Array:
    """The most negative Ritz value of H_UU from a random start, which has a part along every eigenvector."""
    flat, unravel = ravel_pytree(params)
    start = ravel_pytree(_of_users(model, unravel(jax.random.normal(key, flat.shape, flat.dtype)), targets))[0]
    product = _product(model, loss, params, held, graph, targets, total=total, reg=reg)
    values, _ = ritz(lanczos(num_steps=DAMPING_STEPS)(product, start))
    return jnp.nanmin(values)
