"""What to run in the environment of a system whose files are pickles: a few lines that write tables, ids and some scores.

A pickle runs whatever is in it, so it is opened where it was made, by who made it. The result, NAME.safetensors and NAME.json,
holds numbers and texts alone, and `from_tensors` reads it.

>>> print(snippet("cornac", name="bpr").splitlines()[0])
# In the environment of Cornac, with `model`, a trained BPR, and `train_set`, what it was trained on.
"""

from typing import Literal, get_args

from ifru_jax.errors import DataError

System = Literal["recbole", "lenskit", "cornac", "lightfm", "surprise"]

_HEADS: dict[str, str] = {
    "recbole": """\
# In the environment of RecBole, beside its checkpoint NAME.pth, of the models BPR and LightGCN.
import torch
from recbole.data.interaction import Interaction
from recbole.quick_start import load_data_and_model
config, model, dataset, train, _, _ = load_data_and_model("NAME.pth")
assert config["model"] in ("BPR", "LightGCN"), "other models of RecBole can't be taken in"
fields = dataset.uid_field, dataset.iid_field
table = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
tables = {"user_embedding": "user_embedding.weight", "item_embedding": "item_embedding.weight"}
users, items = (train.dataset.inter_feat[field].numpy() - 1 for field in fields)  # row 0 is padding
ids = [[str(token) for token in dataset.field2id_token[field][1:]] for field in fields]
score = lambda u, i: model.eval().predict(Interaction(dict(zip(fields, (torch.tensor(u + 1), torch.tensor(i + 1)))))).detach()
declared = {"loss": "bpr", "layers": int(config["n_layers"]) if config["model"] == "LightGCN" else 0, "pad": [1, 1]}
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
      DataError: a system without one. implicit and LightGCN-PyTorch need none: `from_implicit` and `from_lightgcn_pytorch` read
        their files.
    """
    if system not in _HEADS:
        raise DataError(f"there is no snippet for {system!r}: choose among {', '.join(get_args(System))}, or see from_tensors.")
    head, _, rest = _HEADS[system].partition("\n")
    return f"{head}\n{_IMPORTS}{rest}{_TAIL}".replace("NAME", name)
