"""The influence of every training interaction on a target: the step of a request, run backwards.

    a = f(H) ∇m,   influence_z = −⟨a, b_z⟩ + ∂m/∂w_z            from the end of the training
    λ ← ∇m;  for k = K … 1:   a_k = S_k f(S_k H_k S_k) S_k λ,   λ ← λ − H_k a_k
    influence_z = −Σ_k ⟨a_k, b_k,z⟩ + ∂m/∂w_z                   along its record

H is that of what is retained, as for every request: of all data where single interactions are asked about, and with weights of ½
where half of them go. A request for a set moves the parameters by f(H) b, and b is to the first order the sum of its interactions'
(`influence.attribution`). f(H) is symmetric, so what each of them does to a target m takes one solve for the target and not one for
each interaction. Along the record, the step is δ ← δ + S f(S H S) S (b_k − H_k δ) in every segment (`unlearning.along`, to the
first order and with Adam's P as it was applied), and its adjoint goes through the segments from the last to the first. H_k a_k is
read off the Krylov space that a_k was solved in, so a segment takes the products of its solve and no other. Influence is
what an interaction adds to m: m now, less m without it. The step's last part, where training would have stopped, is left out: a few
interactions don't move it.

Sources: Koh and Liang, "Understanding black-box predictions via influence functions" (ICML 2017), eq. 2; Bae et al., "Training data
attribution via approximate unrolling" (NeurIPS 2024).
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.errors import DataError, NumericsError
from ifru_jax.graph import Batch, Nodes
from ifru_jax.host_arrays import padded
from ifru_jax.influence.attribution import Counted, contributions, served_contributions
from ifru_jax.influence.targets import Target
from ifru_jax.models import Params
from ifru_jax.pytree import pytree
from ifru_jax.solvers.spectral import spectral_step_with_space
from ifru_jax.sparse import on_device, on_host
from ifru_jax.status import Status
from ifru_jax.training import Objective
from ifru_jax.training.objective import Product
from ifru_jax.training.record import Segment
from ifru_jax.unlearning.along import SegmentSolve
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.prepare import Prepared
from ifru_jax.unlearning.step import StepProblem, scaled_problem, solve_step


@pytree
class Sides:
    """What a segment is gone through on: the data whose influences are asked for, and what is retained of it, for H."""

    objective: Objective
    data: Counted
    retained: Batch


def influences(state: Prepared, targets: Target, *, retained: np.ndarray | None = None) -> np.ndarray:
    """What every interaction adds to each target.

    Args:
      state: the model, with how requests are answered: along the record where they follow it.
      targets: t of them, arrays [t, m]; solved together.
      retained: float [n], how much of each interaction is left where influences are added up, such as ½ where a random half goes;
        None asks about single ones, and all are.

    Returns:
      float [t, n], in the order of `state.interactions`.

    Raises:
      DataError: a model over the devices of a mesh.
      NumericsError: a solve was not finite.
    """
    if state.training_set.mesh is not None:
        raise DataError("a model over several devices explains nothing: save it, and load it on one device, outside of on_mesh.")
    data = Counted.of(state.training_set)
    objective = replace(state.objective, chunk_size=state.step.chunk_size or "automatic")
    left = data.batch if retained is None else data.at(on_device(padded(retained, len(data.counts), data.counts.dtype)))
    pull, found = _start(objective, state.params, targets, data)
    statuses = []
    if state.follows:
        assert state.record is not None
        solve = SegmentSolve.of(state.step)
        for segment in reversed(state.record.segments):
            pull, learned, status = _through_segment(solve, segment, pull, Sides(objective, data, left))
            found, statuses = found - learned, [*statuses, status]
    else:
        rows = state.training_set.masks(Nodes.everywhere(*state.training_set.sizes))
        problem = StepProblem(objective, state.params, state.params, left, rows, state.floor)
        learned, status = _from_end(state.step, problem, pull, data)
        found, statuses = found - learned, [status]
    for status in statuses:
        check_finite(status)
    return np.asarray(found)[:, : len(state.interactions)]


def check_finite(statuses: jax.Array) -> None:
    """Raises NumericsError if one of several solves was not finite."""
    if np.any(on_host(statuses) == Status.NOT_FINITE):
        raise NumericsError(Status.NOT_FINITE.message)


def back_through(solve: SegmentSolve, product: Product, scale: Params, pull: Params) -> tuple[Params, Params, jax.Array]:
    """λ at the beginning of a segment, from that at its end; a_k; and the status. `product` is with H_k, `scale` S_k."""
    step = spectral_step_with_space(num_steps=solve.num_steps, filter="growing-flow", tolerance=solve.tolerance)
    problem = scaled_problem(product, pull, scale)
    solution, image = step(problem.product, problem.rhs, floor=1.0, damping=1.0)
    # S⁻¹ (S H S) y = H a; a row that no step has moved has no data that H could couple it by.
    moved = jax.tree.map(lambda s, x: jnp.where(s > 0, x / jnp.where(s > 0, s, 1), 0), scale, image())
    return optax.tree.sub(pull, moved), problem.to_params(solution.solution), solution.status


@jax.jit
def _start(objective: Objective, params: Params, targets: Target, data: Counted) -> tuple[Params, jax.Array]:
    """∇m [t, …] and ∂m/∂w_z [t, n]."""

    def of(target: Target) -> tuple[Params, jax.Array]:
        gradient = jax.grad(lambda p: target(objective.model, p, data.batch.graph))(params)
        return gradient, served_contributions(objective, params, target, data)

    return jax.vmap(of)(targets)


@partial(jax.jit, static_argnums=0)
def _through_segment(solve: SegmentSolve, segment: Segment, pulls: Params, of: Sides) -> tuple[Params, jax.Array, jax.Array]:
    """λ at the beginning of a segment, from that at its end, ⟨a_k, b_k,z⟩, and the statuses; of every target."""
    scale = jax.tree.map(lambda p: jnp.sqrt(segment.steps * p), segment.applied)
    product = of.objective.hessian_product(segment.params, of.retained)

    def through(pull: Params) -> tuple[Params, jax.Array, jax.Array]:
        earlier, direction, status = back_through(solve, product, scale, pull)
        return earlier, contributions(of.objective, segment.params, direction, of.data), status

    return jax.vmap(through)(pulls)


@partial(jax.jit, static_argnums=0)
def _from_end(config: IFRUConfig, problem: StepProblem, pulls: Params, data: Counted) -> tuple[jax.Array, jax.Array]:
    """⟨a, b_z⟩ and the statuses, of every target."""

    def of(pull: Params) -> tuple[jax.Array, jax.Array]:
        direction, solution = solve_step(config, replace(problem, rhs=pull))
        return contributions(problem.objective, problem.params, direction, data), solution.status

    return jax.vmap(of)(pulls)
