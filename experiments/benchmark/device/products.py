"""Gradients and Hessian products over all training data, within a compiled loop, against the memory's bandwidth."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.device.sums import LOOP, copied_per_second
from experiments.benchmark.device.workload import PLANS, WIDTH, Workload, seconds
from ifru_jax.graph import build_training_set
from ifru_jax.models import in_bfloat16
from ifru_jax.training import Objective, bce

# Rows of a table that a product reads per interaction: both ends and their directions for the scores, then two sums per side.
ROWS_READ = {"mf": 8}


def products(work: Workload) -> Iterator[tuple[str, dict[str, Any]]]:
    """Microseconds of each, at random parameters of a trained size, and whether it gives the same bits twice."""
    bandwidth = copied_per_second()
    for name, plan in PLANS.items():
        data = build_training_set(work.split.train)
        params = jax.tree.map(lambda x: 300 * x, plan.model.init(jax.random.key(0), *data.sizes))
        objective = Objective(plan.model, bce, float(len(data)), plan.train.reg)

        def repeated(function: Any, params: Any) -> Any:
            def once(_: Any, v: Any) -> Any:
                return jax.tree.map(lambda a, b: a + 1e-30 * b, v, function(v))

            return jax.lax.fori_loop(0, LOOP, once, params)

        gradients = jax.jit(lambda o, p, b, repeated=repeated: repeated(lambda v: o.gradient(v, b), p))
        hessians = jax.jit(lambda o, p, b, repeated=repeated: repeated(o.hessian_product(p, b), p))
        narrow = replace(objective, model=in_bfloat16(plan.model))
        for what, run, of in (
            ("gradient", gradients, objective),
            ("product", hessians, objective),
            ("product-bfloat16", hessians, narrow),
        ):
            taken = seconds(lambda run=run, data=data, o=of, p=params: run(o, p, data.batch)) / LOOP
            first, second = (jax.device_get(run(of, params, data.batch)) for _ in range(2))
            figure = {
                "value": 1e6 * float(np.median(taken)),
                "unit": "µs",
                "repeats": all(np.array_equal(first[leaf], second[leaf]) for leaf in first),
                "spread": [1e6 * float(t) for t in np.percentile(taken, [10, 90])],
            }
            if what == "product" and name in ROWS_READ:
                read = len(data) * WIDTH * jnp.dtype(jnp.float32).itemsize * ROWS_READ[name]
                figure["gathered bytes per copied bytes"] = read / float(np.median(taken)) / bandwidth
            yield f"{name}.{what}", figure
