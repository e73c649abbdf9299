"""Large requests in parts.

One step answers a quadratic model of the objective around θ̂; what a large request asks for may lie outside of it. So a request for
more than `IFRUConfig.max_share` of the interactions is cut into parts of that size and a rest, and each is a step from where the
last one ended:

    θ_{k+1} = θ_k + δ(θ_k; D_k ∖ P_k),   D_0 = D,   P_1 ∪ … ∪ P_n = D_f

so that a request that is a little larger than one part differs by a little from one that is not. Whoever has more interactions than
a part holds is cut as well: interactions first, the user or the item itself in the last part. The damping λ stays that of the
original.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.groups import leads_group, observed
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.errors import DataError
from ifru_jax.graph import Change
from ifru_jax.influence import Influence
from ifru_jax.training import Trained
from ifru_jax.unlearning.report import Report, Scope

State = TypeVar("State", bound=Trained)
Step = Callable[[State, ForgetRequest], tuple[State, Report]]
_NAMES = ("pairs", "users", "items", "corrected")


def most_at_once(size: int, max_share: float | None) -> int:
    """How many of `size` interactions one step touches at the most."""
    return size if max_share is None else max(1, math.floor(size * max_share + 1e-9))


def named_plainly(change: Change) -> ForgetRequest:
    """The same change in the one way to name it, so that a request that is cut doesn't depend on how it was put.

    Users and items that lose all they have, by themselves; what else leaves, by its pairs; corrections, in order.
    """
    data, (users, items) = change.before.interactions, change.lost.rows
    if data.share is None:
        named = leads_group(data)[change.forgotten]
        pairs, corrected = (
            np.stack([data.users[places], data.items[places]], axis=1) for places in (change.forgotten[named], change.corrected)
        )
        labels = change.labels[~change.gone]
    else:
        # Who has an interaction knows that it is touched; what it is, the request says.
        request, new = change.request, np.sort(_keys(data, change.corrected))
        here = contains(new, pair_keys(request.corrected[:, 0], request.corrected[:, 1], data.num_items))
        changes = data.added_up(here.astype(np.int32)) > 0
        pairs, corrected, labels = request.pairs, request.corrected[changes], request.labels[changes]
    pairs = pairs[~np.isin(pairs[:, 0], users) & ~np.isin(pairs[:, 1], items)]
    return ForgetRequest(pairs, users, items, corrected, labels)


def _keys(data: Interactions, places: np.ndarray | slice = slice(None)) -> np.ndarray:
    return pair_keys(data.users[places], data.items[places], data.num_items)


def cut_request(request: ForgetRequest, data: Interactions, most: int) -> list[ForgetRequest]:
    """The request in parts of at most `most` interactions, all but the last about that large.

    Which part a row is in is random but fixed. A single pair is never cut, whatever it takes along, nor are the corrections of a
    group, which may compare nothing with some of its labels set right.

    Raises:
      DataError: a share of the data, and a user or an item that has more than a part holds.
    """
    request, late = _without_large(request, data, most)
    rows = np.concatenate([_sizes(request, data, name) for name in _NAMES])
    # Corrections come last.
    others = len(rows) - len(request.corrected)
    unit_of = np.concatenate([np.arange(others), others + _groups_of(request.corrected, data)])
    sizes = np.bincount(unit_of, rows).astype(np.int64)
    order = np.random.default_rng(0).permutation(len(sizes))
    corrects = np.bincount(unit_of[others:], minlength=len(sizes)) > 0
    if data.groups is not None:
        # What a deletion takes along is told by the labels before any correction.
        order = order[np.argsort(corrects[order], kind="stable")]
    part_of_unit, filled, current = np.zeros(len(sizes), np.int64), 0, 0
    for unit in order.tolist():
        if filled and filled + sizes[unit] > most:
            filled, current = 0, current + 1
        part_of_unit[unit] = current
        filled += sizes[unit]
    part_of = part_of_unit[unit_of]
    parts_by_name = dict(
        zip(_NAMES, np.split(part_of, np.cumsum([len(getattr(request, name)) for name in _NAMES])[:-1]), strict=True)
    )
    parts = []
    for part in range(current + 1):
        chosen = {name: getattr(request, name)[places == part] for name, places in parts_by_name.items()}
        parts.append(ForgetRequest(**chosen, labels=request.labels[parts_by_name["corrected"] == part]))
    # After the interactions of those that are late, and before any correction in a later part.
    latest = part_of_unit[~corrects].max(initial=0) if data.groups is not None else current
    parts[latest] |= late
    return [part for part in parts if len(part)]


def _without_large(request: ForgetRequest, data: Interactions, most: int) -> tuple[ForgetRequest, ForgetRequest]:
    """The request with pairs in place of users and items that have more than `most` interactions; and those users and items."""
    users, items = (getattr(request, side)[_sizes(request, data, side) > most] for side in ("users", "items"))
    if data.share is not None and len(users) + len(items):
        raise DataError(
            f"{len(users) + len(items)} users or items have more than {most} interactions, which are forgotten in parts, and where "
            "processes have shares of the data none of them can name all: answer in one step, IFRUConfig(max_share=None)."
        )
    # Pairs take their groups along, so those that lead are enough; an item that was sampled for others goes with the item.
    named = (leads_group(data) & np.isin(data.users, users)) | (observed(data) & np.isin(data.items, items))
    pairs = np.stack([data.users[named], data.items[named]], axis=1)
    rest = {"users": np.setdiff1d(request.users, users), "items": np.setdiff1d(request.items, items)}
    return replace(request, pairs=np.concatenate([request.pairs, pairs]), **rest), ForgetRequest(users=users, items=items)


def _sizes(request: ForgetRequest, data: Interactions, name: str) -> np.ndarray:
    """int [k]: how many interactions each row of the request touches, those of a group with the one that leads it."""
    rows, taken = getattr(request, name), np.ones(len(data), np.int64)
    if data.groups is not None and name != "corrected":
        _, group, counts = np.unique(data.groups, return_inverse=True, return_counts=True)
        taken = np.where(observed(data), counts[group], 1) if name == "items" else np.where(leads_group(data), counts[group], 0)
    if name in ("users", "items"):
        side, size = (data.users, data.num_users) if name == "users" else (data.items, data.num_items)
        return data.added_up(np.bincount(side, taken, minlength=size).astype(np.int64)[rows])
    if not len(rows):
        return np.zeros(0, np.int64)
    # A pair counts with all its copies.
    keys, wanted = _keys(data), pair_keys(rows[:, 0], rows[:, 1], data.num_items)
    order = np.argsort(keys, kind="stable")
    before = np.concatenate([[0], np.cumsum(taken[order])])
    first, last = (np.searchsorted(keys, wanted, side, sorter=order) for side in ("left", "right"))
    return np.maximum(data.added_up((before[last] - before[first]).astype(np.int64)), 1)


def _groups_of(pairs: np.ndarray, data: Interactions) -> np.ndarray:
    """int64 [k] from 0: the same for pairs (int32 [k, 2], distinct) with interactions in one group, all others have their own."""
    if data.groups is None or data.share is not None or not len(pairs):
        # Of a share no process has the groups of all; what is compared within groups is not in shares.
        return np.arange(len(pairs))
    keys, wanted = _keys(data), pair_keys(pairs[:, 0], pairs[:, 1], data.num_items)
    places = np.flatnonzero(contains(distinct(wanted), keys))
    order = np.argsort(wanted)
    pair = order[np.searchsorted(wanted, keys[places], sorter=order)]
    # Copies of a pair may be in several groups, which it holds together.
    names, group = np.unique(data.groups[places], return_inverse=True)
    size = len(pairs) + len(names)
    together = coo_array((np.ones(len(places)), (pair, len(pairs) + group.reshape(-1))), shape=(size, size))
    return np.unique(connected_components(together, directed=False)[1][: len(pairs)], return_inverse=True)[1].reshape(-1)


def split_request(request: ForgetRequest, count: int, data: Interactions) -> list[ForgetRequest]:
    """The request in `count` parts of about equal size, none empty; which part a row falls into is random but fixed.

    The corrections of a group stay together.
    """
    rng, unit_of = np.random.default_rng(0), _groups_of(request.corrected, data)
    orders = {name: rng.permutation(len(getattr(request, name))) for name in _NAMES if name != "corrected"}
    units = rng.permutation(unit_of.max(initial=-1) + 1)
    parts = []
    for start in range(count):
        corrected = np.isin(unit_of, units[start::count])
        named = {name: getattr(request, name)[order[start::count]] for name, order in orders.items()}
        parts.append(ForgetRequest(**named, corrected=request.corrected[corrected], labels=request.labels[corrected]))
    return [part for part in parts if len(part)]


def forget_in_parts(trained: State, request: ForgetRequest, count: int, step: Step[State]) -> tuple[State, Report]:
    """`forget_each` of about equal parts. An empty request changes nothing."""
    if trained.interactions.groups is not None:
        # A sampled negative is not there to take its group along once a part has taken its item.
        request = named_plainly(Change.of(trained.training_set, request))
    return forget_each(trained, split_request(request, count, trained.interactions), step)


def forget_each(
    trained: State, parts: Sequence[ForgetRequest], step: Step[State], last: Step[State] | None = None
) -> tuple[State, Report]:
    """One part after the other, each `step(state, part)`, or `last` the last; the report is of all, see `in_all`."""
    reports: list[Report] = []
    for number, part in enumerate(parts, start=1):
        left = part.still_in(trained.interactions)
        if len(left):
            trained, report = (last if last and number == len(parts) else step)(trained, left)
            reports.append(report)
    return trained, in_all(reports) if reports else Report.of_nothing(len(trained.training_set), {"total": 0.0})


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
