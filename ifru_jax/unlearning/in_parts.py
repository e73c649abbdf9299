"""Large requests in parts.

One step answers a quadratic model of the objective around θ̂; what a large request asks for may lie outside of it. So a request for
more than `IFRUConfig.max_share` of the interactions is cut into equal parts, and each is a step from where the last one ended:

    θ_{k+1} = θ_k + δ(θ_k; D_k ∖ P_k),   D_0 = D,   P_1 ∪ … ∪ P_n = D_f

The damping λ stays that of the original, so every part is damped and the parts together forget a little less than one step would.
"""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.influence import Influence
from ifru_jax.training import Trained
from ifru_jax.unlearning.report import Report, Scope

State = TypeVar("State", bound=Trained)
Step = Callable[[State, ForgetRequest], tuple[State, Report]]


def parts_needed(share: float, max_share: float | None) -> int:
    """How many parts a request for this share of all interactions is cut into: as many as keep each within `max_share`."""
    return 1 if max_share is None else max(1, math.ceil(share / max_share - 1e-9))


def split_request(request: ForgetRequest, count: int) -> list[ForgetRequest]:
    """The request in `count` parts of about equal size, none empty; which part a row falls into is random but fixed."""
    rng = np.random.default_rng(0)
    orders = {name: rng.permutation(len(getattr(request, name))) for name in ("pairs", "users", "items", "corrected")}
    parts = [
        ForgetRequest(
            **{name: getattr(request, name)[order[start::count]] for name, order in orders.items()},
            labels=request.labels[orders["corrected"][start::count]],
        )
        for start in range(count)
    ]
    return [part for part in parts if len(part)]


def forget_in_parts(trained: State, request: ForgetRequest, count: int, step: Step[State]) -> tuple[State, Report]:
    """One part after the other, each `step(state, part)`; the report is of all, see `in_all`. An empty request changes nothing."""
    reports: list[Report] = []
    for part in split_request(request, count):
        left = part.still_in(trained.interactions)
        if len(left):
            trained, report = step(trained, left)
            reports.append(report)
    return trained, in_all(reports) if reports else Report.of_nothing(len(trained.interactions), {"total": 0.0})


def in_all(reports: list[Report]) -> Report:
    """What parts did together.

    Interactions, cleared rows, products, predicted decreases and seconds add up; scopes, what budgets left out, affected
    interactions and norms are the largest of a part; the status is the most serious; the rest is of the last part.
    """
    seconds: dict[str, float] = {}
    for name, spent in (pair for report in reports for pair in report.seconds.items()):
        seconds[name] = seconds.get(name, 0.0) + spent
    solves = [report.solve for report in reports if report.solve is not None]
    decreases = [solve.predicted_decrease for solve in solves if solve.predicted_decrease is not None]
    solve = solves[-1] if solves else None
    if solve is not None:
        products = sum(one.num_products for one in solves)
        solve = replace(solve, num_products=products, predicted_decrease=sum(decreases) if decreases else None)
    added = ("forgotten", "corrected", "cleared_users", "cleared_items")
    return replace(
        reports[-1],
        **{name: sum(getattr(report, name) for report in reports) for name in added},
        status=max(report.status for report in reports),
        norm_step=max((report.norm_step for report in reports if report.norm_step is not None), default=None),
        influence=_largest([report.influence for report in reports if report.influence is not None]),
        scope=_largest([report.scope for report in reports if report.scope is not None]),
        solve=solve,
        parts=len(reports),
        seconds=seconds,
    )


Evidence = TypeVar("Evidence", Influence, Scope)


def _largest(found: list[Evidence]) -> Evidence | None:
    """The largest number of every field, and of anything else the last."""
    if not found:
        return None
    numbers = [f.name for f in fields(found[-1]) if not isinstance(getattr(found[-1], f.name), str)]
    return replace(found[-1], **{name: max(getattr(one, name) for one in found) for name in numbers})
