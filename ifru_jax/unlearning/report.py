"""What a request did, in numbers; it names nobody."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Report:
    """Evidence of one request.

    Attributes:
      forgotten: interactions that were forgotten.
      retained: interactions that remain.
      affected: retained interactions whose score the changed graph can change; of a local problem, those that depend on a row in
        scope, which are all of these and more.
      spillover: how it was computed: "whole-graph", "neighbourhood", "local" (on the request's own problem), or "none" where the
        model has no graph to change.
      scope_users, scope_items: rows that could change.
      left_out_nodes: nodes that `max_nodes` left out of the scope.
      left_out_edges: retained interactions that depend on the scope and that `max_edges` left out.
      cleared_users, cleared_items: rows set to zero by this request because no interaction was left.
      norm_direct, norm_spillover, norm_rhs, norm_step: Euclidean norms of direct, spillover, b and δ.
      parts: steps that a large request was cut into.
      status: how the solve ended, see `ifru_jax.solvers.Status`.
      num_products: products with the curvature.
      num_steps: optimiser steps, where a method takes some.
      damping: λ.
      ritz_values: eigenvalue estimates of the scaled curvature, ascending.
      residual: see `ifru_jax.solvers.Solution`.
      predicted_decrease: by how much the step should lower the quadratic model of the objective.
      actual_decrease, expected_decrease: by how much the step lowered L(·; D_r, G_r), and by how much its quadratic model says it
        should; None unless `linearity.with_linearity` computed them, which is not timed.
      shards, shards_retrained: submodels there are, and those that the request touched; 0 without shards.
      valid_metric: best validation metric, where a method trains.
      seconds: wall-clock seconds of each part, and "total" from the request to parameters that can serve.
    """

    forgotten: int = 0
    retained: int = 0
    affected: int = 0
    spillover: str = "none"
    scope_users: int = 0
    scope_items: int = 0
    left_out_nodes: int = 0
    left_out_edges: int = 0
    cleared_users: int = 0
    cleared_items: int = 0
    norm_direct: float = 0.0
    norm_spillover: float = 0.0
    norm_rhs: float = 0.0
    norm_step: float = 0.0
    parts: int = 1
    status: str = "NOTHING_TO_FORGET"
    num_products: int = 0
    num_steps: int = 0
    damping: float | None = None
    ritz_values: tuple[float, ...] = ()
    residual: float = 0.0
    predicted_decrease: float = 0.0
    actual_decrease: float | None = None
    expected_decrease: float | None = None
    shards: int = 0
    shards_retrained: int = 0
    valid_metric: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
