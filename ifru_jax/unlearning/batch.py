"""Many requests at once: independent ones in one compiled call, or one step for all of them together.

Independent steps answer "what would each of these requests do on its own?"; every one starts from the same θ̂ and its own D_r, so
they don't add up exactly to the step for all together: they don't know of one another's deletions, and f is not linear in H. To
*apply* several requests at once, `forget` their union: `request_a | request_b`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.errors import DataError, NumericsError
from ifru_jax.solvers import Status
from ifru_jax.training import Trained
from ifru_jax.unlearning.config import IFRUConfig
from ifru_jax.unlearning.local_step import LocalSteps, is_local, local_request, pack, solve_local
from ifru_jax.unlearning.prepare import damping_floor, is_prepared, prepare


def independent_steps(trained: Trained, requests: Sequence[ForgetRequest], *, config: IFRUConfig) -> LocalSteps:
    """The steps of several requests, each as if it were the only one, by `vmap` in one compiled call.

    Args:
      trained: a model of `prepare`.
      requests: b ≥ 1 of them, none empty.
      config: with a scope, since only confined requests are problems of their own.

    Returns:
      Rows and their changes, per request; nothing is applied. The batch is padded to a power of two by steps of zero.

    Raises:
      DataError: no request, an empty one, one that names what isn't there, or a configuration without a scope.
      NumericsError: a step was not finite; the message says of which request.
    """
    if not is_local(trained, config):
        raise DataError(
            "independent steps need a scope, parameters that all are tables, and a loss that does not compare all items: set "
            'IFRUConfig(scope=()) for the endpoints alone (shared="freeze" for a model with shared parameters), or forget the '
            "requests one by one."
        )
    if not requests:
        raise DataError("there is no request: give at least one.")
    if not is_prepared(trained, config):
        trained = prepare(trained, config=config)
    places = [np.flatnonzero(request.select(trained.interactions)) for request in requests]
    empty = [number for number, found in enumerate(places) if not len(found)]
    if empty:
        raise DataError(f"request {empty[0]} forgets nothing: leave it out.")
    hops = trained.model.num_hops
    prepared = [local_request(trained.training_set, found, config, num_hops=hops) for found in places]
    problems = pack(prepared, trained.training_set, num_hops=hops)
    steps = solve_local(trained, problems, config, floor=damping_floor(trained, config))
    bad = np.flatnonzero(np.asarray(steps.solution.status)[: len(requests)] == Status.NOT_FINITE)
    if bad.size:
        raise NumericsError(f"the step of request {bad[0]} is not finite: check the parameters; nothing was changed.")
    return steps
