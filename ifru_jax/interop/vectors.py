"""Embeddings for a vector index: what the inner product of a user's vector with an item's is the score of.

    s(u, i) = ⟨a_u, b_i⟩        matrix factorisation, ALS
            = ⟨[a_u; 1; b_u + μ], [q_i; b_i; 1]⟩ with biases        LightGCN: after propagation

Only users and items with data have one: an index must not find what was erased, and of what nobody had nothing is known. After a
request all vectors are written anew; a propagated one has changed wherever the graph has.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ifru_jax.data.extras import needed
from ifru_jax.data.interactions import Interactions
from ifru_jax.errors import DataError, ModelError, check_kind
from ifru_jax.exact import ALSModel
from ifru_jax.files import replacing, target_of, write_atomic
from ifru_jax.models import Side
from ifru_jax.models.flax_recommender import FlaxRecommender
from ifru_jax.models.lightgcn import LightGCN
from ifru_jax.training import Trained

_TABLES = {"user_embedding", "item_embedding"}
_CHECKED, _TOLERANCE = 1000, 1e-4


def export_vectors(trained: Trained | ALSModel, path: str | os.PathLike[str], *, side: Side = "item") -> Path:
    """Writes the vectors of users or of items, for an index by the inner product.

    Args:
      trained: a model whose scores are inner products: mf, item_bias_mf, bias_mf, lightgcn, or ALS.
      path: NAME.npy, float32 [n, k], with the ids of its rows in NAME.ids.json; or NAME.parquet, with columns id and vector.
      side: "user" or "item".

    Returns:
      The file that has the ids.

    Raises:
      DataError: another side or kind of file, no such folder, or no pyarrow for Parquet.
      ModelError: scores that are no inner products.
    """
    check_kind("trained", trained, (Trained, ALSModel), "give what came in, or what unlearn made of it")
    check_kind("path", path, (str, os.PathLike), "give the path of the file")
    if side not in ("user", "item"):
        raise DataError(f'side is {side!r}: write the vectors of "user" or of "item".')
    target = target_of(path)
    if target.suffix not in (".npy", ".parquet"):
        raise DataError(f"{target.name} ends in {target.suffix!r}: write NAME.npy, with ids beside, or NAME.parquet.")
    users, items = inner_vectors(trained)
    _check(trained, users, items)
    gone = trained.training_set.without_data
    kept, whole = (~gone.users, users) if side == "user" else (~gone.items, items)
    vectors, ids = whole[kept].astype(np.float32), _ids(trained.interactions, side)[kept]
    if target.suffix == ".parquet":
        _parquet(target, vectors, ids)
        return target
    beside = target.with_name(f"{target.stem}.ids.json")
    write_atomic(beside, json.dumps(ids.tolist(), ensure_ascii=False))
    with replacing(target) as file:
        np.save(file, vectors, allow_pickle=False)
    return beside


def inner_vectors(trained: Trained | ALSModel) -> tuple[np.ndarray, np.ndarray]:
    """a [num_users, k] and b [num_items, k], by rows.

    Raises:
      ModelError: scores that are no inner products.
    """
    if isinstance(trained, ALSModel):
        return trained.user_factors, trained.item_factors
    model, params = trained.model, {name: np.asarray(value) for name, value in trained.params.items()}
    if isinstance(model, FlaxRecommender) and isinstance(model.module, LightGCN):
        return _propagated(trained, model.module.num_layers)
    if not _TABLES <= params.keys() <= {*_TABLES, "user_bias", "item_bias", "global_bias"} or model.num_hops:
        raise ModelError(
            f"the scores of {model!r} are no inner products of two vectors: mf, item_bias_mf, bias_mf, lightgcn and ALS have such."
        )
    users, items = params["user_embedding"], params["item_embedding"]
    if "item_bias" in params:
        users, items = np.c_[users, np.ones(len(users), users.dtype)], np.c_[items, params["item_bias"]]
    if "user_bias" in params:
        own = params["user_bias"] + params["global_bias"]
        users, items = np.c_[users, own], np.c_[items, np.ones(len(items), items.dtype)]
    return users, items


def _propagated(trained: Trained, layers: int) -> tuple[np.ndarray, np.ndarray]:
    graph = trained.training_set.graph
    users, items = user_sum, item_sum = trained.params["user_embedding"], trained.params["item_embedding"]
    for _ in range(layers):
        users, items = graph.to_users(items), graph.to_items(users)
        user_sum, item_sum = user_sum + users, item_sum + items
    return np.asarray(user_sum) / (layers + 1), np.asarray(item_sum) / (layers + 1)


def _check(trained: Trained | ALSModel, users: np.ndarray, items: np.ndarray) -> None:
    """Whether inner products are the scores, on some pairs."""
    rng = np.random.default_rng(0)
    rows = rng.integers(len(users), size=_CHECKED), rng.integers(len(items), size=_CHECKED)
    scores = np.asarray(trained.score_rows(*rows), float)
    apart = np.abs(np.einsum("nk,nk->n", users[rows[0]], items[rows[1]]) - scores).max()
    if apart > _TOLERANCE * max(1e-30, float(np.abs(scores).max())):
        raise ModelError(f"inner products are up to {apart:.3g} from the scores: this model is no product of two vectors.")


def _ids(data: Interactions, side: Side) -> np.ndarray:
    ids, size = (data.user_ids, data.num_users) if side == "user" else (data.item_ids, data.num_items)
    return np.arange(size) if ids is None else ids


def _parquet(target: Path, vectors: np.ndarray, ids: np.ndarray) -> None:
    arrow: Any = needed("pyarrow", "Parquet files need pyarrow", extra="large")
    parquet: Any = needed("pyarrow.parquet", "Parquet files need pyarrow", extra="large")
    column = arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.reshape(-1)), vectors.shape[1])
    with replacing(target) as file:
        parquet.write_table(arrow.table({"id": arrow.array(ids.tolist()), "vector": column}), file)
