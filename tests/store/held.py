"""What a store holds."""

from ifru_jax import Interactions
from ifru_jax.store import Store


def pairs_of(data: Interactions) -> dict:
    """{(user, item): label} by original ids."""
    return {
        (int(data.user_ids[u]), str(data.item_ids[i])): float(y)
        for u, i, y in zip(data.users, data.items, data.labels, strict=True)
    }


def everything(store: Store) -> dict:
    split = store.split
    return {pair: label for part in split.parts for pair, label in pairs_of(part).items()}
