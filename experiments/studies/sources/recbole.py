"""Models of RecBole: trained by its trainer for a number of epochs, written by the snippet, loaded again by load_state_dict."""

import contextlib
import copy
import dataclasses
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from experiments.studies.sources import kept_in, key_of, version_of
from ifru_jax import Interactions, interop
from ifru_jax.data.extras import needed
from ifru_jax.exact import ALSModel
from ifru_jax.files import write_atomic
from ifru_jax.interop.containers import read_safetensors
from ifru_jax.training import Trained

# Names that RecBole 1.2 still asks NumPy for.
_RENAMED = {"bool8": np.bool_, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}


@dataclasses.dataclass(frozen=True)
class _Fitted:
    """A model of RecBole, with the data it was trained on and what its checkpoint has."""

    net: Any
    dataset: Any
    trainer: Any
    sizes: tuple[int, int]


class RecBole:
    """A general recommender of RecBole.

    Args:
      kind: its class, as "BPR".
      settings: of its configuration; what is not given is RecBole's default.
    """

    named = str

    def __init__(self, kind: str, **settings: Any) -> None:
        self.kind, self.settings = kind, settings

    @property
    def _folder(self) -> Path:
        return kept_in(f"recbole-{self.kind}", self.settings)

    def versions(self) -> dict[str, str]:
        return {name: version_of(name) for name in ("recbole", "torch")}

    def fitted(self, train: Interactions, seed: int, *, anew: bool = False) -> _Fitted:
        with _as_it_expects(self._folder):
            torch = needed("torch", "RecBole needs torch")
            name = key_of(train, seed)
            lines = "".join(f"{user}\t{item}\n" for user, item in zip(train.users, train.items, strict=True))
            Path("data", name).mkdir(parents=True, exist_ok=True)
            write_atomic(Path("data", name, f"{name}.inter"), f"user_id:token\titem_id:token\n{lines}")
            fixed = {
                "data_path": "data", "checkpoint_dir": f"saved/{name}", "load_col": {"inter": ["user_id", "item_id"]}, "seed": seed,
                "use_gpu": False, "show_progress": False, "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
                "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "mode": "full", "group_by": None},
            }  # fmt: skip
            config = needed("recbole.config", "pip install recbole").Config(
                model=self.kind, dataset=name, config_dict=fixed | self.settings
            )
            needed("recbole.utils", "pip install recbole").init_seed(seed, True)
            data = needed("recbole.data", "pip install recbole")
            dataset = data.create_dataset(config)
            passes, _, _ = data.data_preparation(config, dataset)
            utils = needed("recbole.utils", "pip install recbole")
            utils.init_seed(seed, True)
            net = utils.get_model(self.kind)(config, passes.dataset)
            trainer = utils.get_trainer(config["MODEL_TYPE"], self.kind)(config, net)
            trainer.saved_model_file = f"saved/{name}.pth"
            if anew or not Path(trainer.saved_model_file).exists():
                trainer.fit(passes, None, verbose=False, saved=False, show_progress=False)
                trainer._save_checkpoint(config["epochs"] - 1, verbose=False)
            else:
                net.load_state_dict(torch.load(trainer.saved_model_file)["state_dict"])
            trainer.tensorboard.close()  # it writes into the working folder, from a thread
            torch.set_grad_enabled(True)
            return _Fitted(net, passes.dataset, trainer, (train.num_users, train.num_items))

    def scores(self, model: _Fitted) -> np.ndarray:
        torch = needed("torch", "RecBole needs torch")
        net, dataset = model.net.eval(), model.dataset
        rows = [np.array([int(token) for token in dataset.field2id_token[f][1:]]) for f in (dataset.uid_field, dataset.iid_field)]
        found = np.zeros(model.sizes)
        items = torch.arange(1, len(rows[1]) + 1)
        with torch.no_grad():
            if self.kind == "NeuMF":
                grid = [net.forward(torch.full_like(items, user), items).numpy() for user in range(1, len(rows[0]) + 1)]
            else:
                users = {dataset.uid_field: torch.arange(1, len(rows[0]) + 1)}
                grid = net.full_sort_predict(users).numpy().reshape(len(rows[0]), -1)[:, 1:]
        found[np.ix_(*rows)] = grid
        return found

    def imported(self, model: _Fitted, train: Interactions, folder: Path, options: interop.ImplicitOptions) -> interop.Imported:
        with _as_it_expects(self._folder), contextlib.redirect_stdout(io.StringIO()):
            target = folder / "model"
            code = interop.snippet("recbole").replace('"model.pth"', repr(model.trainer.saved_model_file))
            code = code.replace('"model.safetensors"', repr(f"{target}.safetensors")).replace(
                '"model.json"', repr(f"{target}.json")
            )
            exec(compile(code, "snippet", "exec"), {})
        declared = interop.Declared.read(f"{target}.json")
        if not options.replay:
            declared = dataclasses.replace(declared, replay=None)
        if declared.loss == "bpr":
            declared = dataclasses.replace(declared, negatives=options.negatives)
        return interop.from_tensors(f"{target}.safetensors", declared=declared)

    def served(
        self, model: _Fitted, back: tuple[Trained | ALSModel, interop.Source], rest: Interactions, folder: Path
    ) -> np.ndarray:
        torch = needed("torch", "RecBole needs torch")
        interop.export(back[0], folder / "after.safetensors", like="recbole")
        net = copy.deepcopy(model.net)
        state, _ = read_safetensors(folder / "after.safetensors")
        net.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        if self.kind == "LightGCN":
            with _as_it_expects(self._folder):
                places = [{int(token): row for row, token in enumerate(model.dataset.field2id_token[field]) if row}
                          for field in (model.dataset.uid_field, model.dataset.iid_field)]  # fmt: skip
                pairs = [np.array([of[int(k)] for k in rows]) for of, rows in zip(places, (rest.users, rest.items), strict=True)]
                entries = np.ones(len(rest), np.float32), tuple(pairs)
                net.interaction_matrix = scipy.sparse.coo_matrix(entries, shape=net.interaction_matrix.shape)
                net.norm_adj_matrix = net.get_norm_adj_mat()
                net.restore_user_e = net.restore_item_e = None
        return self.scores(_Fitted(net, model.dataset, model.trainer, model.sizes))


@contextlib.contextmanager
def _as_it_expects(folder: Path) -> Iterator[None]:
    """RecBole reads the command line and the working folder, trusts its checkpoints, and asks for names that are gone."""
    lacking = [name for name in _RENAMED if name not in vars(np)]
    argv, sys.argv = sys.argv, ["recbole"]
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    for name in lacking:
        setattr(np, name, _RENAMED[name])
    if "_update" not in vars(scipy.sparse.dok_matrix):
        scipy.sparse.dok_matrix._update = lambda self, of: self._dict.update(of)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        sys.argv = argv
        del os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]
        for name in lacking:
            delattr(np, name)
