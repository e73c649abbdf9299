"""The influence of a user's own ratings on what is asked about that user, on a problem of the size of the user.

    rows that move   the user's, those of the items that are asked about, and those of the items that the user rated
    H                of all ratings of the user and of what is asked about, and of SAMPLED others of each item rated, each of which
                     counts for d / SAMPLED of them

A rating of u on j drives the rows of u and of j, and these all others. With the others held, the course back through the training
is that of `unlearning.adjoint` on a few rows. What holds the row of j is a mean over everybody who rated j, which few of them tell.

What is left out comes back by others: j moves those who rated it, and they move what is asked about. Beside what goes by the row of
u that is

    Σ_{j rated by u} 1/d_j  /  mean of d_v over those who rated what is asked about

so large where one user has much of the data. Above MOST_RETURNING the whole problem is solved. How near the answers are below it is
measured in docs/attribution.md.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.graph import TrainingSet
from ifru_jax.graph.changes import Changes
from ifru_jax.graph.neighbourhood import Neighbourhoods
from ifru_jax.graph.subgraph import Bucket, Subgraph, pad_subgraphs
from ifru_jax.host_arrays import padded
from ifru_jax.influence.attribution import Counted, contributions
from ifru_jax.influence.targets import Target
from ifru_jax.models import Params
from ifru_jax.models.tables import Rows, Tables, first_rows, of_side, per_row, take_rows, with_zeros_behind
from ifru_jax.pytree import pytree
from ifru_jax.ragged import Ragged
from ifru_jax.sparse import capacity_of, on_device, on_host
from ifru_jax.sparse.edges import degrees, edges_at
from ifru_jax.training import Objective
from ifru_jax.training.record import Segment
from ifru_jax.unlearning.adjoint import back_through, check_finite
from ifru_jax.unlearning.along import SegmentSolve
from ifru_jax.unlearning.prepare import Prepared

# Ratings by others of an item that the user rated.
SAMPLED = 8
# Of what own ratings do by the user's row, what others may return. Found on MovieLens-small.
MOST_RETURNING = 0.03
# Interactions that are padded to: so many, or GROWTH times as many, and so on, so that few shapes are compiled.
LEAST_PAIRS, GROWTH = 4096, 4


@pytree
class OwnProblem:
    """The interactions that are looked at, in numbers of their own.

    Attributes:
      part: of the data, the user first and the items that move before all others.
      users: bool [1], whether the user's row moves; it does where it has data.
      items: bool [c], which of the first c items do.
      target: m, in numbers of the part.
    """

    part: Subgraph
    users: jax.Array
    items: jax.Array
    target: Target

    @property
    def moving(self) -> Rows:
        return self.users, self.items


def tells_own(state: Prepared, user: int, asked: np.ndarray) -> bool:
    """Whether the ratings of a user row on what is asked about, item rows int [a], can be told apart from all others.

    That takes a record, scores that depend on the rows of their pair alone, losses that depend on their score alone, and a user of
    whose ratings others return little.
    """
    data, model, loss = state.training_set, state.model, state.loss
    rows_alone = not model.num_hops and data.graph.history is None and all(name in model.tables for name in state.params)
    able = state.follows and data.mesh is None and rows_alone and loss.separable and not loss.grouped
    return able and returning(data, user, asked) <= MOST_RETURNING


def returning(data: TrainingSet, user: int, asked: np.ndarray) -> float:
    """What others return, as a share of what goes by the row of the user."""
    users, items = data.degrees
    own = edges_at(data.pattern, np.array([user]), "row")
    raters = data.interactions.users[edges_at(data.pattern, np.unique(asked), "col")]
    raters = raters[raters != user]
    return float(np.sum(1 / items[data.interactions.items[own]]) / np.mean(users[raters])) if len(raters) else 0.0


def own_influences(state: Prepared, target: Target, asked: np.ndarray, *, retained: np.ndarray | None = None) -> np.ndarray:
    """What each rating of a user adds to a target.

    Args:
      state: a model that `tells_own`, or would but for what others return.
      target: of one user, arrays [m].
      asked: int [a], rows of the items that are asked about, among those of the target.
      retained: see `adjoint.influences`.

    Returns:
      float [k], in the order of the user's interactions in `state.interactions`.

    Raises:
      NumericsError: a solve was not finite.
    """
    assert state.record is not None
    user = int(on_host(target.users)[0])
    places, counts = _looked_at(state.training_set, user, asked)
    counts = counts if retained is None else counts * retained[places]
    order, problem = _problem(state.training_set, target, asked, (places, counts))
    objective = replace(state.objective, chunk_size=state.step.chunk_size or "automatic")
    solve = SegmentSolve.of(state.step)
    found, statuses = _back(solve, *on_device((objective, state.params, state.record.segments, problem)))
    check_finite(statuses)
    chosen = places[order]
    own = np.flatnonzero(state.interactions.users[chosen] == user)
    return on_host(found)[own[np.argsort(chosen[own])]]


def _looked_at(data: TrainingSet, user: int, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of interactions, int64 [c], and for how many each counts, float [c]."""
    pattern = data.pattern
    own = edges_at(pattern, np.array([user]), "row")
    exact = np.union1d(own, edges_at(pattern, np.unique(asked), "col"))
    rated, mine = np.unique(data.interactions.items[own], return_counts=True)
    rated, mine = rated[~np.isin(rated, asked)], mine[~np.isin(rated, asked)]
    # Evenly from the list of every item, with as many to spare as are the user's own, which are there already.
    lengths = degrees(pattern, len(data))[1][rated]
    drawn = np.minimum(lengths, SAMPLED + mine)
    item = np.repeat(np.arange(len(rated)), drawn)
    number = np.arange(len(item)) - np.repeat(np.cumsum(drawn) - drawn, drawn)
    at = on_host(pattern.col_ptr)[rated[item]] + (2 * number + 1) * lengths[item] // (2 * drawn[item])
    places = on_host(pattern.col_order)[at].astype(np.int64)
    others = data.interactions.users[places] != user
    places, item = places[others], item[others]
    counts = (lengths - mine)[item] / np.bincount(item, minlength=len(rated))[item]
    return np.concatenate([exact, places]), np.concatenate([np.ones(len(exact)), counts])


