"""Compilation ahead of the first request.

Whatever a small request needs is compiled per rung of the ladder of buckets, for single requests and for batches, and for nothing
else. A service that calls `warm_up` when it starts answers its first request as fast as its thousandth; what was compiled once is
kept across processes (`ifru_jax.compiled`).
"""

import jax

from ifru_jax.compiled import keep_compiled
from ifru_jax.errors import DataError
from ifru_jax.forks import check_not_forked
from ifru_jax.training import Trained
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local.batch import at_once
from ifru_jax.unlearning.local.problem import LEAST_PAIRS, empty_problems
from ifru_jax.unlearning.local.step import row_numbers, solve_and_apply, solve_local
from ifru_jax.unlearning.prepare import Prepared, prepare


def warm_up(
    trained: Trained, *, config: IFRUConfig | None = None, max_pairs: int = 8192, batches: bool = False
) -> tuple[Prepared, int]:
    """Compiles the steps of all confined requests that depend on up to `max_pairs` interactions.

    Args:
      trained: the model that will be asked.
      config: with a scope, the one that requests will use; None: as the model was prepared for.
      max_pairs: interactions of the largest rung to compile; larger requests compile when they come.
      batches: for `independent_steps` with several requests, instead of single ones.

    Returns:
      The model, ready for these requests (ask this one: what was prepared for it is in it), and how many rungs were compiled.

    Raises:
      DataError: the configuration has no scope, or the model has parameters that are no tables.
    """
    check_not_forked()
    keep_compiled()
    state = prepare(trained, config=config)
    if not state.confined:
        raise DataError(
            "only confined requests have buckets: set a scope, such as IFRUConfig(scope=()), and freeze shared parameters."
        )
    lost = row_numbers(state.training_set.without_data)
    pairs, rungs = LEAST_PAIRS, 0
    while pairs <= max(max_pairs, LEAST_PAIRS):
        problems = empty_problems(state, pairs, size=at_once() if batches else 1)
        jax.block_until_ready(solve_local(state, problems) if batches else solve_and_apply(state, problems, lost))
        pairs, rungs = 2 * pairs, rungs + 1
    return state, rungs
