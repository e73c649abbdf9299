"""What a step makes of a model: new parameters, and all that is told of how."""

from dataclasses import dataclass

from ifru_jax.graph.inflow import Propagations
from ifru_jax.influence import Influence
from ifru_jax.models import Params
from ifru_jax.solvers import Solution
from ifru_jax.unlearning.report import Scope


@dataclass(frozen=True, eq=False)
class Update:
    """The outcome of a step.

    Attributes:
      params: θ'.
      solution: of the solve.
      norm_step: ‖δ‖.
      influence: what is known of b.
      scope: rows that could change.
      propagations: those of θ' on G_r, where the step knows them.
    """

    params: Params
    solution: Solution
    norm_step: float
    influence: Influence
    scope: Scope
    propagations: Propagations | None = None
