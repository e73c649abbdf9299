"""The right-hand side of the step: the difference of the two gradients.

    b = ∇L(θ̂; D, G) − ∇L(θ̂; D_r, G_r) = direct + spillover

It is summed over the touched and the affected interactions alone: what doesn't change would only add its rounding. Source: Zhang et
al. (arXiv 2307.02147), eq. 7–9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ifru_jax.data.groups import whole_groups
from ifru_jax.graph import Batch, Change, Examples, Graph
from ifru_jax.graph.subgraph import Subgraph
from ifru_jax.influence.direct import direct_influence, touched_terms
from ifru_jax.influence.spillover import affected_interactions, graph_influence, neighbourhood_influence, spillover_blocks
from ifru_jax.models import Params
from ifru_jax.models.tables import scatter_rows
from ifru_jax.sparse import on_device
from ifru_jax.sparse.placement import padded
from ifru_jax.training import Objective

SpilloverForm = Literal["auto", "whole-graph", "neighbourhood", "none"]


@dataclass(frozen=True)
class Influence:
    """What is known of b.

    Attributes:
      spillover: how it was computed: "whole-graph", "neighbourhood", "local" (on the request's own problem), or "none" where no
        edge of a graph comes or goes.
      affected: retained interactions whose score the changed graph can change.
      norm_direct, norm_spillover, norm_rhs: Euclidean norms of direct, spillover and b.
    """

    spillover: str
    affected: int
    norm_direct: float
    norm_spillover: float
    norm_rhs: float


def right_hand_side(
    objective: Objective, params: Params, change: Change, *, spillover: SpilloverForm = "auto", block_size: int = 4096
) -> tuple[Params, Influence]:
    """b and its evidence.

    Args:
      objective, params: of the model before the change.
      change: D, G and D_r, G_r.
      spillover: how it is computed; "none" leaves it out (an ablation).
      block_size: affected interactions per neighbourhood.
    """
    hops, before = objective.model.num_hops, change.before
    touched, after = touched_terms(change)
    direct, norm_direct = _direct(objective, params, Batch(touched, before.graph), after)
    if not (hops and change.edges.any) or spillover == "none":
        return direct, Influence("none", 0, float(norm_direct), 0.0, float(norm_direct))
    affected = affected_interactions(change, num_hops=hops)
    way = _cheaper_form(objective, change, affected) if spillover == "auto" else spillover
    if way == "neighbourhood":
        blocks = [(change, block) for block in _blocks(np.flatnonzero(affected), block_size)]
        nothing = optax.tree.zeros_like(direct), jnp.zeros(())
        part, norm = _by_neighbourhood(objective, params, spillover_blocks(blocks, num_hops=hops)) if blocks else nothing
    else:
        part, norm = _over_graph(objective, params, Batch(_only(change, affected, objective), change.after.graph), before.graph)
    rhs, norm_rhs = _added(direct, part)
    return rhs, Influence(way, int(affected.sum()), float(norm_direct), float(norm), float(norm_rhs))


def _cheaper_form(objective: Objective, change: Change, affected: np.ndarray) -> Literal["whole-graph", "neighbourhood"]:
    """Blocks repeat what their neighbourhoods share; beyond a small part of the data one pass over the graph is cheaper."""
    # A neighbourhood has no histories, and without tables no rows of its own.
    loss, model = objective.loss, objective.model
    confined = model.tables and loss.separable and not loss.grouped and change.before.graph.history is None
    small = confined and affected.sum() * 2 * model.num_hops < len(affected) // 4
    return "neighbourhood" if small else "whole-graph"


def _blocks(affected: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(affected, -(-len(affected) // size)) if len(affected) else []


def _only(change: Change, affected: np.ndarray, objective: Objective) -> Examples:
    """D_r, where only the interactions count whose term the graph changes."""
    after = change.after
    if not objective.loss.separable:
        return after.examples
    counted = affected[change.retained]
    if after.leaders is not None:
        counted = whole_groups(counted, after.leaders)
    weights = on_device(padded(counted, after.capacities[0], after.examples.weights.dtype))
    return replace(after.examples, weights=weights)


@jax.jit
def _direct(objective: Objective, params: Params, before: Batch, after: Examples) -> tuple[Params, jax.Array]:
    direct = direct_influence(objective, params, before, after)
    return direct, optax.tree.norm(direct)


@jax.jit
def _over_graph(objective: Objective, params: Params, after: Batch, before: Graph) -> tuple[Params, jax.Array]:
    spillover = graph_influence(objective, params, after, before)
    return spillover, optax.tree.norm(spillover)


@jax.jit
def _by_neighbourhood(objective: Objective, params: Params, parts: Subgraph) -> tuple[Params, jax.Array]:
    local = neighbourhood_influence(objective, params, parts)
    spillover = scatter_rows(objective.model.tables, params, (parts.users, parts.items), local)
    return spillover, optax.tree.norm(spillover)


@jax.jit
def _added(direct: Params, spillover: Params) -> tuple[Params, jax.Array]:
    rhs = optax.tree.add(direct, spillover)
    return rhs, optax.tree.norm(rhs)
