"""Retraining in shards: disjoint parts of the data, each with a submodel, of which a request trains those again that it touches."""

from ifru_jax.baselines.sharded.receraser import RecEraser, RecEraserState
from ifru_jax.baselines.sharded.shards import ShardedModel
from ifru_jax.baselines.sharded.sisa import SISA

__all__ = ["SISA", "RecEraser", "RecEraserState", "ShardedModel"]
