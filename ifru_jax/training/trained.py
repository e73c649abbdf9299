"""A trained model with what later requests need: its objective, its parameters and the retained interactions.

After a request nothing of the forgotten data is left in it: no interaction, no original id of a user or item without data, no
optimiser state.
"""

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.labels import binarize
from ifru_jax.data.readers import read_interactions
from ifru_jax.data.splits import Split
from ifru_jax.display import Picture, curves, table
from ifru_jax.errors import DataError, DataWarning, ModelError
from ifru_jax.graph import Batch, Change, EveryItem, Graph, GridPairs, IndexPairs, Pairs, TrainingSet, build_training_set
from ifru_jax.graph.changes import Changes
from ifru_jax.models import Params, Recommender
from ifru_jax.models.checks import check_params
from ifru_jax.sparse import capacity_of
from ifru_jax.sparse.placement import current_mesh, on_host
from ifru_jax.training.fit import TrainConfig, fit_params, in_precision
from ifru_jax.training.losses import Around, Loss, LossLike, Pointwise, as_loss, bce, check_labels, check_learnable
from ifru_jax.training.objective import Objective
from ifru_jax.training.over_mesh import check_fits_mesh, filled_up, real_shapes, unfilled
from ifru_jax.training.record import Record
from ifru_jax.training.smoothness import check_smooth
from ifru_jax.training.validation import stopping_pairs

