"""LightGCN-PyTorch: the code of its repository, from a clone, on files as it reads them."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.studies.sources import kept_in, key_of, version_of
from ifru_jax import Interactions, interop
from ifru_jax.data.extras import needed
from ifru_jax.errors import DataError
from ifru_jax.exact import ALSModel
from ifru_jax.files import write_atomic
from ifru_jax.training import Trained

CLONE = "LIGHTGCN_PYTORCH"


@dataclass(frozen=True)
class _Fitted:
    """A model in a folder with its data, whose users and items are these rows of `sizes`."""

    net: Any
    folder: Path
    rows: tuple[np.ndarray, np.ndarray]
    sizes: tuple[int, int]


class LightGCNPyTorch:
    """Its LightGCN.

    Args:
      epochs: `--epochs`.
      settings: by the names of its `world.config`.
    """

    named = int

    def __init__(self, *, epochs: int, **settings: Any) -> None:
        self.epochs, self.own = epochs, settings
        self.settings = {"epochs": epochs, **settings}

    def versions(self) -> dict[str, str]:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=_clone(), capture_output=True, text=True, check=False)
        return {"LightGCN-PyTorch": head.stdout.strip() or "a copy", "torch": version_of("torch")}

    def _code(self) -> tuple[Any, ...]:
        """Its modules, which read the command line as they are imported and make a folder beside them."""
        path, argv = str(_clone() / "code"), sys.argv
        if path not in sys.path:
            sys.path.insert(0, path)
        sys.argv = ["main.py", "--tensorboard=0"]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                found = tuple(importlib.import_module(name) for name in ("world", "utils", "model", "dataloader", "Procedure"))
        finally:
            sys.argv = argv
        found[0].config.update(self.own)
        return found

    def _net(self, folder: Path) -> tuple[Any, Any]:
        world, _, model, dataloader, _ = self._code()
        dataset = dataloader.Loader(config=world.config, path=str(folder))
        return model.LightGCN(world.config, dataset), dataset

    def fitted(self, train: Interactions, seed: int, *, anew: bool = False) -> _Fitted:
        world, utils, _, _, procedure = self._code()
        torch, rows = needed("torch", "it needs torch"), (np.unique(train.users), np.unique(train.items))
        folder = kept_in("lightgcn-pytorch", self.settings) / key_of(train, seed)
        folder.mkdir(exist_ok=True)
        _written(folder, train, rows)
        file = folder / "lgn.pth.tar"
        with contextlib.redirect_stdout(io.StringIO()):
            utils.set_seed(seed)
            if utils.sample_ext:
                utils.sampling.seed(seed)
            net, dataset = self._net(folder)
            if anew or not file.exists():
                step = utils.BPRLoss(net, world.config)
                for epoch in range(self.epochs):
                    procedure.BPR_train_original(dataset, net, step, epoch)
                torch.save(net.state_dict(), file)
            net.load_state_dict(torch.load(file, weights_only=True))
        return _Fitted(net, folder, rows, (train.num_users, train.num_items))

    def scores(self, model: _Fitted) -> np.ndarray:
        torch = needed("torch", "it needs torch")
        with torch.no_grad():
            users, items = model.net.eval().computer()
        found = np.zeros(model.sizes)
        found[np.ix_(*model.rows)] = users.numpy().astype(float) @ items.numpy().astype(float).T
        return found

    def imported(self, model: _Fitted, train: Interactions, folder: Path, options: interop.ImplicitOptions) -> interop.Imported:
        needed("torch", "it needs torch").save(model.net.state_dict(), folder / "lgn.pth.tar")
        data = interop.read_lightgcn(model.folder)
        layers, decay = self.own["lightGCN_n_layers"], self.own["decay"]
        replay = interop.Replay("adam", self.own["lr"], self.own["bpr_batch_size"]) if options.replay else None
        options_here = {"layers": layers, "decay": decay, "negatives": options.negatives, "replay": replay}
        return interop.from_lightgcn_pytorch(folder / "lgn.pth.tar", data, **options_here)

    def served(
        self, model: _Fitted, back: tuple[Trained | ALSModel, interop.Source], rest: Interactions, folder: Path
    ) -> np.ndarray:
        torch = needed("torch", "it needs torch")
        interop.export(back[0], folder / "after.pth.tar", like=back[1])
        _written(folder, rest, model.rows)
        with contextlib.redirect_stdout(io.StringIO()):
            net, _ = self._net(folder)
        net.load_state_dict(torch.load(folder / "after.pth.tar", weights_only=True))
        return self.scores(replace(model, net=net))


def _clone() -> Path:
    given = os.environ.get(CLONE)
    found = Path(given or "")
    if not given or not (found / "code" / "model.py").is_file():
        what = f"{CLONE} is {given!r}, which has no code/model.py" if given else f"the variable {CLONE} is not set"
        raise DataError(f"{what}: git clone https://github.com/gusye1234/LightGCN-PyTorch, and set it to the clone.")
    return found


def _written(folder: Path, train: Interactions, rows: tuple[np.ndarray, np.ndarray]) -> None:
    """`train.txt` and the lists, in which these rows are numbered anew, and a `test.txt` that holds the last, for the sizes."""
    train = train.select(np.argsort(train.users, kind="stable"))
    users, items = (np.searchsorted(of, column) for of, column in zip(rows, (train.users, train.items), strict=True))
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    lines = (f"{user} {' '.join(map(str, of))}\n" for user, of in zip(users[starts], np.split(items, starts[1:]), strict=True))
    write_atomic(folder / "train.txt", "".join(lines))
    write_atomic(folder / "test.txt", f"{len(rows[0]) - 1} {len(rows[1]) - 1}\n")
    for side, of in zip(("user", "item"), rows, strict=True):
        write_atomic(folder / f"{side}_list.txt", "org_id remap_id\n" + "".join(f"{row} {k}\n" for k, row in enumerate(of)))
