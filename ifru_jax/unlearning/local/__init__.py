"""Confined requests as problems of their own size.

request    which rows and interactions a request is solved on
problem    the same, numbered anew and padded to a rung of one ladder
along      the step on it along the record of the training
step       the step on it, compiled; the update of the model
adjoint    the influence of a user's own ratings, on a problem of the user's size
batch      several independent requests in one compiled call
"""

from ifru_jax.unlearning.local.batch import independent_steps

__all__ = ["independent_steps"]
