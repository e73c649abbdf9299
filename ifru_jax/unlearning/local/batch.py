"""Many requests at once: independent ones in one compiled call, or one step for all of them together.

Independent steps answer "what would each of these requests do on its own?"; every one starts from the same θ̂ and its own D_r, so
they don't add up exactly to the step for all together: they don't know of one another's deletions, and f is not linear in H. To
*apply* several requests at once, `forget` their union: `request_a | request_b`.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.models.tables import Tables
from ifru_jax.sparse import on_host
from ifru_jax.status import Status
from ifru_jax.training import Trained
from ifru_jax.unlearning.astray import warn_astray
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local.problem import Sizes, pack
from ifru_jax.unlearning.local.request import LocalRequests, local_requests
from ifru_jax.unlearning.local.step import LocalSteps, solve_local
from ifru_jax.unlearning.prepare import Prepared, prepare

# Requests in one compiled call. A fixed number compiles once per rung of the ladder, whatever the batch holds. A processor's cores
# are busy with few; an accelerator waits for its host with few.
AT_ONCE, AT_ONCE_ON_ACCELERATOR = 8, 64


def independent_steps(trained: Trained, requests: Sequence[ForgetRequest], *, config: IFRUConfig | None = None) -> LocalSteps:
    """The steps of several requests, each as if it were the only one, by `vmap`, eight in a compiled call, on an
    accelerator 64.

    Args:
      trained: a trained model, best one of `prepare` or `warm_up`.
      requests: b ≥ 1 of them, none empty.
      config: with a scope, since only confined requests are problems of their own; None: as the model was prepared for.

    Returns:
      Rows and their changes on the host, [b, …] in the order of the requests; nothing is applied. Requests of about the same size
      are solved together: a small one does not pay for the largest.

    Raises:
      DataError: no request, an empty one, one that names what isn't there, or a configuration without a scope.
      NumericsError: a step was not finite; the message says of which request.
    """
    state = prepare(trained, config=config)
    if not state.confined:
        raise DataError(
            "independent steps need a scope, parameters that all are tables, and a loss that does not compare all items: set "
            'IFRUConfig(scope=()) for the endpoints alone (shared="freeze" for a model with shared parameters), or forget the '
            "requests one by one."
        )
    if not requests:
        raise DataError("there is no request: give at least one.")
    changes = state.resolved_each(requests)
    empty = np.flatnonzero(changes.places.lengths == 0)
    if empty.size:
        raise DataError(f"request {empty[0]} changes nothing: leave it out.")
    prepared = local_requests(state, changes)
    solved = _solved(state, prepared, np.arange(len(requests)))
    astray = np.concatenate([chunk[~part.holds & (part.solution.status != Status.NOT_FINITE)] for chunk, part in solved])
    steps = _in_order(solved)
    if astray.size:
        warn_astray(stacklevel=3)
        # Later ones take the place of those before.
        again = [_unresolved(*of) for of in _solved(state.with_record(None), prepared, np.sort(astray))]
        steps = _in_order([*solved, *again])
    bad = np.flatnonzero(steps.solution.status == Status.NOT_FINITE)
    if bad.size:
        raise NumericsError(f"the step of request {bad[0]} is not finite: check the parameters; nothing was changed.")
    return steps


def at_once() -> int:
    """Requests in one compiled call of a batch, here."""
    return AT_ONCE if jax.default_backend() == "cpu" else AT_ONCE_ON_ACCELERATOR


def _solved(state: Prepared, requests: LocalRequests, numbers: np.ndarray) -> list[tuple[np.ndarray, LocalSteps]]:
    """Steps on the host with the numbers of their requests, in chunks of about one size, without what only pads them."""
    tables, rungs = state.model.tables, Sizes.of(state).rungs_for(requests.taken(numbers))
    size = 1 if len(numbers) == 1 else at_once()
    chunks = [(numbers[of[start : start + size]], rung) for rung, of in rungs.items() for start in range(0, len(of), size)]
    # All are under way before the first is waited for.
    running = list(solve_local(state, (pack(requests.taken(chunk), rung, size=size) for chunk, rung in chunks)))
    return [
        (chunk, _without_padding(part, tables, requests.num_core[chunk]))
        for (chunk, _), part in zip(chunks, on_host(running), strict=True)
    ]


def _without_padding(part: LocalSteps, tables: Tables, num_core: np.ndarray) -> LocalSteps:
    """The steps of the requests at the front, with as many rows as one of them has."""
    steps = jax.tree.map(lambda leaf: leaf[: len(num_core)], part)
    most = dict(zip(("user", "item"), np.maximum(num_core.max(axis=0), 1), strict=True))
    rows = {name: of[:, : most[tables[name]]] for name, of in steps.rows.items()}
    return replace(steps, users=steps.users[:, : most["user"]], items=steps.items[:, : most["item"]], rows=rows)


def _unresolved(chunk: np.ndarray, part: LocalSteps) -> tuple[np.ndarray, LocalSteps]:
    """Steps from the end in place of those that went astray."""
    status = np.maximum(part.solution.status, Status.UNRESOLVED)
    return chunk, replace(part, solution=replace(part.solution, status=status))


def _in_order(solved: Sequence[tuple[np.ndarray, LocalSteps]]) -> LocalSteps:
    """The steps of all chunks in one, in the order of the requests, padded to the most rows by row 0 that moves by 0."""
    chunks, parts = zip(*solved, strict=True)
    if len(parts) == 1:
        return parts[0]
    count = 1 + max(int(chunk.max()) for chunk in chunks)

    def joined(padding: float, leaves: Sequence[np.ndarray]) -> np.ndarray:
        width = tuple(max(sizes) for sizes in zip(*(leaf.shape[1:] for leaf in leaves), strict=True))
        out = np.full((count, *width), padding, leaves[0].dtype)
        for chunk, leaf in zip(chunks, leaves, strict=True):
            out[(chunk, *(slice(size) for size in leaf.shape[1:]))] = leaf
        return out

    steps = jax.tree.map(lambda *leaves: joined(0, leaves), *parts)
    # Solves by fewer products know fewer values.
    values = joined(np.inf, [part.solution.ritz_values for part in parts])
    return replace(steps, solution=replace(steps.solution, ritz_values=values))
