"""Whether a step along the training went astray.

    L(θ′; D_r, G_r) − L(θ̂; D_r, G_r) > max(SLACK |D_f| / |D|, LEAST) |L(θ̂; D_r, G_r)|

What retraining would have given fits the retained data about as well as the model does that also had to fit what is forgotten. A
force that is taken where the other training is, by products that resolve little of the problem, can drive the two apart without end
(a perceptron over the embeddings has curvatures of thousands of training times), and the objective shows it. Early stopping leaves
a gradient, so that it may rise a little: for whole users and single ratings by up to one and a half times their share.
"""

import jax
import jax.numpy as jnp

from ifru_jax.graph import Batch
from ifru_jax.models import Params
from ifru_jax.sparse import on_host
from ifru_jax.training import Objective

SLACK, LEAST = 10.0, 0.01


def went_astray(objective: Objective, params: Params, moved: Params, retained: Batch, share: float) -> bool:
    """Of a step from `params` to `moved`, for a request for this share of the interactions; a NaN is astray."""
    return not bool(on_host(_holds(objective, params, moved, retained, share)))


@jax.jit
def _holds(objective: Objective, params: Params, moved: Params, retained: Batch, share: jax.Array | float) -> jax.Array:
    before, after = (objective(of, retained) for of in (params, moved))
    return after - before <= jnp.maximum(SLACK * share, LEAST) * jnp.abs(before)
