"""Interactions that were held out of a training, and what of them a request leaves.

They stop a training or test it, and are about the same people as those that were learned from. So a request takes the same out of
them: a pair with its copies and its group, a user, an item with the negatives that were drawn for it; and whoever has no data left
to learn from goes altogether.

>>> held = Interactions.from_arrays(["ann", "bob", "bob"], [7, 7, 9], [1, 0, 1])
>>> request = ForgetRequest(pairs=np.array([[1, 0]]), corrected=np.array([[1, 1]]), labels=np.array([0.0]))
>>> left = left_of(held, request, lost=np.zeros(3, bool))
>>> left, left.labels
(Interactions(2 of 2 users with 2 items), array([1., 0.], dtype=float32))
"""

import numpy as np

from ifru_jax.data.forget import ForgetRequest, corrected_places
from ifru_jax.data.groups import with_corrections, with_groups
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.selection import Named, named_places
from ifru_jax.ragged import Ragged


def left_of(held: Interactions, request: ForgetRequest, lost: np.ndarray) -> Interactions:
    """What a request leaves of held-out interactions, with the labels that it sets right; themselves where it changes nothing.

    Args:
      held: in the rows of the request. All of them may go.
      request: what of it is not here is left alone.
      lost: bool [n], those of a user or an item that no data to learn from is left of.
    """
    here = request.still_in(held)
    gone = with_groups(held, lost).copy()
    gone[named_places(Named(*(Ragged.of([getattr(here, name)]) for name in Named._fields)), held).values] = True
    # A pair that is to go and to get another label is refused where the model is asked.
    places, new = corrected_places([here], held, Ragged.of([np.zeros(0, np.int64)]))
    changes = held.added_up(np.array([np.count_nonzero(gone), len(places.values)]))
    if changes[1]:
        held = with_corrections(held, places.values, new)
    return held.select(~gone) if changes[0] else held
