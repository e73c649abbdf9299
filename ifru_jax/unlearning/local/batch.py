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
from ifru_jax.sparse import on_host
from ifru_jax.status import Status
from ifru_jax.training import Trained
from ifru_jax.unlearning.astray import warn_astray
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local.problem import Rung, Sizes, pack
from ifru_jax.unlearning.local.request import LocalRequest, local_request
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
    changes = [state.resolved(request) for request in requests]
    empty = [number for number, change in enumerate(changes) if not len(change)]
    if empty:
        raise DataError(f"request {empty[0]} changes nothing: leave it out.")
    prepared = dict(enumerate(local_request(state, change) for change in changes))
    parts = _solved(state, prepared)
    astray = [
        number
        for part, chunk in parts
        for number, holds, status in zip(chunk, part.holds, part.solution.status, strict=False)
        if not holds and status != Status.NOT_FINITE
    ]
    if astray:
        warn_astray(stacklevel=3)
        again = _solved(state.with_record(None), {number: prepared[number] for number in astray})
        parts = [*(_without(part, chunk, astray) for part, chunk in parts), *(_unresolved(part, chunk) for part, chunk in again)]
    steps = _in_order(*zip(*parts, strict=True))
    bad = np.flatnonzero(steps.solution.status == Status.NOT_FINITE)
    if bad.size:
        raise NumericsError(f"the step of request {bad[0]} is not finite: check the parameters; nothing was changed.")
    return steps


def at_once() -> int:
    """Requests in one compiled call of a batch, here."""
    return AT_ONCE if jax.default_backend() == "cpu" else AT_ONCE_ON_ACCELERATOR


def _solved(state: Prepared, requests: dict[int, LocalRequest]) -> list[tuple[LocalSteps, list[int]]]:
    """Steps on the host, with the numbers of their requests; those that pad a chunk stand behind its own."""
    groups: dict[Rung, list[int]] = {}
    for number, request in requests.items():
        groups.setdefault(Sizes.of(state).rung_for([request]), []).append(number)
    size = 1 if len(requests) == 1 else at_once()
    chunks = [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]
    # All are under way before the first is waited for.
    running = [solve_local(state, pack([requests[k] for k in chunk], state, size=size)) for chunk in chunks]
    return list(zip(on_host(running), chunks, strict=True))


def _without(part: LocalSteps, chunk: list[int], numbers: list[int]) -> tuple[LocalSteps, list[int]]:
    """The others of a chunk."""
    kept = [place for place, number in enumerate(chunk) if number not in numbers]
    return jax.tree.map(lambda leaf: leaf[kept], part), [chunk[place] for place in kept]


def _unresolved(part: LocalSteps, chunk: list[int]) -> tuple[LocalSteps, list[int]]:
    """Steps from the end in place of those that went astray."""
    status = np.maximum(part.solution.status, Status.UNRESOLVED)
    return replace(part, solution=replace(part.solution, status=status)), chunk


def _in_order(parts: Sequence[LocalSteps], chunks: Sequence[list[int]]) -> LocalSteps:
    """The steps of all chunks in one, in the order of the requests, padded to the most rows by row 0 that moves by 0."""
    order = np.argsort(np.concatenate(chunks))
    # Solves by fewer products know fewer values.
    values = [part.solution.ritz_values for part in parts]
    most = max(of.shape[1] for of in values)
    padded = [np.pad(of, [(0, 0), (0, most - of.shape[1])], constant_values=np.inf) for of in values]
    solutions = [replace(part.solution, ritz_values=of) for part, of in zip(parts, padded, strict=True)]
    parts = [replace(part, solution=of) for part, of in zip(parts, solutions, strict=True)]

    def joined(*leaves: np.ndarray) -> np.ndarray:
        # Steps that only pad a chunk stand behind its own.
        leaves = tuple(leaf[: len(chunk)] for leaf, chunk in zip(leaves, chunks, strict=True))
        if leaves[0].ndim > 1:
            width = max(leaf.shape[1] for leaf in leaves)
            rest = [(0, 0)] * (leaves[0].ndim - 2)
            leaves = tuple(np.pad(leaf, [(0, 0), (0, width - leaf.shape[1]), *rest]) for leaf in leaves)
        return np.concatenate(leaves)[order]

    return jax.tree.map(joined, *parts)
