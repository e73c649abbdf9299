"""The median degree of the nodes after each of several changes, without a pass over the nodes for each.

A node comes to those of degree x or less if it is touched and falls from above x. Half of all nodes are at or below the median, and
a bisection in x finds it.
"""

import numpy as np

from ifru_jax.graph.changes import Changes


def median_degrees(changes: Changes) -> np.ndarray:
    """float64 [b], the median over users and items of the interactions that each keeps."""
    data, count = changes.before, len(changes)
    below, nodes = data.rows_up_to, changes.ends
    sides = zip((nodes.users, nodes.items), data.degrees, changes.degrees_after(nodes), strict=True)
    owners, had, have = (np.concatenate(of) for of in zip(*((of.owners, d[of.values], left) for of, d, left in sides), strict=True))
    # Both middle ones, which are one if there is an odd number of nodes.
    middles = np.repeat([(below[-1] - 1) // 2, below[-1] // 2], count)
    owners, had, have = np.concatenate([owners, owners + count]), np.tile(had, 2), np.tile(have, 2)
    touched = np.bincount(owners, minlength=2 * count)
    # Every touched node moves the rank by one at the most.
    low, high = (np.searchsorted(below, ranks, side="right") for ranks in (middles - touched, middles))
    while np.any(low < high):
        middle = (low + high) // 2
        at = middle[owners]
        came = np.bincount(owners[(have <= at) & (at < had)], minlength=2 * count)
        enough = below[middle] + came > middles
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return (low[:count] + low[count:]) / 2
