"""How a solve or a request ended, and what to do about it.

Under `jit` a solver can't raise, so it returns a code; on the host the code becomes a `Status`, whose `message` says what to do.
"""

from enum import IntEnum


class Status(IntEnum):
    """How it ended; the codes are in the order of their seriousness."""

    NOTHING_TO_FORGET = 0
    ZERO_RIGHT_HAND_SIDE = 1
    CONVERGED = 2
    SPACE_EXHAUSTED = 3
    RETRAINED = 4
    STEPS_SPENT = 5
    BUDGET_SPENT = 6
    VALIDATION_STOPPED = 7
    UNRESOLVED = 8
    NEGATIVE_CURVATURE = 9
    RETRAIN_INSTEAD = 10
    DIVERGED = 11
    NOT_FINITE = 12

    @property
    def message(self) -> str:
        """What it means, and where something can be done, what."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.NOTHING_TO_FORGET: "the request was empty, or names nothing that is still there, so the model is the very same.",
    Status.ZERO_RIGHT_HAND_SIDE: "the request has no influence on the gradient, so the step is 0.",
    Status.CONVERGED: "the residual is below the tolerance.",
    Status.SPACE_EXHAUSTED: "the Krylov space is invariant (β → 0): the answer in it is exact.",
    Status.RETRAINED: "the model, or the shards that were touched, was trained again without what was forgotten.",
    Status.STEPS_SPENT: (
        "all steps were taken; the residual says how far that is from the limit: if it is large, raise num_steps, or segment_steps "
        "where the step follows the training."
    ),
    Status.BUDGET_SPENT: "the budget of seconds or steps ended it: give it a larger one if too little was forgotten.",
    Status.VALIDATION_STOPPED: "validation did not improve any more, and the best candidate was taken.",
    Status.UNRESOLVED: (
        "the products resolved little of the problem, its curvatures are too far apart for so few: more than half of the residual "
        "is left, and the step is far from the one it stands for. Raise num_steps (segment_steps where the step follows the "
        "training) until the residual is below a tenth, raise the damping, or retrain."
    ),
    Status.NEGATIVE_CURVATURE: (
        "conjugate gradients or a line search met negative curvature and stopped before it: use the Lanczos solver or damp more."
    ),
    Status.RETRAIN_INSTEAD: (
        "retrain instead: the request is larger than any that was validated, or the objective did not do what its quadratic model "
        "promised (the report's linearity); the answer may be far from retraining."
    ),
    Status.DIVERGED: (
        "the residual grew beyond that of the zero step: raise the damping or take fewer terms, the series does not converge."
    ),
    Status.NOT_FINITE: (
        "the Hessian product or the influence is not finite, so no step was taken: check that the parameters are finite and that "
        "the loss is twice differentiable at them; with float32 overflow, enable jax_enable_x64."
    ),
}
