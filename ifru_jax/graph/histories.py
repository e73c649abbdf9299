"""What every user liked, in the order of time, and where in it each interaction stands.

    position(z) = positive interactions of the user of z strictly before z

A sequential model scores (u, i) from the items before it. For an interaction that the model is trained on these are the first
`position` of the user's history, for any other pair the whole history: that is how it is trained, and how it serves. Positives of
one time don't see each other, and a sampled negative, which has the time of its positive, sees what its positive sees. The
sequence is as much a product of the data as the graph is: without an interaction the later ones of its user have another history.
Source of the task: Kang & McAuley, "Self-attentive sequential recommendation" (ICDM 2018), §III.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError
from ifru_jax.graph.pairs import Pairs
from ifru_jax.host_arrays import padded
from ifru_jax.pytree import pytree
from ifru_jax.sparse.edges import Edges, find_edges
from ifru_jax.sparse.placement import on_device


@pytree
class Histories:
    """Sequences of all users, one after the other.

    Attributes:
      items: int32 [e], of positive interactions by user and time; padding behind them.
      starts: int32 [num_users + 1], where the sequence of each user begins.
      pairs: the interactions, of both labels, [n].
      positions: int32 [n], of each interaction in the history of its user.
    """

    items: jax.Array
    starts: jax.Array
    pairs: Edges
    positions: jax.Array

    @property
    def lengths(self) -> jax.Array:
        """int32 [num_users]: items in each history."""
        return jnp.diff(self.starts)

    def positions_of(self, pairs: Pairs) -> jax.Array:
        """int32 [n]: how much of the history each pair sees; all of it for pairs that are no interactions."""
        users, items = pairs.users, pairs.items
        place = find_edges(self.pairs, users, items)
        return jnp.where(place >= 0, self.positions[place], self.lengths[users])

    def windows(self, users: jax.Array, first: jax.Array, size: int) -> jax.Array:
        """int32 [n, size]: items first … first + size − 1 of the history of each of n users; arbitrary behind its end."""
        place = self.starts[users][:, None] + first[:, None] + jnp.arange(size)
        return self.items[jnp.clip(place, 0, self.items.shape[0] - 1)]


def build_histories(ordered: Interactions, pairs: Edges, *, capacity: int) -> Histories:
    """The histories of interactions in the order of `pairs`, padded to `capacity` items.

    Raises:
      DataError: there are no timestamps.
    """
    if ordered.timestamps is None:
        raise DataError("a sequential model needs to know what came before what: give the interactions timestamps.")
    positive = np.flatnonzero(ordered.labels > 0.5)
    # By user, then time, then item; the interactions are sorted by user and item.
    sequence = positive[np.lexsort((ordered.timestamps[positive], ordered.users[positive]))]
    users = ordered.users[sequence]
    starts = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=ordered.num_users))])
    # Ranks of times as one ascending key with the user, so that one search finds all positions.
    _, rank = np.unique(ordered.timestamps, return_inverse=True)
    span = int(rank.max(initial=0)) + 1
    keys = ordered.users.astype(np.int64) * span + rank
    positions = padded(np.searchsorted(keys[sequence], keys) - starts[ordered.users], pairs.capacity, np.int32)
    items, starts, positions = on_device((padded(ordered.items[sequence], capacity, np.int32), starts.astype(np.int32), positions))
    return Histories(items, starts, pairs, positions)
