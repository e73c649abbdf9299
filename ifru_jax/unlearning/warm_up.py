"""Compilation ahead of the first request.

Requests to all rows are compiled for once, but for those that touch more than a thousand interactions. Requests confined to a scope
are compiled per rung of the ladder of buckets, for single requests and for batches. A service that calls `warm_up` when it starts
answers its first request as fast as its thousandth; what was compiled once is kept across processes (`ifru_jax.compiled`).
"""

import warnings

import jax
import numpy as np

from ifru_jax.compiled import keep_compiled
from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.groups import leads_group
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import distinct, pair_keys
from ifru_jax.errors import DataError, check_kind
from ifru_jax.forks import check_not_forked
from ifru_jax.meshes import among_processes
from ifru_jax.training import Trained
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.ifru import forget
from ifru_jax.unlearning.local.batch import at_once
from ifru_jax.unlearning.local.problem import LEAST_PAIRS, empty_problems
from ifru_jax.unlearning.local.step import row_numbers, solve_and_apply, solve_local
from ifru_jax.unlearning.prepare import Prepared, prepare


def warm_up(
    trained: Trained, *, config: IFRUConfig | None = None, max_pairs: int = 8192, batches: bool = False
) -> tuple[Prepared, int]:
    """Compiles what requests need before one comes.

    Args:
      trained: the model that will be asked.
      config: the one that requests will use; None: as the model was prepared for.
      max_pairs: with a scope, interactions of the largest rung to compile; larger requests compile when they come.
      batches: with a scope, for `independent_steps` with several requests, instead of single ones.

    Returns:
      The model, ready for these requests (ask this one: what was prepared for it is in it), and how many steps were compiled: the
      rungs of a scope, else one.

    Raises:
      DataError: no trained model, max_pairs below 1, or `batches` without a scope or with shared parameters that are not frozen.
      NumericsError: a step is not finite, so no request could be answered.
    """
    check_not_forked()
    check_kind("trained", trained, Trained, "give what fit, load or unlearn returned")
    if max_pairs < 1:
        raise DataError(f"max_pairs is {max_pairs}: give the interactions of the largest rung to compile.")
    keep_compiled()
    state = prepare(trained, config=config)
    if state.confined:
        return state, _rungs(state, max(max_pairs, LEAST_PAIRS), batches)
    if batches:
        raise DataError(
            "only confined requests come in batches: set a scope, such as IFRUConfig(scope=()), and freeze shared parameters."
        )
    return state, _whole(state)


def _rungs(state: Prepared, max_pairs: int, batches: bool) -> int:
    """Steps on problems without data."""
    lost = row_numbers(state.training_set.without_data)
    pairs, rungs = LEAST_PAIRS, 0
    while pairs <= max_pairs:
        problems = empty_problems(state, pairs, size=at_once() if batches else 1)
        jax.block_until_ready(next(solve_local(state, [problems])) if batches else solve_and_apply(state, problems, lost))
        pairs, rungs = 2 * pairs, rungs + 1
    return rungs


def _telling(data: Interactions) -> np.ndarray:
    """int [1, 2]: one of the graph's edges if there are any, whose loss is what costs most; the same in all processes."""
    index, count = among_processes(None if data.share is None else data.share.mesh)
    found = np.zeros((count, 4))
    if len(data):
        place = int(np.argmax(data.labels))
        found[index] = 1, data.labels[place], data.users[place], data.items[place]
    found = data.added_up(found)
    best = np.lexsort((found[:, 1], found[:, 0]))[-1]
    return found[best : best + 1, 2:].astype(np.int32)


def _whole(state: Prepared) -> int:
    """A request for one interaction, whose answer is thrown away; none where that is all there is."""
    data = state.interactions
    leading = data.select(leads_group(data))
    pairs = np.array(len(distinct(pair_keys(leading.users, leading.items, data.num_items))))
    if data.added_up(pairs) < 2:
        return 0
    request = ForgetRequest(pairs=_telling(leading))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # whoever makes a request is told
        forget(state, request)
    return 1
