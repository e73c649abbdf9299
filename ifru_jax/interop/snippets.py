"""What to run in the environment of a system whose files are pickles: a few lines that write tables, ids and some scores.

A pickle runs whatever is in it, so it is opened where it was made, by who made it. The result, NAME.safetensors and NAME.json,
holds numbers and texts alone, and `from_tensors` reads it.

>>> print(snippet("cornac", name="bpr").splitlines()[0])
# In the environment of Cornac, with `model`, a trained BPR, and `train_set`, what it was trained on.
"""

import re
from typing import Literal, get_args

from ifru_jax.errors import DataError

System = Literal["recbole", "lenskit", "cornac", "lightfm", "surprise"]

_HEADS: dict[str, str] = {
    "recbole": """\
# In the environment of RecBole, beside its checkpoint NAME.pth, of the models BPR, LightGCN and NeuMF.
import torch
from recbole.data.interaction import Interaction
from recbole.quick_start import load_data_and_model
config, model, dataset, train, _, _ = load_data_and_model("NAME.pth")
fields, kind = (dataset.uid_field, dataset.iid_field), config["model"]
table = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
assert kind in ("BPR", "LightGCN", "NeuMF"), "other models of RecBole can't be taken in"
declared = {"loss": "bpr", "pad": [1, 1]}  # row 0 is padding
tables = {"user_embedding": "user_embedding.weight", "item_embedding": "item_embedding.weight"}
if kind == "LightGCN":
    declared |= {"layers": int(config["n_layers"]), "decay": float(config["reg_weight"]) if config["require_pow"] else 0.0}
if config["learner"] == "adam":
    sizes = {"learning_rate": float(config["learning_rate"]), "batch_size": int(config["train_batch_size"])}
    declared["replay"] = {"optimiser": "adam"} | sizes
if kind == "NeuMF":
    assert config["mf_train"] and config["mlp_train"], "NeuMF has both of its parts"
    d, deep, hidden = (config[name] for name in ("mf_embedding_size", "mlp_embedding_size", "mlp_hidden_size"))
    own = {"embedding_size": d, "mlp_embedding_size": deep, "hidden": hidden, "activation": "relu", "output_bias": True}
    declared |= {"loss": "bce", "model": {"module": "NeuMF"} | own}
    parts = {"gmf": "mf", "mlp": "mlp"}
    tables = {f"{to}_{side}": f"{side}_{of}_embedding.weight" for to, of in parts.items() for side in ("user", "item")}
    for k in range(len(hidden)):
        layer = f"mlp_layers.mlp_layers.{3 * k + 1}"
        tables |= {f"tower/kernel_{k}": f"{layer}.weight.T", f"tower/bias_{k}": f"{layer}.bias"}
    top = "predict_layer.weight"
    tables |= {"gmf_output": f"{top}[0:{d}]", "mlp_output": f"{top}[{d}:{d + hidden[-1]}]", "output_bias": "predict_layer.bias"}
users, items = (train.dataset.inter_feat[field].numpy() - 1 for field in fields)
ids = [[str(token) for token in dataset.field2id_token[field][1:]] for field in fields]
logit = model.forward if kind == "NeuMF" else lambda *pair: model.predict(Interaction(dict(zip(fields, pair))))
score = lambda u, i: (model.eval(), logit(torch.tensor(u + 1), torch.tensor(i + 1)).detach())[1]
""",
    "lenskit": """\
# In the environment of LensKit, with `model`, a trained ImplicitMFScorer, and `data`, the Dataset that it was trained on.
rows = data.interactions().matrix().scipy(layout="coo")
table = {"users": model.user_embeddings, "items": model.item_embeddings}
tables = {"user_embedding": "users", "item_embedding": "items"}
users, items = rows.row, rows.col
ids = [model.users.ids().tolist(), model.items.ids().tolist()]
score = lambda u, i: (model.user_embeddings[u] * model.item_embeddings[i]).sum(axis=1)
assert not model.config.use_ratings and model.config.user_reg == model.config.item_reg
declared = {"loss": "als", "reg": float(model.config.user_reg), "alpha": 1 + float(model.config.weight)}
""",
    "cornac": """\
# In the environment of Cornac, with `model`, a trained BPR, and `train_set`, what it was trained on.
table = {"users": model.u_factors, "items": model.i_factors, "bias": model.i_biases}
tables = {"user_embedding": "users", "item_embedding": "items", "item_bias": "bias"}
users, items, _ = train_set.uir_tuple
ids = [sorted(of, key=of.get) for of in (train_set.uid_map, train_set.iid_map)]
score = lambda u, i: [model.score(a, b) for a, b in zip(u, i)]
declared = {"loss": "bpr", "decay": float(model.lambda_reg)}
declared["replay"] = {"optimiser": "sgd", "learning_rate": float(model.learning_rate), "batch_size": 1}
""",
    "lightfm": """\
# In the environment of LightFM, with `model` (loss bpr, without features), `interactions` (a coo_matrix) and `dataset`.
(user_bias, p), (item_bias, q) = model.get_user_representations(), model.get_item_representations()
table = {"user_bias": user_bias, "users": p, "item_bias": item_bias, "items": q}
tables = {"user_embedding": "users", "item_embedding": "items", "user_bias": "user_bias", "item_bias": "item_bias"}
users, items = interactions.row, interactions.col
ids = [sorted(of, key=of.get) for of in (dataset.mapping()[0], dataset.mapping()[2])]
score = lambda u, i: model.predict(u.astype("int32"), i.astype("int32"))
declared = {"loss": model.loss, "decay": float(model.user_alpha)}
""",
    "surprise": """\
# In the environment of Surprise, with `model`, a trained SVD, and `trainset`, what it was trained on.
table = {"p": model.pu, "q": model.qi, "bu": model.bu, "bi": model.bi, "mean": np.asarray(trainset.global_mean)}
tables = dict(zip(("user_embedding", "item_embedding", "user_bias", "item_bias", "global_bias"), table))
users, items, labels = (np.array(column) for column in zip(*trainset.all_ratings()))
table["train/labels"] = labels
ids = [[of(k) for k in range(n)] for of, n in ((trainset.to_raw_uid, trainset.n_users), (trainset.to_raw_iid, trainset.n_items))]
score = lambda u, i: [trainset.global_mean + model.bu[a] + model.bi[b] + model.qi[b] @ model.pu[a] for a, b in zip(u, i)]
declared = {"loss": "squares", "decay": float(model.reg_pu)}
""",
}
_IMPORTS = """\
import json
import numpy as np
from safetensors.numpy import save_file
"""
_TAIL = """\
u, i = (np.random.default_rng(k).integers(len(ids[k]), size=1000) for k in (0, 1))
table |= {"train/users": np.asarray(users, "int32"), "train/items": np.asarray(items, "int32")}
whole = {k: np.asarray(v, "float32" if np.asarray(v).dtype == "float64" else None) for k, v in table.items()}
save_file({k: np.asarray(v, order="C") for k, v in whole.items()}, "NAME.safetensors")
scores = {"users": u.tolist(), "items": i.tolist(), "scores": [float(s) for s in score(u, i)]}
declared |= {"tables": tables, "user_ids": ids[0], "item_ids": ids[1], "scores": scores}
with open("NAME.json", "w") as file:
    json.dump(declared, file)
"""


def snippet(system: System, *, name: str = "model") -> str:
    """Lines to run in the environment of a system, which write NAME.safetensors and NAME.json; safetensors is needed there.

    Args:
      system: whose.
      name: of the files, without a suffix.

    Raises:
      DataError: a system without one, or a name that is none of a file. implicit and LightGCN-PyTorch need none: `from_implicit`
        and `from_lightgcn_pytorch` read their files.
    """
    if system not in _HEADS:
        raise DataError(f"there is no snippet for {system!r}: choose among {', '.join(get_args(System))}, or see from_tensors.")
    if not re.fullmatch(r"[\w.\- ]+", name):
        raise DataError(f"name is {name!r}, which becomes part of the lines: give letters, digits, dots, dashes and blanks.")
    head, _, rest = _HEADS[system].partition("\n")
    return f"{head}\n{_IMPORTS}{rest}{_TAIL}".replace("NAME", name)
