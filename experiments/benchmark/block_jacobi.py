"""Whether preconditioning by diagonal blocks pays: products with H that conjugate gradients need with and without it."""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from experiments.benchmark.figure import Figure
from experiments.benchmark.trained import setup_of, trained_model
from experiments.run.models import ModelName
from ifru_jax.curvature import block_jacobi, diagonal_blocks, hessian_product
from ifru_jax.solvers import SPECTRUM_RATIO, conjugate_gradient
from ifru_jax.training.objectives import objective
from ifru_jax.unlearning import IFRUConfig
from ifru_jax.unlearning.ifru import right_hand_side
from ifru_jax.unlearning.prepare import damping_floor

TOLERANCE = 1e-2


def block_jacobi_products(data: str, model: ModelName, layers: int) -> dict[str, Figure]:
    """Products of plain CG for each that preconditioned CG takes, its blocks included: more than 1 pays within one request.

    The system is (H + λI) δ = b of the paper's label noise, with λ twice the most negative curvature, to a relative residual of
    1e-2.
    """
    setup, trained, config = setup_of(data, model, layers), trained_model(data, model, layers), IFRUConfig()
    forgotten = setup.request.select(trained.interactions)
    retained = trained.training_set.without(forgotten)
    rhs, unravel = ravel_pytree(right_hand_side(trained, retained, forgotten, config)[0])
    damping = 2 * SPECTRUM_RATIO[config.filter] * damping_floor(trained, config)

    @jax.jit
    def steps(params, b, examples, graph):
        terms = {"total": trained.total, "reg": trained.config.reg}
        product = hessian_product(lambda p: objective(trained.model, trained.loss, p, examples, graph, **terms), params)
        precondition = block_jacobi(diagonal_blocks(product, params, trained.model.tables), damping=damping)

        def flat(function):
            return lambda v: ravel_pytree(function(unravel(v)))[0]

        solve = conjugate_gradient(num_steps=2000, tolerance=TOLERANCE)
        plain = solve(flat(product), b, damping=damping)
        preconditioned = solve(flat(product), b, damping=damping, preconditioner=flat(precondition))
        return jnp.array([plain.num_steps, preconditioned.num_steps, plain.status, preconditioned.status])

    without, within, *statuses = (int(x) for x in steps(trained.params, rhs, retained.examples, retained.graph))
    built = sum(trained.params[name].shape[1] for name in trained.model.tables)
    details = {"products.plain": without, "products.preconditioned": within, "products.blocks": built, "statuses": statuses}
    ratio = without / (within + built)
    return {"": Figure(ratio, 1.0, "times fewer products", (ratio, ratio), "conjugate gradients without", details)}
