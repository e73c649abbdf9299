"""Whether a step along the training went astray.

    L(θ′; D_r, G_r) − L(θ̂; D_r, G_r) > max(SLACK |D_f| / |D|, LEAST) |L(θ̂; D_r, G_r)|
    metric(θ̂; G) − metric(θ′; G_r) > max(LEAST_FALL, 1/√n)     of n validation pairs, where they can tell

What retraining would have given fits the retained data about as well as the model does that also had to fit what is forgotten. A
force that is taken where the other training is, by products that resolve little of the problem, can drive the two apart without end
(a perceptron over the embeddings has curvatures of thousands of training times), and the objective shows it. Early stopping leaves
a gradient, so that it may rise a little: for whole users and single ratings by up to one and a half times their share. Nor does
retraining rank much worse than the model did (its AUC was about .003 below at the most, docs/results.md): a fall beyond that and
beyond what n pairs can tell is the step's. A confined request is judged by the losses of its own problem.
"""

import warnings

import jax
import jax.numpy as jnp

from ifru_jax.graph import Batch, Graph
from ifru_jax.models import Params
from ifru_jax.sparse import on_host
from ifru_jax.training import Objective
from ifru_jax.training.record import Record
from ifru_jax.training.validation import valid_metric
from ifru_jax.unlearning.stopping import can_tell

SLACK, LEAST = 10.0, 0.01
LEAST_FALL = 0.01


def went_astray(objective: Objective, params: Params, moved: Params, retained: Batch, share: float) -> bool:
    """Of a step from `params` to `moved`, for a request for this share of the interactions; a NaN is astray."""
    return not bool(on_host(_holds(objective, params, moved, retained, share)))


def ranks_worse(objective: Objective, params: Params, moved: Params, graphs: tuple[Graph, Graph], record: Record) -> bool:
    """The same of a step by the validation pairs of the record that is left, on the graphs before it and after; a NaN is worse."""
    if not can_tell(objective, record):
        return False
    before, after = (
        float(on_host(_metric(objective, of, Batch(record.pairs, graph))))
        for of, graph in zip((params, moved), graphs, strict=True)
    )
    return not before - after <= max(LEAST_FALL, record.valid.total**-0.5)


def holds(before: jax.Array, after: jax.Array, share: jax.Array | float) -> jax.Array:
    """Whether an objective that was `before` may be this `after` such a request, a bool []."""
    return after - before <= jnp.maximum(SLACK * share, LEAST) * jnp.abs(before)


def warn_astray(*, stacklevel: int) -> None:
    """Says what was done instead."""
    warnings.warn(
        "the step along the training went astray: it made the objective of what is retained, or the validation metric, much worse. "
        "The step from the end of the training was taken instead, which leaves no record of the training. Raise segment_steps, "
        'freeze shared weights where there are some (IFRUConfig(shared="freeze")), or retrain.',
        RuntimeWarning,
        stacklevel=stacklevel,
    )


_metric = jax.jit(valid_metric)


@jax.jit
def _holds(objective: Objective, params: Params, moved: Params, retained: Batch, share: jax.Array | float) -> jax.Array:
    before, after = (objective(of, retained) for of in (params, moved))
    return holds(before, after, share)
