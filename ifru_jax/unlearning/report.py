"""What a request did, in numbers; it names nobody."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from ifru_jax.display import Picture, bars, shown, table
from ifru_jax.graph import Change, Nodes
from ifru_jax.influence import Influence
from ifru_jax.models.tables import Tables
from ifru_jax.solvers import Solution
from ifru_jax.sparse import on_host
from ifru_jax.status import Status


@dataclass(frozen=True)
class Scope:
    """Rows that could change.

    Attributes:
      users, items: how many.
      left_out_nodes: nodes that `max_nodes` left out.
      left_out_edges: retained interactions that depend on the scope and that `max_edges` left out.
    """

    users: int
    items: int
    left_out_nodes: int = 0
    left_out_edges: int = 0

    @classmethod
    def of(cls, nodes: Nodes, *, left_out_nodes: int = 0, left_out_edges: int = 0) -> Self:
        """The size of a set of nodes."""
        return cls(int(nodes.users.sum()), int(nodes.items.sum()), left_out_nodes, left_out_edges)


@dataclass(frozen=True)
class Solve:
    """A solve for the step δ.

    Attributes:
      num_products: products with the curvature.
      damping: λ; None for a method without one.
      ritz_values: eigenvalue estimates of the scaled curvature, ascending; empty where none were made.
      residual: see `ifru_jax.solvers.Solution`; None where the method has none.
      predicted_decrease: by how much the step should lower the quadratic model of the objective; None where nobody computed it.
    """

    num_products: int
    damping: float | None = None
    ritz_values: tuple[float, ...] = ()
    residual: float | None = None
    predicted_decrease: float | None = None

    @classmethod
    def of(cls, solution: Solution) -> Self:
        """The evidence of a solver."""
        return cls(
            num_products=int(on_host(solution.num_steps)),
            damping=float(on_host(solution.damping)),
            ritz_values=tuple(float(t) for t in on_host(solution.ritz_values) if np.isfinite(t)),
            residual=float(on_host(solution.residual)),
            predicted_decrease=float(on_host(solution.predicted_decrease)),
        )


@dataclass(frozen=True)
class Training:
    """A training that was part of the answer.

    Attributes:
      num_steps: optimiser steps.
      valid_metric: the best validation metric; None where validation had no say.
    """

    num_steps: int
    valid_metric: float | None = None


@dataclass(frozen=True)
class Shards:
    """Submodels there are, and those that the request touched and that were trained again."""

    total: int
    retrained: int


@dataclass(frozen=True)
class Linearity:
    """Decreases of the retained objective, in its own units (a mean over N); see `unlearning.linearity`.

    Attributes:
      predicted: by the quadratic model at θ̂.
      actual: L(θ̂; D_r, G_r) − L(θ′; D_r, G_r); negative where the step made the retained objective worse.
    """

    predicted: float
    actual: float

    @property
    def ratio(self) -> float | None:
        """actual / predicted, 1 on a quadratic; None where nothing was predicted."""
        return self.actual / self.predicted if self.predicted else None


@dataclass(frozen=True)
class Report:
    """Evidence of one request. What does not apply to a method, or was not measured, is None.

    Attributes:
      status: how it ended; `status.message` says what to do.
      forgotten: interactions that were forgotten.
      corrected: interactions that got another label.
      retained: interactions that remain.
      missing: of what the request named, how much wasn't there (any more); only where that was allowed.
      cleared_users, cleared_items: rows of tables set to zero by this request because no interaction was left.
      users_taken_along, items_taken_along: users and items that lost their last interaction without being named, such as an item
        that one user alone had; `ForgetRequest.takes_along` tells which, before the request.
      parts: steps that a large request was cut into.
      norm_step: Euclidean norm of what the parameters moved by, rows set to zero apart.
      influence: what is known of b.
      scope: rows that could change.
      solve: of the step.
      training: where parameters were trained.
      shards: of methods with shards.
      linearity: what the step promised and did; filled in by `with_linearity`, which is not timed.
      seconds: wall-clock seconds of each part, and "total" from the request to parameters that can serve.
    """

    status: Status
    retained: int
    forgotten: int = 0
    corrected: int = 0
    missing: int = 0
    cleared_users: int = 0
    cleared_items: int = 0
    users_taken_along: int = 0
    items_taken_along: int = 0
    parts: int = 1
    norm_step: float | None = None
    influence: Influence | None = None
    scope: Scope | None = None
    solve: Solve | None = None
    training: Training | None = None
    shards: Shards | None = None
    linearity: Linearity | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, change: Change, status: Status, tables: Tables, seconds: Mapping[str, float], **evidence: Any) -> Self:
        """The report of a change that was carried out on a model with these tables."""
        sides, (forgotten, corrected) = set(tables.values()), change.sizes
        return cls(
            status=status,
            retained=len(change.before) - forgotten,
            forgotten=forgotten,
            corrected=corrected,
            cleared_users=int(change.lost.users.sum()) if "user" in sides else 0,
            cleared_items=int(change.lost.items.sum()) if "item" in sides else 0,
            **alongside(change),
            seconds=seconds,
            **evidence,
        )

    @classmethod
    def of_nothing(cls, retained: int, seconds: Mapping[str, float]) -> Self:
        """The report of an empty request."""
        return cls(Status.NOTHING_TO_FORGET, retained, seconds=seconds)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `as_dict` made a dictionary of."""
        kinds = {
            "influence": Influence, "scope": Scope, "solve": Solve, "training": Training, "shards": Shards, "linearity": Linearity
        }  # fmt: skip
        nested = {name: kind(**found[name]) for name, kind in kinds.items() if found[name] is not None}
        return cls(**{**found, **nested, "status": Status[found["status"]]})

    def _repr_html_(self) -> str:
        counts = {
            **{"interactions forgotten": self.forgotten, "labels corrected": self.corrected, "not there": self.missing},
            **{"users cleared": self.cleared_users, "items cleared": self.cleared_items},
            **{"users taken along": self.users_taken_along, "items taken along": self.items_taken_along},
        }
        rows: list[tuple[str, Any]] = [(name, count) for name, count in counts.items() if count]
        rows += [("interactions retained", self.retained), ("steps", self.parts)]
        if self.influence is not None:
            found = self.influence
            rows.append(("‖direct‖, ‖spillover‖", f"{found.norm_direct:.3g}, {found.norm_spillover:.3g} ({found.spillover})"))
        if self.solve is not None:
            rows.append(("products, residual", f"{self.solve.num_products}, {shown(self.solve.residual)}"))
        rows += [("‖step‖", self.norm_step)] if self.norm_step is not None else []
        rows += [("seconds", self.seconds["total"])] if "total" in self.seconds else []
        return table(f"Report: {self.status.name}", ("", "value"), rows, note=self.status.message)

    def plot(self) -> Picture:
        """Seconds of each part of the request, as bars.

        Raises:
          DataError: matplotlib isn't installed.
        """
        parts = {name: value for name, value in self.seconds.items() if name != "total"}
        title = f"Request: {self.forgotten} forgotten, {self.corrected} corrected, {self.status.name}"
        return bars(title, list(parts), list(parts.values()), ["unlearned"] * len(parts), unit="seconds")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the status by its name."""
        return asdict(self) | {"status": self.status.name, "seconds": dict(self.seconds)}


def alongside(change: Change) -> dict[str, int]:
    """How many users and items a change takes along, by the names of the report."""
    users, items = change.taken_along
    return {"users_taken_along": int(users.sum()), "items_taken_along": int(items.sum())}
