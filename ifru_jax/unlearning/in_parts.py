"""Large requests in parts.

One step answers a quadratic model of the objective around θ̂; what a large request asks for may lie outside of it. So a request for
more than `IFRUConfig.max_share` of the interactions is cut into equal parts, and each is a step from where the last one ended:

    θ_{k+1} = θ_k + δ(θ_k; D_k ∖ P_k),   D_0 = D,   P_1 ∪ … ∪ P_n = D_f

The damping λ stays that of the original, so every part is damped and the parts together forget a little less than one step would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.solvers import Status
from ifru_jax.training import Trained
from ifru_jax.unlearning.report import Report

Step = Callable[[Trained, ForgetRequest], tuple[Trained, Report]]


def parts_needed(forgotten: np.ndarray, max_share: float | None) -> int:
    """How many parts a request is cut into: as many as keep each within the share, of all interactions [n] that there are now."""
    return 1 if max_share is None else math.ceil(float(forgotten.mean()) / max_share - 1e-9)


def split_request(request: ForgetRequest, count: int) -> list[ForgetRequest]:
    """The request in `count` parts of about equal size, none empty; which part a row falls into is random but fixed."""
    rng = np.random.default_rng(0)
    shuffled = {name: rng.permutation(getattr(request, name)) for name in ("pairs", "users", "items")}
    parts = [ForgetRequest(**{name: rows[start::count] for name, rows in shuffled.items()}) for start in range(count)]
    return [part for part in parts if len(part)]


def forget_in_parts(trained: Trained, request: ForgetRequest, count: int, step: Step) -> tuple[Trained, Report]:
    """One part after the other, each `step(state, part)`; the report is of all, see `in_all`. An empty request changes nothing."""
    reports: list[Report] = []
    for part in split_request(request, count):
        left = part.still_in(trained.interactions)
        if len(left):
            trained, report = step(trained, left)
            reports.append(report)
    return trained, in_all(reports) if reports else Report(retained=len(trained.interactions), seconds={"total": 0.0})


def in_all(reports: list[Report]) -> Report:
    """What parts did together.

    Interactions, cleared rows, products, predicted decreases and seconds add up; scopes, what budgets left out, affected
    interactions and norms are the largest of a part; the status is the most serious; the rest is of the last part.
    """
    added = ("forgotten", "cleared_users", "cleared_items", "num_products", "predicted_decrease")
    largest = ("affected", "scope_users", "scope_items", "left_out_nodes", "left_out_edges",
               "norm_direct", "norm_spillover", "norm_rhs", "norm_step")  # fmt: skip
    seconds: dict[str, float] = {}
    for report in reports:
        seconds = {name: seconds.get(name, 0.0) + report.seconds.get(name, 0.0) for name in seconds | report.seconds}
    return replace(
        reports[-1],
        **{name: sum(getattr(report, name) for report in reports) for name in added},
        **{name: max(getattr(report, name) for report in reports) for name in largest},
        status=max((report.status for report in reports), key=lambda name: Status[name]),
        parts=len(reports),
        seconds=seconds,
    )
