"""Verification of the last step of a store, while the state before it is kept: retraining without what went, and `verify`."""

import jax
import numpy as np

from ifru_jax.data.forget import ForgetRequest
from ifru_jax.data.groups import leads_group
from ifru_jax.data.interactions import Interactions
from ifru_jax.data.pair_keys import contains, distinct, pair_keys
from ifru_jax.data.row_ids import erased_mark, ids_of_rows
from ifru_jax.data.splits import Split
from ifru_jax.errors import DataError
from ifru_jax.evaluation.verdicts import Verification
from ifru_jax.evaluation.verification import verify
from ifru_jax.store import models
from ifru_jax.store.states import State


def verify_step(key: jax.Array, before: State, after: State, *, seeds: int) -> Verification:
    """Compares the model after a step with models retrained from the state before it; see `verify`.

    Args:
      key: of the retrainings.
      before, after: with the same tables.
      seeds: retrained models, at least two.

    Raises:
      DataError: no interactions were held out, other tables, a model whose training has nothing random in it, or as `verify`.
    """
    if before.valid is None or before.test is None or after.valid is None:
        raise DataError("the store holds no validation and test interactions: create it with Store.create(…, split=split).")
    old, new = before.model.interactions, after.model.interactions
    if _renumbered(old, new):
        raise DataError("the rows were renumbered since (compact): verify before that.")
    request = difference_as_request(old, new)
    split = Split(old, before.valid, before.test)
    # What was asked for may have been held out.
    retrained = models.retrained(key, before.model, request, after.valid, seeds=seeds)
    return verify(before.model, after.model, retrained, split, request)


def _renumbered(old: Interactions, new: Interactions) -> bool:
    """Whether an id stands in another row than before; that of an erased row stands in none."""
    if (old.num_users, old.num_items) != (new.num_users, new.num_items):
        return True
    sides = ((old.user_ids, new.user_ids, old.num_users), (old.item_ids, new.item_ids, old.num_items))
    for had, has, size in sides:
        before, after = ids_of_rows(had, size), ids_of_rows(has, size)
        if not np.all((before == after) | (after == erased_mark(after.dtype))):
            return True
    return False


def difference_as_request(before: Interactions, after: Interactions) -> ForgetRequest:
    """What was forgotten and corrected between two states of the same tables: users and items where all went, else pairs.

    Sampled negatives are not named: they go with what they were drawn for. Copies of a pair may have labels of their own: one was
    set right where no copy has its label afterwards.
    """
    keys, left = (pair_keys(data.users, data.items, data.num_items) for data in (before, after))
    gone = ~contains(distinct(left), keys)
    users, items = (
        np.flatnonzero((had > 0) & (have == 0))
        for had, have in ((before.user_degrees(), after.user_degrees()), (before.item_degrees(), after.item_degrees()))
    )
    # What was sampled goes with what was observed, or with its item.
    pairs = gone & leads_group(before) & ~np.isin(before.users, users) & ~np.isin(before.items, items)
    order = np.argsort(left, kind="stable")
    place = order[np.minimum(np.searchsorted(left, keys, sorter=order), max(len(left) - 1, 0))]
    changed = ~gone & ~_with_its_label(before, after)
    if before.groups is not None and after.groups is not None:
        changed &= np.isin(before.groups, after.groups)  # a copy with another label may be left in another group
    both = [np.stack([before.users[which], before.items[which]], axis=1) for which in (pairs, changed)]
    return ForgetRequest(both[0], users, items, both[1], after.labels[place[changed]])


def _with_its_label(before: Interactions, after: Interactions) -> np.ndarray:
    """bool [n]: the interactions before of whose pair a copy has the same label afterwards."""
    keys, left = (pair_keys(data.users, data.items, data.num_items) for data in (before, after))
    pairs, labels = distinct(left), np.unique(after.labels)
    there = contains(pairs, keys) & np.isin(before.labels, labels)

    def both(keys: np.ndarray, of: np.ndarray) -> np.ndarray:
        return np.searchsorted(pairs, keys) * len(labels) + np.searchsorted(labels, of)

    there[there] = contains(distinct(both(left, after.labels)), both(keys[there], before.labels[there]))
    return there
