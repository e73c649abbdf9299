"""Compilation ahead of the first request.

Whatever a small request needs is compiled per rung of the ladder of buckets, for single requests and for batches, and for nothing
else. A service that calls `warm_up` when it starts answers its first request as fast as its thousandth. The persistent cache of JAX
keeps compiled functions across processes:

    jax.config.update("jax_compilation_cache_dir", "…/cache")
"""

from __future__ import annotations

import jax

from ifru_jax.errors import DataError
from ifru_jax.graph.extraction import empty_problem
from ifru_jax.graph.local_problem import LEAST_PAIRS, rung, stack_problems
from ifru_jax.training import Trained
from ifru_jax.unlearning.batch import AT_ONCE
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local_step import is_local, opened, rows_without_data, sizes_of, solve_and_apply, solve_local
from ifru_jax.unlearning.prepare import damping_floor, is_prepared, prepare


def warm_up(trained: Trained, *, config: IFRUConfig, max_pairs: int = 8192, batches: bool = False) -> int:
    """Compiles the steps of all confined requests that depend on up to `max_pairs` interactions.

    Args:
      trained: the model that will be asked; only its sizes matter.
      config: with a scope, the one that requests will use.
      max_pairs: interactions of the largest rung to compile; larger requests compile when they come.
      batches: for `independent_steps` with several requests, instead of single ones.

    Returns:
      How many rungs were compiled.

    Raises:
      DataError: the configuration has no scope, or the model has parameters that are no tables.
    """
    if not is_local(trained, config):
        raise DataError(
            "only confined requests have buckets: set a scope, such as IFRUConfig(scope=()), and freeze shared parameters."
        )
    if not is_prepared(trained, config):
        trained = prepare(trained, config=config)
    trained = opened(trained, config)
    sizes = sizes_of(trained)
    lost = rows_without_data(trained.training_set.degrees)
    pairs, rungs = LEAST_PAIRS, 0
    while pairs <= max(max_pairs, LEAST_PAIRS):
        problems = stack_problems([empty_problem()] * (AT_ONCE if batches else 1), trained.training_set, rung(pairs, sizes))
        floor = damping_floor(trained, config)
        if batches:
            jax.block_until_ready(solve_local(trained, problems, config, floor=floor))
        else:
            jax.block_until_ready(solve_and_apply(trained, problems, config, lost, floor=floor))
        pairs, rungs = 2 * pairs, rungs + 1
    return rungs
