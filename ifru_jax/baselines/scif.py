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

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from ifru_jax.baselines.trained_method import TrainedMethod, finish
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, NotApplicable, check_whole
from ifru_jax.graph import Batch, Change, Examples, build_examples
from ifru_jax.host_arrays import padded
from ifru_jax.influence import Influence, direct_influence
from ifru_jax.models import Params
from ifru_jax.models.tables import confine
from ifru_jax.pytree import pytree
from ifru_jax.solvers import Solution, check, conjugate_gradient, lanczos, ritz
from ifru_jax.sparse import on_device
from ifru_jax.status import Status
from ifru_jax.training import Objective, Trained
from ifru_jax.unlearning.clock import Clock
from ifru_jax.unlearning.report import Report, Scope, Solve

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
        check_whole(self, "num_steps")
        if self.num_steps < 1 or not self.tolerance > 0:
            raise DataError(f"num_steps is {self.num_steps} and tolerance {self.tolerance}: both must be positive.")


@dataclass(frozen=True)
class SCIF(TrainedMethod):
    """SCIF as a `Method`."""

    config: SCIFConfig = SCIFConfig()

    def forget(self, state: Trained, request: ForgetRequest) -> tuple[Trained, Report]:
        if "user" not in state.model.tables.values():
            raise NotApplicable("SCIF updates the embeddings of users, but this model has no user table: choose another method.")
        return super().forget(state, request)

    def change(self, state: Trained, change: Change, clock: Clock) -> tuple[Trained, Report]:
        data, graph = state.interactions, change.before.graph
        if not change.gone.all():
            raise NotApplicable("SCIF chooses the labels of what is forgotten itself: it takes no corrections of labels.")
        targets, touched = change.touched.user_degrees() > 0, build_examples(change.touched)
        problem = _SCIFProblem(
            objective=state.objective,
            params=state.params,
            touched=Batch(touched, graph),
            replaced=self._replaced(change, touched),
            # Without a graph only the interactions of the target users depend on their rows.
            held=change.before.batch if state.model.num_hops else Batch(build_examples(data.select(targets[data.users])), graph),
            targets=jnp.asarray(targets),
        )
        clock.part("scope", problem)
        params, solution, norm_rhs = scif_step(self.config, problem, 0.0)
        if int(solution.status) == Status.NEGATIVE_CURVATURE:
            lowest = float(_lowest_curvature(problem, jax.random.key(0)))
            params, solution, norm_rhs = scif_step(self.config, problem, 2 * max(0.0, -lowest))
        clock.part("solve", params)
        influence = Influence("none", 0, float(norm_rhs), 0.0, float(norm_rhs))
        evidence = {"influence": influence, "scope": Scope(int(targets.sum()), 0), "solve": Solve.of(solution)}
        return finish(state, change, params, clock, status=check(solution), **evidence)

    def _replaced(self, change: Change, touched: Examples) -> Examples:
        """The forgotten interactions with ȳ, or without a weight."""
        if not self.config.collaborative:
            return replace(touched, weights=jnp.zeros_like(touched.weights))
        # The order of the padded examples is that of the interactions, which are sorted.
        labels = collaborative_labels(change.touched, change.after.interactions)
        return replace(touched, labels=on_device(padded(labels, len(touched.labels), touched.labels.dtype)))


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


@pytree
class _SCIFProblem:
    """What the step is computed from.

    Attributes:
      objective, params: L and θ̂.
      touched: D_f with its labels, on G.
      replaced: the same with ȳ, or with weights of 0.
      held: interactions whose scores depend on the rows of U, all of them, on G.
      targets: bool [num_users], U.
    """

    objective: Objective
    params: Params
    touched: Batch
    replaced: Examples
    held: Batch
    targets: jax.Array

    def of_users(self, values: Params) -> Params:
        """Values shaped like the parameters, zero but in the rows of U."""
        nobody = jnp.zeros(self.touched.graph.num_items, bool)
        return confine(self.objective.model.tables, values, (self.targets, nobody))

    def product(self) -> Callable[[Params], Params]:
        """v ↦ H_UU v on values that are zero outside the rows of U."""
        hessian = self.objective.hessian_product(self.params, self.held)
        return lambda v: self.of_users(hessian(v))


@partial(jax.jit, static_argnums=0)
def scif_step(config: SCIFConfig, problem: _SCIFProblem, damping: jax.Array | float) -> tuple[Params, Solution, jax.Array]:
    """θ̂ with the rows of U moved by (H_UU + λI)⁻¹ b_U, the evidence of the solve, and ‖b_U‖."""
    rhs = problem.of_users(direct_influence(problem.objective, problem.params, problem.touched, problem.replaced))
    solve = conjugate_gradient(num_steps=config.num_steps, tolerance=config.tolerance)
    solution = solve(problem.product(), rhs, damping=damping)
    return optax.tree.add(problem.params, solution.solution), solution, optax.tree.norm(rhs)


@jax.jit
def _lowest_curvature(problem: _SCIFProblem, key: jax.Array) -> jax.Array:
    """The most negative Ritz value of H_UU from a random start, which has a part along every eigenvector."""
    flat, unravel = ravel_pytree(problem.params)
    start = problem.of_users(unravel(jax.random.normal(key, flat.shape, flat.dtype)))
    values, _ = ritz(lanczos(num_steps=DAMPING_STEPS)(problem.product(), start))
    return jnp.min(values)
