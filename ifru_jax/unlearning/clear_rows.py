"""Rows of users and items without an interaction, set to zero.

L2-regularised training takes such rows to zero in the end; a model that is served must not wait for that.
"""

from __future__ import annotations

import jax.numpy as jnp

from ifru_jax.graph import TrainingSet
from ifru_jax.models import Params, Recommender


def clear_rows(model: Recommender, params: Params, training_set: TrainingSet) -> Params:
    """The parameters with zeros in the rows of every table that `training_set` has no interaction for."""
    users, items = training_set.without_data
    gone = {"user": users, "item": items}

    def cleared(name: str):
        if name not in model.tables:
            return params[name]
        mask = jnp.asarray(gone[model.tables[name]]).reshape(-1, *[1] * (params[name].ndim - 1))
        return jnp.where(mask, 0, params[name])

    return {name: cleared(name) for name in params}