# Pairs that are scored at a time over a mesh.
MOST_ROWS = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    """A trained recommender that can forget. `Trained.of` makes one, wherever its parameters come from.

    Attributes:
      objective: what it was trained to minimise, with the model and N; the same after deletions.
      params: θ.
      training_set: the interactions it stands for now (D, or D_r after requests), with their graph.
      config: hyper-parameters of training.
      record: of the training, for requests that follow it (`training.record`); None if there is none.
    """

    objective: Objective
    params: Params
    training_set: TrainingSet
    config: TrainConfig
    # Not of `init`, so that no copy with other parameters or data has the old one, which holds what was forgotten since.
    record: Record | None = field(default=None, init=False)

    @classmethod
    def of(
        cls,
        model: Recommender,
        params: Params,
        interactions: Interactions,
        *,
        config: TrainConfig = TrainConfig(),
        loss: LossLike = bce,
        total: int | None = None,
        capacities: tuple[int | None, int | None] = (None, None),
    ) -> Self:
        """A model with these parameters.

        Args:
          model: how parameters become scores.
          params: θ, by name.
          interactions: that it was trained on, or what is left of them.
          config: hyper-parameters of training; `config.reg` is λ₂.
          loss: what its objective sums over the interactions.
          total: N, interactions it was first trained on; None takes those there are.
          capacities: see `graph.build_training_set`, and for its errors.

        Raises:
          ModelError: parameters that are no floating numbers, or tables of other sizes than the data's.
        """
        loss = checked(as_loss(loss), model)
        training_set = training_set_for(model, loss, interactions, capacities=capacities)
        objective = Objective(model, loss, float(len(training_set) if total is None else total), config.reg)
        return cls(objective, _given(model, params, training_set), training_set, config)

    def __repr__(self) -> str:
        size = self._size
        record = f", {len(self.record.segments)} segments recorded" if self.record else ""
        return (
            f"{type(self).__name__}({self.model!r}, {size:,} parameters,\n"
            f"  {self.loss!r}, reg={self.config.reg:g}, N={self.total:,}{record},\n"
            f"  {self.interactions})"
        )

    def _repr_html_(self) -> str:
        size = self._size
        lost = self.training_set.without_data
        rows = [
            ("model", repr(self.model)),
            ("loss", repr(self.loss)),
            ("parameters", int(size)),
            ("interactions", f"{len(self.training_set):,} of {self.total:,} that it was trained on"),
            ("users with data", int((~lost.users).sum())),
            ("items with data", int((~lost.items).sum())),
            ("λ₂", self.config.reg),
            ("segments recorded", len(self.record.segments) if self.record else 0),
        ]
        return table(type(self).__name__, ("", "value"), rows)

    @property
    def _size(self) -> int:
        """Numbers there are, without rows that fill up tables."""
        data, tables = self.training_set, self.model.tables
        sizes = {"user": (data.sizes[0], data.placed.num_rows), "item": (data.sizes[1], data.placed.num_cols)}
        whole = {name: sum(leaf.size for leaf in jax.tree.leaves(value)) for name, value in self.params.items()}
        filled = {name: whole[name] // max(sizes[side][1], 1) * (sizes[side][1] - sizes[side][0]) for name, side in tables.items()}
        return sum(whole.values()) - sum(filled.values())

    def plot(self) -> Picture:
        """How many interactions users and items have, the most first.

        Raises:
          DataError: matplotlib isn't installed.
        """
        degrees = dict(zip(("users", "items"), self.training_set.degrees, strict=True))
        lines = {name: np.sort(of[of > 0])[::-1].tolist() for name, of in degrees.items()}
        return curves(f"{len(self.training_set):,} interactions that the model stands for", lines, across="rank", up="interactions")

    def resolved(self, request: ForgetRequest) -> Change:
        """A request resolved on what the model stands for.

        Raises:
          DataError: the request names something that isn't there, or everything, or a new label that the loss can't take.
        """
        found = self.resolved_each([request])
        return Change(self.training_set, found.places.values, found.gone, found.labels, request)

    def resolved_each(self, requests: Sequence[ForgetRequest]) -> Changes:
        """Several requests, each as if it were the only one. Errors of `resolved`."""
        changes = Changes.of(self.training_set, requests)
        data = self.training_set.interactions
        corrected = np.bincount(changes.places.owners[~changes.gone], minlength=len(requests))
        for number in np.flatnonzero(data.added_up(corrected)):
            check_labels(self.loss, changes.touched_after(int(number)))
        return changes

    def with_record(self, record: Record | None) -> Self:
        """The same with the record of its training."""
        found = copy(self)
        object.__setattr__(found, "record", record)
        return found

    @property
    def model(self) -> Recommender:
        """How parameters become scores."""
        return self.objective.model

    @property
    def loss(self) -> Loss:
        """What the objective sums over the interactions."""
        return self.objective.loss

    @property
    def total(self) -> int:
        """N, interactions it was first trained on; every loss is divided by it, also after deletions."""
        return int(self.objective.total)

    @property
    def interactions(self) -> Interactions:
        """The interactions the model stands for, sorted by user and item."""
        return self.training_set.interactions

    @property
    def batch(self) -> Batch:
        """What its objective is evaluated on."""
        return self.training_set.batch

    def read(self, path: str | Path, *, label_above: float | None = None, **options: Any) -> Interactions:
        """Interactions of a file in the rows of this model, by original ids; what the model doesn't know is left out and counted.

        Args:
          path: the file.
          label_above: labels are 1 above this rating and 0 up to it; None takes the ratings as they are.
          options: of `read_interactions`.

        Raises:
          DataError: as `read_interactions` and `Interactions.aligned`, a threshold that no rating is above, or ratings on another
            scale than the labels of the model.
        """
        found = read_interactions(path, **options)
        if label_above is not None:
            found = binarize(found, label_above)
        scales = [(float(data.labels.min()), float(data.labels.max())) for data in (self.interactions, found) if len(data)]
        if len(scales) > 1 and scales[0][0] >= 0 and scales[0][1] <= 1 < scales[1][1]:
            raise DataError(
                f"ratings of {path} go up to {scales[1][1]:g}, labels of the model from 0 to 1: say above which rating an "
                "interaction is positive, such as label_above=3."
            )
        return found.aligned(to=self.interactions)

    def with_params(self, params: Params) -> "Trained":
        """The same with other parameters, in the precision in use; what was derived from the old ones is left behind.

        Raises:
          ModelError: parameters that are no floating numbers, or of other names or shapes.
        """
        given = _given(self.model, params, self.training_set)
        wanted, found = ({name: jax.tree.map(jnp.shape, value) for name, value in of.items()} for of in (self.params, given))
        if wanted != found:
            raise ModelError(f"the parameters are {found}, but the model's are {wanted}: give all of them in these shapes.")
        return Trained(self.objective, given, self.training_set, self.config)

    def score_rows(self, users: npt.ArrayLike, items: npt.ArrayLike) -> np.ndarray:
        """Logits float [n] of user rows int [n] with item rows int [n].

        Raises:
          DataError: arrays of different lengths, or rows outside the tables.
        """
        user_rows, item_rows = np.asarray(users), np.asarray(items)
        data = self.interactions
        for kind, rows, size in (("user", user_rows, data.num_users), ("item", item_rows, data.num_items)):
            if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(rows) != len(user_rows):
                raise DataError(f"{kind} rows have shape {rows.shape}, dtype {rows.dtype}: give one integer per pair.")
            if len(rows) and not 0 <= rows.min() <= rows.max() < size:
                raise DataError(f"{kind} rows reach from {rows.min()} to {rows.max()}: the table has 0 … {size - 1}.")
        count, size = len(user_rows), capacity_of(len(user_rows))
        if self.training_set.mesh is not None:
            # Each device has the rows of all pairs that are asked for at a time.
            size = min(size, MOST_ROWS)
        ends = [np.pad(rows, (0, -count % size or size * (not count))).astype(np.int32) for rows in (user_rows, item_rows)]
        graph, found = self.training_set.graph, []
        for start in range(0, len(ends[0]), size):
            pairs = IndexPairs(*(jnp.asarray(rows[start : start + size]) for rows in ends))
            found.append(on_host(_score(self.model, self.params, pairs, graph)))
        return np.concatenate(found)[:count]

    def grid_logits(self, users: npt.ArrayLike) -> jax.Array:
        """Logits float [b, num_items] of user rows int [b] with every item, with or without data; one compilation per b."""
        if self.training_set.mesh is not None:
            return self._every_item(users)[:, : self.interactions.num_items]
        grid = GridPairs(jnp.asarray(users), jnp.arange(self.interactions.num_items, dtype=jnp.int32))
        scores = _score(self.model, self.params, grid, self.training_set.graph)
        return scores.reshape(-1, self.interactions.num_items)

    def score_grid(self, users: npt.ArrayLike) -> jax.Array:
        """`grid_logits`, −∞ where the user or the item has no interaction: nothing is known of it, so it is in no list."""
        return self.score_columns(users)[:, : self.interactions.num_items]

    def score_columns(self, users: npt.ArrayLike) -> jax.Array:
        """`score_grid`, over the devices of a mesh with each item where its row is, and with −∞ where the table is filled up."""
        logits = self.grid_logits(users) if self.training_set.mesh is None else self._every_item(users)
        return without_unknown(logits, jnp.asarray(users), self._known)

    def _every_item(self, users: npt.ArrayLike) -> jax.Array:
        """Logits [b, rows of the item table] over a mesh, in blocks of items."""
        pairs = EveryItem(jnp.asarray(users), self.training_set.placed.num_cols)
        return _score_columns(self.model, self.params, pairs, self.training_set.graph)

    @cached_property
    def _known(self) -> tuple[jax.Array, jax.Array]:
        return self.training_set.masks(~self.training_set.without_data)


def _given(model: Recommender, params: Params, data: TrainingSet) -> Params:
    """Parameters that were given from outside, checked and in the precision in use, where the data is."""
    arrays = {name: jax.tree.map(jnp.asarray, value) for name, value in unfilled(params, model.tables, data).items()}
    check_params(real_shapes(arrays, model.tables, data), model.tables, num_users=data.sizes[0], num_items=data.sizes[1])
    return filled_up(in_precision(arrays), model.tables, data)


@jax.jit
def without_unknown(grid: jax.Array, users: jax.Array, known: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Scores [b, num_items] of user rows int [b], −∞ for users and items that are not `known` (bool [num_users], [num_items]).

    A row of zeros scores 0, which is above all that a model doesn't want to recommend.
    """
    return jnp.where(known[0][users][:, None] & known[1], grid, -jnp.inf)


@partial(jax.jit, static_argnums=0)
def _score(model: Recommender, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
    return model.score(params, pairs, graph)


@partial(jax.jit, static_argnums=0)
def _score_columns(model: Recommender, params: Params, pairs: EveryItem, graph: Graph) -> jax.Array:
    return model.score(params, pairs, graph).reshape(pairs.num_items, -1).T


def checked(loss: Loss, model: Recommender) -> Loss:
    """The loss, once it was found to be one that this model can be trained with; see `check_smooth` and `Loss.check_model`."""
    loss.check_model(model)
    return twice_differentiable(loss)


def twice_differentiable(loss: Loss) -> Loss:
    """The loss, once its curvature was found to be that of its gradient; see `check_smooth` for the error."""
    of_pairs = loss
    while isinstance(of_pairs, Around):
        of_pairs = of_pairs.loss
    if isinstance(of_pairs, Pointwise):
        check_smooth(of_pairs.terms, repr(of_pairs))
    return loss


def training_set_for(
    model: Recommender, loss: Loss, interactions: Interactions, *, capacities: tuple[int | None, int | None] = (None, None)
) -> TrainingSet:
    """The interactions with what this model and this loss read of them: a graph, groups, histories.

    Args:
      model, loss: what will be trained.
      interactions, capacities: see `graph.build_training_set`, and for its errors.
    """
    mesh = current_mesh()
    check_fits_mesh(mesh, loss)
    return build_training_set(
        interactions,
        capacities=capacities,
        with_graph=model.num_hops > 0,
        with_groups=loss.grouped,
        with_history=model.history_length > 0,
        mesh=mesh,
    )


def train(
    key: jax.Array,
    model: Recommender,
    data: Split,
    config: TrainConfig,
    *,
    loss: LossLike = bce,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Trained:
    """Trains on `data.train` from scratch; see `fit_params` for the arguments and errors.

    Validation pairs of users and items that train has nothing of don't stop it: a forgotten user has no say. Without any it runs
    for `config.epochs`, with a `DataWarning`.

    Raises:
      DataError: as `fit_params`, or data without what the loss needs (`Loss.needed`), such as labels of one kind for cross-entropy.
    """
    loss = checked(as_loss(loss), model)
    training_set = training_set_for(model, loss, data.train)
    # Where training begins, and not in `fit_params`: what a request leaves may be of one kind, and the request is answered.
    check_learnable(loss, data.train)
    objective = Objective(model, loss, float(len(training_set)), config.reg)
    valid = stopping_pairs(data.valid, data.train)
    if not valid.total and config.epochs is not None:
        warnings.warn(
            f"there is no validation interaction to stop the training by: it runs all {config.epochs} epochs, and its last "
            "parameters are taken.",
            DataWarning,
            stacklevel=3,
        )
    params, history = fit_params(key, objective, training_set, valid, config, on_epoch=on_epoch)
    return Trained(objective, params, training_set, config).with_record(history.record)
