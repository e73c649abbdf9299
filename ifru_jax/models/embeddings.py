"""Embeddings of users and of items: the two tables that most models have."""

import flax.linen as nn
import jax

from ifru_jax.errors import ModelError


def normal(init_std: float, embedding_size: int) -> nn.initializers.Initializer:
    """How tables begin.

    Raises:
      ModelError: rows without a number.
    """
    if embedding_size < 1:
        raise ModelError(f"embedding_size is {embedding_size}: it must be positive.")
    return nn.initializers.normal(init_std)


class TwoTables(nn.Module):
    """A module with the tables `user_embedding` and `item_embedding`, rows of `embedding_size` numbers, normal at first."""

    embedding_size: int
    init_std: float
    num_users: int = 0
    num_items: int = 0

    def embeddings(self) -> tuple[jax.Array, jax.Array]:
        """Of users and of items; to be asked for before any other parameter, whose draws follow theirs."""
        init, size = normal(self.init_std, self.embedding_size), self.embedding_size
        users = self.param("user_embedding", init, (self.num_users, size))
        return users, self.param("item_embedding", init, (self.num_items, size))
