"""L2 as stochastic gradient descent with weight decay applies it: on the rows of what is drawn, once for each time it is drawn.

    Σ_z ℓ_z + (λ / 2) Σ_(u, i, j) (‖θ_u‖² + ‖θ_i‖² + ‖θ_j‖²)          (u, i, j): a positive with a negative of its group
    Σ_z ℓ_z + (λ / 2) Σ_(u, i) (‖θ_u‖² + ‖θ_i‖²)                       for losses of one interaction at a time

so that frequent rows are held back more than rare ones, where λ₂ of the objective holds all back alike. BPR of the package implicit
and LightGCN-PyTorch train so. Source: Rendle et al. (UAI 2009), the algorithm LearnBPR.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ifru_jax.errors import DataError
from ifru_jax.graph import Examples
from ifru_jax.training.losses import Around, ScoreFunction


@dataclass(frozen=True)
class WithDecay(Around):
    """A loss with weight decay on the rows of its interactions.

    Attributes:
      loss: of pairs, or of groups.
      reg: λ ≥ 0.
    """

    reg: float

    def __post_init__(self) -> None:
        if not self.reg >= 0:
            raise DataError(f"reg is {self.reg}: the weight of the L2 term can't be negative.")
        super().__post_init__()

    def outputs(self, score: ScoreFunction, examples: Examples) -> tuple[Any, dict[str, tuple[jax.Array, ...]]]:
        sides = {side: tuple(score.params[name] for name, of in score.tables.items() if of == side) for side in ("user", "item")}
        return self.loss.outputs(score, examples), sides

    def summed(self, outputs: tuple[Any, dict[str, tuple[jax.Array, ...]]], examples: Examples) -> jax.Array:
        inner, sides = outputs
        pairs, weights = examples.pairs, examples.weights
        if examples.leaders is None:
            drawn = {"user": [(pairs.users, weights)], "item": [(pairs.items, weights)]}
        else:
            # A pair of the loss is a member with its leader, of the other label.
            lead = examples.leaders
            positive = examples.labels > 0.5
            pairs_of = jnp.where(positive != positive[lead], weights * weights[lead], 0)
            drawn = {"user": [(pairs.users, pairs_of)], "item": [(pairs.items, pairs_of), (pairs.items[lead], pairs_of)]}
        total = self.loss.summed(inner, examples)
        for side, tables in sides.items():
            for table in tables:
                sizes = jnp.sum(jnp.square(table).reshape(table.shape[0], -1), axis=1)
                for rows, counts in drawn[side]:
                    total = total + 0.5 * self.reg * jnp.dot(jax.ops.segment_sum(counts, rows, num_segments=len(sizes)), sizes)
        return total
