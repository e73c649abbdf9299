"""RecBole: what its state dicts call the parameters of BPR, LightGCN and NeuMF, with a row of padding before users and items.

Its checkpoints are pickles and are not read; `snippet("recbole")` writes the state dict as safetensors, under the same names, so
that `load_state_dict` takes what `export` wrote. Source: https://github.com/RUCAIBox/RecBole, version 1.2
(`recbole/model/general_recommender`).
"""

from collections.abc import Mapping

import numpy as np

from ifru_jax.interop.places import Place
from ifru_jax.interop.source import Source

_NAMES = {
    "user_embedding": "user_embedding.weight", "item_embedding": "item_embedding.weight",
    "user_bias": "user_bias.weight", "item_bias": "item_bias.weight",
    "gmf_user": "user_mf_embedding.weight", "gmf_item": "item_mf_embedding.weight",
    "mlp_user": "user_mlp_embedding.weight", "mlp_item": "item_mlp_embedding.weight",
    "output_bias": "predict_layer.bias",
}  # fmt: skip
_TOP = "predict_layer.weight"


def recbole_source(params: Mapping[str, np.ndarray], sides: Mapping[str, str]) -> Source:
    """What a state dict has of these parameters; of others nothing."""
    places = {name: Place(_NAMES[name]) for name in params if name in _NAMES}
    for name in params:
        if name.startswith("tower/"):
            kind, _, number = name.removeprefix("tower/").rpartition("_")
            # Each layer is dropout, a linear map and an activation.
            linear = f"mlp_layers.mlp_layers.{3 * int(number) + 1}"
            places[name] = Place(f"{linear}.weight", transposed=True) if kind == "kernel" else Place(f"{linear}.bias")
    shapes: dict[str, tuple[int, ...]] = {"predict_layer.bias": (1,)}
    if "gmf_output" in params:
        product, deep = (len(params[name]) for name in ("gmf_output", "mlp_output"))
        places["gmf_output"], places["mlp_output"] = Place(_TOP, span=(0, product)), Place(_TOP, span=(product, product + deep))
        shapes[_TOP] = (1, product + deep)
    pad = {places[name].tensor: np.zeros_like(params[name][:1]) for name in places if name in sides}
    return Source("safetensors", places=places, pad=pad, shapes=shapes)
