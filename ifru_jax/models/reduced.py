"""Any recommender with its tables read in bfloat16.

Parameters, gradients, vectors of a solve and all sums stay in float32: every row that the sparse operations gather is rounded to 8
bits of mantissa on its way from memory, in training, in requests and in serving alike (`sparse.reading`). On an accelerator that is
half the bytes of what bounds a product; on a processor the numbers are the same and nothing is saved. What it changes:
docs/scale.md.

>>> from ifru_jax.models import in_bfloat16, mf
>>> in_bfloat16(mf(embedding_size=8))
in_bfloat16(MF(embedding_size=8, init_std=0.01))
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax

from ifru_jax.errors import check_kind
from ifru_jax.graph import Graph, Pairs
from ifru_jax.models.recommender import Params, Recommender, Side
from ifru_jax.sparse.reading import read_in


@dataclass(frozen=True, repr=False)
class ReducedTables:
    """A recommender whose tables are read in bfloat16; see `in_bfloat16`."""

    model: Recommender

    def __repr__(self) -> str:
        return f"in_bfloat16({self.model!r})"

    @property
    def tables(self) -> Mapping[str, Side]:
        return self.model.tables

    @property
    def num_hops(self) -> int:
        return self.model.num_hops

    @property
    def history_length(self) -> int:
        return self.model.history_length

    @property
    def turning(self) -> bool:
        return self.model.turning

    def init(self, key: jax.Array, num_users: int, num_items: int) -> Params:
        return self.model.init(key, num_users, num_items)

    def score(self, params: Params, pairs: Pairs, graph: Graph) -> jax.Array:
        with read_in("bfloat16"):
            return self.model.score(params, pairs, graph)


def in_bfloat16(model: Recommender) -> ReducedTables:
    """The model with its tables read in bfloat16, and sums in the precision they are in.

    Args:
      model: one whose scores are inner products and propagations, such as `mf()` and `lightgcn()`. What a module gathers by itself,
        such as the input of a perceptron, is read as it is.

    Raises:
      DataError: no model.
    """
    check_kind("model", model, Recommender, "give a model, such as mf()")
    return model if isinstance(model, ReducedTables) else ReducedTables(model)