def _problem(
    data: TrainingSet, target: Target, asked: np.ndarray, looked_at: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, OwnProblem]:
    """The order in which what is looked at stands in the problem, int [c], and the problem on the host."""
    places, counts = looked_at
    named, nothing = on_host(target.items), np.zeros(0, np.int64)
    users, items = data.interactions.users[places], data.interactions.items[places]
    user = on_host(target.users)[:1]
    moving = np.union1d(items, asked)
    rows = np.concatenate([user, np.setdiff1d(users, user)]), np.concatenate([moving, np.setdiff1d(named, moving)])
    numbers = [np.zeros(size, np.int32) for size in data.sizes]
    for of, nodes in zip(numbers, rows, strict=True):
        of[nodes] = np.arange(len(nodes))
    # As the part will sort them, so that they stand in it as they are.
    order = np.lexsort((numbers[1][items], numbers[0][users]))
    bucket, room = _sizes(data, (len(rows[0]), len(rows[1])), len(places), len(moving))
    parts = Neighbourhoods(*(Ragged.of([of]) for of in (*rows, places[order], nothing)))
    part = jax.tree.map(lambda leaf: leaf[0], pad_subgraphs(Changes.nothing(data), parts, bucket))
    part = replace(part, weights=padded(counts[order], bucket.pairs, part.weights.dtype))
    lost = data.without_data
    here = Target(np.zeros_like(named), numbers[1][named], on_host(target.coefficients))  # pyright: ignore[reportArgumentType]
    return order, OwnProblem(part, ~lost.users[user], padded(~lost.items[moving], room, np.dtype(bool)), here)  # pyright: ignore[reportArgumentType]


def _sizes(data: TrainingSet, rows: tuple[int, int], pairs: int, moving: int) -> tuple[Bucket, int]:
    """What to pad to, and how many items at the most move."""
    room = LEAST_PAIRS
    while room < pairs:
        room *= GROWTH
    items = room // SAMPLED if moving <= room // SAMPLED else room
    held = (min(max(least, capacity_of(of)), size) for least, of, size in zip((room, items), rows, data.sizes, strict=True))
    return Bucket(*held, pairs=room, edges=16), min(items, data.sizes[1])


@partial(jax.jit, static_argnums=0)
def _back(
    solve: SegmentSolve, objective: Objective, params: Params, segments: tuple[Segment, ...], problem: OwnProblem
) -> tuple[jax.Array, jax.Array]:
    """What every interaction of the problem adds, [c], and the statuses."""
    tables, part = objective.model.tables, problem.part
    batch, rows = part.before, (part.users, part.items)

    def moving(values: Params) -> Params:
        return _moving(tables, values, problem.moving)

    here = take_rows(tables, params, rows)
    pull = moving(jax.grad(lambda p: problem.target(objective.model, p, batch.graph))(here))
    found, statuses = jnp.zeros_like(part.weights), []
    for segment in reversed(segments):
        here = take_rows(tables, segment.params, rows)
        scale = moving(jax.tree.map(lambda p, steps=segment.steps: jnp.sqrt(steps * p), take_rows(tables, segment.applied, rows)))
        whole = objective.hessian_product(here, batch)
        pull, direction, status = back_through(
            solve, lambda v, whole=whole, here=here: moving(whole(with_zeros_behind(v, here))), scale, pull
        )
        found = found - contributions(objective, here, with_zeros_behind(direction, here), Counted(batch, None))
        statuses.append(status)
    return found, jnp.stack(statuses)


def _moving(tables: Tables, values: Params, which: Rows) -> Params:
    """Of values of all rows of a problem those that move, and zeros for those that don't: a Krylov space would be spent on them."""
    first = first_rows(values, {name: of_side(which, side).shape[0] for name, side in tables.items()})
    return {name: jnp.where(per_row(of_side(which, tables[name]), of), of, 0) for name, of in first.items()}
