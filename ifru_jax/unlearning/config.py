"""Choices of the IFRU step."""

from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from ifru_jax.errors import DataError, check_whole

SHARED = ("update", "freeze", "subspace")


@dataclass(frozen=True)
class IFRUConfig:
    """How to forget. The defaults are the ones the documented experiments support.

    Attributes:
      scope: share of the nodes kept at hop 1, 2, … from the forgotten interactions; () their endpoints only; None all rows.
        A request that is confined is solved on the interactions that depend on these rows alone.
      max_nodes: rows in scope at the most, the most important ones; endpoints of forgotten interactions always stay. None: all.
      max_edges: retained interactions in the problem of a confined request at the most, the most important ones. None: all,
        which is exact. What the budgets left out is in the report.
      max_share: share of the interactions that one step forgets at the most; a larger request is cut into parts of that size and a
        rest, each a step from where the last one ended. None: one step, whatever is asked.
      spillover: over the "whole-graph", on the request's "neighbourhood", "auto" (the cheaper of the two) or "none" (an ablation).
        A confined request computes it on its own interactions, unless it is "none".
      curvature: "hessian" (exact) or "gauss-newton".
      solver: "lanczos" (spectral filter on a Krylov space) or "cg" (H + λI, stops at negative curvature).
      filter: of the Lanczos solve, see `ifru_jax.solvers.spectral`.
      num_steps: products with the curvature at the most. λ is known before the request comes, so few are enough.
      metric_exponent: of the degrees in the metric M of the damping; 0 damps all rows alike.
      damping: λ; None takes it from the spectrum.
      tolerance: relative residual at which CG stops.
      shared: what becomes of parameters that are no tables, such as the layers of a perceptron. Every interaction depends on
        them, so while they change no request is a problem of its own. "update" changes all; "freeze" none, and then requests with a
        scope are confined again; names (a tuple of them, "tower" taking every "tower/…") change these alone, such as the last
        layer; "subspace" changes them within a random subspace of `shared_rank` dimensions, fixed for all requests.
      shared_rank: dimensions of that subspace.
      follow: whether requests follow the record of the training, where there is one (`TrainConfig.record`). False: they start from
        its end, which is faster, and the record is left behind. So do, whatever is said here, requests with `max_edges`, with a
        scope that the model or its loss doesn't allow to confine, with a scope and frozen shared weights, and with another
        curvature, solver, filter, damping, metric or spillover than the default.
      segment_steps: products in the last segment of the record at the most, and half as many for shared weights to settle; λ,
        metric and filter are those of the training then.
      early_steps: products in each segment before it at the most, and no more than `segment_steps`: what they leave undone is in
        the force of the next.
      segment_tolerance: relative error of δ, as Lanczos estimates it, at which a segment has had enough of them.
      chunk_size: interactions that a gradient or product over the whole data scores at a time; None takes all at once where an
        estimate of the memory allows it, as for inner products. It changes the memory and the time, not the result.
    """

    scope: tuple[float, ...] | None = None
    max_nodes: int | None = None
    max_edges: int | None = None
    max_share: float | None = 0.08
    spillover: Literal["auto", "whole-graph", "neighbourhood", "none"] = "auto"
    curvature: Literal["hessian", "gauss-newton"] = "hessian"
    solver: Literal["lanczos", "cg"] = "lanczos"
    filter: Literal["gradient-flow", "absolute"] = "gradient-flow"
    num_steps: int = 10
    metric_exponent: float = 0.4
    damping: float | None = None
    tolerance: float = 1e-4
    shared: Literal["update", "freeze", "subspace"] | tuple[str, ...] = "update"
    shared_rank: int = 32
    follow: bool = True
    segment_steps: int = 16
    early_steps: int = 8
    segment_tolerance: float = 0.3
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        hints = get_type_hints(IFRUConfig)
        check_whole(self, "max_nodes", "max_edges", "num_steps", "shared_rank", "segment_steps", "early_steps", "chunk_size")
        for name in ("spillover", "curvature", "solver", "filter"):
            if getattr(self, name) not in get_args(hints[name]):
                raise DataError(f"{name} is {getattr(self, name)!r}: choose among {', '.join(get_args(hints[name]))}.")
        if self.scope is not None:
            object.__setattr__(self, "scope", tuple(float(ratio) for ratio in self.scope))
        for name in ("max_nodes", "max_edges"):
            budget = getattr(self, name)
            if budget is not None and (budget < 1 or self.scope is None):
                raise DataError(
                    f"{name} is {budget} with scope {self.scope}: a budget is positive and belongs to a scope, such as (1.0,)."
                )
        if self.max_share is not None and not 0 < self.max_share <= 1:
            raise DataError(f"max_share is {self.max_share}: it is a share of all interactions, above 0 and up to 1, or None.")
        if isinstance(self.shared, str):
            if self.shared not in SHARED:
                raise DataError(f"shared is {self.shared!r}: choose among {', '.join(SHARED)}, or give a tuple of parameter names.")
        else:
            object.__setattr__(self, "shared", tuple(self.shared))
        for name in ("shared_rank", "segment_steps", "early_steps", "chunk_size"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise DataError(f"{name} is {size}: it must be positive.")
        if not self.segment_tolerance >= 0:
            raise DataError(f"segment_tolerance is {self.segment_tolerance}: it is a relative error, 0 or more.")
        if self.num_steps < 1:
            raise DataError(f"num_steps is {self.num_steps}: a solve takes at least one step.")
        if self.damping is not None and not self.damping > 0:
            raise DataError(f"damping is {self.damping}: it must be positive, or None to take it from the spectrum.")
