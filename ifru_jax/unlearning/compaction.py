"""A model in other rows: in random order, or without the rows that requests have left without data.

Tables that are numbered by ascending ids betray who is gone: among the ids 116, mark, 118 the erased one was 117, and the
interactions that are missing to N tell how many went. `shuffled` draws an order that says nothing, best before the first request.
`compact` takes out the rows of the erased, and what was left of the time before is made anew:

    N ← |D_r|,   P_k ← P_k |D_r| / N (∇L is in units of 1/N, what Adam applied in units of N),   damping ← of the spectrum now

λ₂ stays what was configured, so that the objective is that of a training on D_r. Neither says who was erased, nor how many. What
still tells of the time before: the number of steps in the record of the training, which grows with the data it was trained on; and
the parameters themselves, as far as the step is not retraining.

>>> import jax
>>> from ifru_jax.models import mf
>>> data = Interactions.from_arrays(["ann", "bob", "cyd"], [7, 7, 9])
>>> trained = Trained.of(mf(embedding_size=2), mf(embedding_size=2).init(jax.random.key(0), 3, 2), data)
>>> shuffled(trained, np.random.default_rng(0))[0].interactions.user_ids
array(['cyd', 'ann', 'bob'], dtype='<U3')
"""

from dataclasses import replace

import jax
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.data.numbering import Order, in_order, without_idle_ids
from ifru_jax.errors import ModelError
from ifru_jax.models import Params
from ifru_jax.models.tables import take_rows
from ifru_jax.sparse import on_device, on_mesh
from ifru_jax.training import Trained
from ifru_jax.training.over_mesh import real_rows
from ifru_jax.training.record import Record
from ifru_jax.unlearning.prepare import Prepared, prepare


def shuffled(trained: Trained, rng: np.random.Generator) -> tuple[Trained, Order]:
    """The same model with users and items in random order, and the order. Who has no interaction has no id there.

    It answers requests as before: to rounding, and along a record to the draws by which the scatter of minibatches is estimated.
    """
    data = trained.interactions
    order = rng.permutation(data.num_users), rng.permutation(data.num_items)
    found = _of(trained, order, total=trained.total, capacities=trained.training_set.capacities)
    if not isinstance(trained, Prepared):
        return found, order
    # The spectrum is the same in any order.
    parts = found.objective, found.params, found.training_set, found.config
    return prepare(Prepared(*parts, trained.step, trained.damping).with_record(found.record)), order


def compact(trained: Trained, rng: np.random.Generator) -> tuple[Trained, Order]:
    """The model without the rows that have no data, the others in random order; N, what Adam applied and the damping made anew.

    Returns:
      The model, and the rows that are left in their order.

    Raises:
      ModelError: a model whose tables have sizes of their own.
    """
    data = trained.interactions
    users, items = (rng.permutation(np.flatnonzero(degrees)) for degrees in (data.user_degrees(), data.item_degrees()))
    found = _of(trained, (users, items), total=len(data))
    return prepare(found, config=trained.step) if isinstance(trained, Prepared) else found, (users, items)


def _of(trained: Trained, order: Order, *, total: int, capacities: tuple[int | None, int | None] = (None, None)) -> Trained:
    # On the default device, where a model that was over a mesh comes to be written.
    data, params = without_idle_ids(in_order(trained.interactions, order)), _rows(trained, trained.params, order)
    _check_sizes(trained, params, data)
    fields = {"config": trained.config, "loss": trained.loss, "total": total, "capacities": capacities}
    with on_mesh(None):
        found = Trained.of(trained.model, params, data, **fields)
    if trained.record is None:
        return found
    return found.with_record(_record(trained, trained.record, order, applied=total / trained.total))


def _record(trained: Trained, record: Record, order: Order, *, applied: float) -> Record:
    def scaled(params: Params) -> Params:
        return jax.tree.map(lambda leaf: leaf * applied, _rows(trained, params, order))

    segments = tuple(replace(one, params=_rows(trained, one.params, order), applied=scaled(one.applied)) for one in record.segments)
    valid = replace(in_order(record.valid, order), user_ids=None, item_ids=None)
    return replace(record, segments=segments, valid=valid, mesh=None)


def _rows(trained: Trained, params: Params, order: Order) -> Params:
    """Parameters in these rows, on the default device."""
    tables = trained.model.tables
    if trained.training_set.mesh is not None:
        params = on_device(real_rows(params, tables, trained.training_set))
    return take_rows(tables, params, (jax.numpy.asarray(order[0]), jax.numpy.asarray(order[1])))


def _check_sizes(trained: Trained, params: Params, data: Interactions) -> None:
    wanted = jax.eval_shape(lambda key: trained.model.init(key, data.num_users, data.num_items), jax.random.key(0))
    shapes = [{name: jax.tree.map(np.shape, value) for name, value in of.items()} for of in (wanted, params)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"{trained.model!r} has sizes of its own, {shapes[0]}, and can't be made smaller: make it with the numbers of users "
            "and items that it is asked for, or leave the rows in random order, which say nothing of who is gone."
        )
