"""How far quick answers were from the whole step that settles them.

    error = ‖θ_quick − θ_settled‖ / ‖θ_settled − θ_before‖        on the rows that have data left

0 where they are the same, 1 where the other rows would have moved as far as all did.
"""

import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.models.tables import confine
from ifru_jax.training import Trained


def distance(quick: Trained, settled: Trained, before: Trained) -> float | None:
    """The error of quick answers; None where the whole step moved nothing."""
    data = settled.interactions
    kept = jnp.asarray(data.user_degrees() > 0), jnp.asarray(data.item_degrees() > 0)

    def apart(one: Trained, other: Trained) -> float:
        change = optax.tree.sub(one.params, other.params)
        # Of shared parameters, which have no rows, all.
        return float(np.asarray(optax.tree.norm({**change, **_tables(one, confine(one.model.tables, change, kept))})))

    moved = apart(settled, before)
    return apart(quick, settled) / moved if moved else None


def _tables(model: Trained, values: dict) -> dict:
    return {name: values[name] for name in model.model.tables}
