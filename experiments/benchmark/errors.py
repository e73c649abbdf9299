"""How far a small request ends from the step in float64 on all rows, which is what it stands for.

    error of Δθ        ‖Δθ − Δθ*‖ / ‖Δθ*‖
    error of scores    the same of the changes of the scores of all retained interactions
    error of forgotten the same of the changes of the scores of the forgotten interactions, where none of their rows is set to zero

Rows of forgotten users are left out: both set them to zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np

from ifru_jax.data import ForgetRequest
from ifru_jax.models import Params
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRUConfig, forget

# Converged to about a hundredth: the step with 40 differs from it by two to four per cent.
# Those that are measured start from the end of the training, so that is what they approximate.
REFERENCE = IFRUConfig(follow=False, num_steps=60)


@dataclass(frozen=True)
class Reference:
    """The exact answer to a request.

    Attributes:
      request: what is forgotten.
      params: θ', float64.
      scores: of the interactions before the request, float64 [n].
    """

    request: ForgetRequest
    params: Params
    scores: np.ndarray


def references(trained: Trained, requests: Sequence[ForgetRequest]) -> list[Reference]:
    """The float64 steps on all rows, with so many Krylov steps that they no longer change."""
    with jax.enable_x64(True):
        options = {"config": trained.config, "loss": trained.loss, "total": trained.total}
        wide = Trained.of(trained.model, trained.params, trained.interactions, **options)
        # λ stays that of the model as it is: what is measured is the step.
        exact = replace(trained, params=wide.params, training_set=wide.training_set)
        found = []
        for request in requests:
            state, _ = forget(exact, request, config=REFERENCE)
            params = jax.tree.map(lambda x: np.asarray(x, np.float64), state.params)
            found.append(Reference(request, params, _scores(state, trained)))
    return found


def errors(trained: Trained, exact: Sequence[Reference], config: IFRUConfig) -> dict[str, float]:
    """Relative errors of Δθ and of the changes of scores, median and 95th percentile over the requests."""
    before = _scores(trained, trained)
    found: dict[str, list[float]] = {"error": [], "error.scores": [], "error.forgotten": []}
    for reference in exact:
        state, _ = forget(trained, reference.request, config=config)
        change, wrong = (
            _kept_change(trained, reference.request, after, other)
            for after, other in ((reference.params, trained.params), (state.params, reference.params))
        )
        found["error"].append(float(np.linalg.norm(wrong) / np.linalg.norm(change)))
        gone = reference.request.touches(trained.interactions)
        change, wrong = reference.scores - before, _scores(state, trained) - reference.scores
        for name, which in (("error.scores", ~gone), ("error.forgotten", gone)):
            if which is gone and len(reference.request.users):
                continue
            found[name].append(float(np.linalg.norm(wrong[which]) / np.linalg.norm(change[which])))
    return {
        f"{name}.{share}": float(np.percentile(values, percent))
        for name, values in found.items()
        if values
        for share, percent in (("p50", 50), ("p95", 95))
    }


def _scores(state: Trained, trained: Trained) -> np.ndarray:
    """Scores that the state gives to the interactions of `trained`, float64 [n]."""
    data = trained.interactions
    return np.asarray(state.score_rows(data.users, data.items), np.float64)


def _kept_change(trained: Trained, request: ForgetRequest, after: Params, before: Params) -> np.ndarray:
    """after − before without the rows of forgotten users."""
    parts = []
    for name, side in trained.model.tables.items():
        rows = np.asarray(after[name], np.float64) - np.asarray(before[name], np.float64)
        parts.append(np.delete(rows, request.users if side == "user" else request.items, axis=0).ravel())
    return np.concatenate(parts)
