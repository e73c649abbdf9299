"""What a request would do, before it does it: who is touched, what changes, how long it takes. Nothing is written.

The change of scores and of lists is that of the step itself, tried on the model in memory and thrown away, so it is the change that
will come, and takes as long. Lists are those of at most `MOST_LISTS` users, drawn at random.
"""

import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.evaluation.lists import list_overlap, top_lists
from ifru_jax.graph import Change
from ifru_jax.graph.nodes import Nodes, spread
from ifru_jax.store import models
from ifru_jax.store.answers import Preview
from ifru_jax.store.models import Model
from ifru_jax.store.resolve import Resolved, held_out_after
from ifru_jax.store.states import State
from ifru_jax.unlearning import IFRUConfig

MOST_LISTS = 1000


def preview(state: State, resolved: Resolved, *, config: IFRUConfig | None, seconds: float | None, tried: bool, k: int) -> Preview:
    """See `Preview`.

    Args:
      state: as it is.
      resolved: the request.
      config: how it would be answered.
      seconds: that earlier requests took, for one that isn't tried.
      tried: whether the step is tried in memory.
      k: length of the lists.

    Raises:
      DataError: nothing would be left, or a pair that is to be forgotten and corrected.
    """
    model, request = state.model, resolved.request
    change = Change.of(model.training_set, request)
    size = len(model.interactions)
    after = change.after.interactions if len(change) else model.interactions
    held = sum(len(part) - len(held_out_after(part, resolved.everything, after)) for part in state.parts.values())
    users, items = request.takes_along(model.interactions) if len(change) else ([], [])
    score_change = overlap = None
    status = ""
    if tried and len(change):
        unlearned, report = models.unlearned(model, request, config)
        score_change = _score_change(model, unlearned, change.touched)
        overlap = _overlap(model, unlearned, k)
        seconds, status = report.seconds["total"], report.status.name
    return Preview(
        answers=resolved.answers,
        interactions=len(change),
        held_out=held,
        share=len(change) / size,
        along={"users": users, "items": items},
        hops=_hops(model, change.touched) if len(change) else (),
        score_change=score_change,
        overlap=overlap,
        seconds=seconds if len(change) else 0.0,
        advice=models.advice(model, len(change), config, status),
    )


def _hops(model: Model, touched: Interactions) -> tuple[dict[str, int], ...]:
    data = model.training_set
    ends = Nodes.of(touched.users, touched.items, data.sizes)
    balls = [spread(data.pattern, ends, len(data), radius)[1] for radius in range(max(1, models.hops(model)) + 1)]
    return tuple({"users": int(ball.users.sum()), "items": int(ball.items.sum())} for ball in balls)


def _score_change(before: Model, after: Model, touched: Interactions) -> dict[str, float]:
    moved = np.abs(after.score_rows(touched.users, touched.items) - before.score_rows(touched.users, touched.items))
    return {"mean": float(moved.mean()), "largest": float(moved.max())}


def _overlap(before: Model, after: Model, k: int) -> dict[str, float] | None:
    """Of the lists of users who have data after it."""
    users = np.flatnonzero(after.interactions.user_degrees())
    if not len(users):
        return None
    users = np.sort(np.random.default_rng(0).permutation(users)[:MOST_LISTS])
    lists = [top_lists(one.score_grid, one.interactions, users, k=k) for one in (before, after)]
    shared = list_overlap(*lists)
    return {"mean": float(shared.mean()), "smallest": float(shared.min()), "users": len(users), "k": k}
