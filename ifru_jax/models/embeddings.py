"""Embeddings of users and of items: the two tables that most models have."""

import flax.linen as nn
import jax


class TwoTables(nn.Module):
    """A module with the tables `user_embedding` and `item_embedding`, rows of `embedding_size` numbers, normal at first."""

    embedding_size: int
    init_std: float
    num_users: int = 0
    num_items: int = 0

    def embeddings(self) -> tuple[jax.Array, jax.Array]:
        """Of users and of items; to be asked for before any other parameter, whose draws follow theirs."""
        init, size = nn.initializers.normal(self.init_std), self.embedding_size
        users = self.param("user_embedding", init, (self.num_users, size))
        return users, self.param("item_embedding", init, (self.num_items, size))
